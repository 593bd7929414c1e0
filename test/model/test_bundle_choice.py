# SPDX-License-Identifier: Apache-2.0
import pytest

from liv_model.bundle_choice import BundleChoice


def test_it_is_found_again_within_the_launch_alone(tmp_path):
    file = tmp_path / "state" / "choice.json"
    assert BundleChoice(file, "a").load() is None
    BundleChoice(file, "a").save("/models/new")
    assert BundleChoice(file, "a").load() == "/models/new"
    assert BundleChoice(file, "b").load() is None
    assert BundleChoice(file, "").load() is None


def test_without_a_session_nothing_is_kept(tmp_path):
    BundleChoice(tmp_path / "choice.json", "").save("/models/new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"session": "a"}', '{"session": "a", "bundle": 3}', "\0"])
def test_a_file_of_something_else_is_no_choice(tmp_path, content):
    file = tmp_path / "choice.json"
    file.write_text(content)
    assert BundleChoice(file, "a").load() is None
