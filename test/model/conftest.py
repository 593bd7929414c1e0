# SPDX-License-Identifier: Apache-2.0
"""The command line with the tests' bundle."""

import pytest

from liv_model.cli import main as liv


@pytest.fixture
def label(bundle, tmp_path):
    """``liv label``, which ends with this exit code; returns the path of its output."""

    def run(*words, output="out", code=0):
        out = [] if output is None else ["-o", str(tmp_path / output)]
        assert liv(["label", *map(str, words), *out, "--bundle", str(bundle.path)]) == code
        return tmp_path / output if output else None

    return run
