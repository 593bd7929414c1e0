# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from tiny_bundle import make_bundle

from liv_model.encoder import open_encoder
from liv_model.errors import ConfigError, GoalError
from liv_model.goal import Goal, GoalResolver
from liv_model.goal_store import GoalStore, StoredGoal

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def resolver(bundle):
    return GoalResolver(bundle, open_encoder(bundle))


def test_a_known_instruction_is_familiar_and_calibrated(resolver):
    resolved = resolver.resolve(Goal("Open the drawer".lower()))
    assert resolved.nearest[0].text == "open the drawer"
    assert resolved.familiarity == pytest.approx(1, abs=1e-5)
    assert (resolved.calibration.start, resolved.calibration.goal) == (0.1, 0.6)
    assert resolved.message == ""


def test_an_unknown_instruction_is_accepted_with_a_warning_and_without_progress(resolver):
    resolved = resolver.resolve(Goal("sing me a song"))
    assert resolved.message.startswith("unfamiliar: 'sing me a song'")
    assert not resolved.calibration.is_known
    assert len(resolved.nearest) == 3


@pytest.mark.parametrize("text", ["افتح الباب", "打开门", "open the дверь", "🚪🚪"])
def test_a_script_that_the_model_never_read_is_unfamiliar_whatever_its_cosine(resolver, text):
    resolved = resolver.resolve(Goal(text))
    assert math.isnan(resolved.familiarity) and resolved.nearest == () and not resolved.calibration.is_known
    assert "has signs that this model has never read" in resolved.message


@pytest.mark.parametrize("text", ["Öpen the drawer, 2 × now!", "open the drawer £5"])
def test_accents_numbers_and_punctuation_are_of_every_script(resolver, text):
    assert "signs" not in resolver.resolve(Goal(text)).message


def test_a_task_that_the_model_has_not_learned_has_no_progress_and_says_so(tmp_path):
    ends = {"open the drawer": (0.1, 0.6), "close the drawer": (0.1, 0.7), "open the door": (0.4, 0.41)}
    known = [
        {"text": text, "task": text, "opposite": None, "paraphrases": [], "start": start, "goal": goal}
        for text, (start, goal) in ends.items()
    ]
    bundle = make_bundle(tmp_path / "bundle", instructions=known)
    resolved = GoalResolver(bundle, open_encoder(bundle)).resolve(Goal("open the door"))
    assert resolved.familiarity == pytest.approx(1, abs=1e-5)
    assert not resolved.calibration.is_known
    assert resolved.message.startswith("not calibrated: this model hardly tells the start of 'open the door'")


def test_an_image_goal(resolver, bundle):
    resolved = resolver.resolve(Goal(image=PICTURE))
    assert np.linalg.norm(resolved.embedding) == pytest.approx(1, abs=1e-5)
    assert math.isnan(resolved.familiarity)
    assert math.isnan(resolved.calibration.start)
    assert resolved.calibration.goal == bundle.image_goal


def test_both_or_neither():
    with pytest.raises(GoalError, match="got both"):
        Goal("open the drawer", PICTURE)
    with pytest.raises(GoalError, match="got neither"):
        Goal("  ")


@pytest.mark.parametrize("goal", [Goal("open the drawer"), Goal(image=PICTURE), Goal("é 世界 \"'")])
def test_a_stored_goal_comes_back(tmp_path, goal):
    store = GoalStore(tmp_path / "deep" / "goal.json")
    assert store.load() is None
    store.save(StoredGoal("id", goal, "session"))
    loaded = store.load()
    assert (loaded.id, loaded.session, loaded.goal.text) == ("id", "session", goal.text)
    if goal.image is not None:
        np.testing.assert_array_equal(loaded.goal.image, goal.image)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"id": "1"}', '{"id": "1", "text": ""}', '{"id":1,"image_png":"AA"}']
)
def test_a_broken_store_says_so(tmp_path, content):
    file = tmp_path / "goal.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match="expected a stored goal"):
        GoalStore(file).load()
