# SPDX-License-Identifier: Apache-2.0
"""NumPy's ``.npz`` files: whatever is wrong with one is one kind of error."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file by name.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is none, is cut or damaged, or holds Python objects.
    """
    with path.open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except Exception as error:  # the zip, its compression, a header, a lone array: each has errors of its own
            raise ValueError(f"no .npz file, or a damaged one ({error})") from error
