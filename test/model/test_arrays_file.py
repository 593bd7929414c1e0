# SPDX-License-Identifier: Apache-2.0
"""Damaged ``.npz`` files: whichever byte is another, it is one kind of error, or the arrays are read."""

import numpy as np
import pytest

from liv_model.arrays_file import read_arrays


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_whichever_byte_is_another_it_is_a_value_error_or_none(tmp_path, save):
    path, numbers = tmp_path / "a.npz", np.arange(6.0)
    save(path, numbers=numbers, word=np.array("drawer"))
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_arrays(path)
        except ValueError:
            refused += 1
    assert refused > len(whole) / 2


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, numbers=np.arange(6.0))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"no \.npz file"):
            read_arrays(path)


def test_python_objects_are_not_run(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, thing=np.array([{"a": 1}], object))
    with pytest.raises(ValueError, match="Object arrays"):
        read_arrays(path)
