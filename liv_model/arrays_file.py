# SPDX-License-Identifier: Apache-2.0
"""NumPy's ``.npz`` files: whatever is wrong with one is one kind of error."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file by name.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none, is cut, or holds Python objects.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:  # empty; cut; a lone array (.npy)
        raise ValueError(f"no .npz file, or a damaged one ({error})") from error
