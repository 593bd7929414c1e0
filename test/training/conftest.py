# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from moving_squares import write_squares


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    """Folder with the stores ``train``, ``held_out`` and ``test`` (these two of failures too)."""
    folder = tmp_path_factory.mktemp("squares")
    write_squares(folder / "train", range(12))
    write_squares(folder / "held_out", range(1000, 1003), failures=True)
    write_squares(folder / "test", range(2000, 2002), failures=True)
    return folder
