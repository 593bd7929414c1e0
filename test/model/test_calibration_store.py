# SPDX-License-Identifier: Apache-2.0
import json
import math

import pytest

from liv_model.calibration import Calibration, ShownValue
from liv_model.calibration_store import CalibrationKey, CalibrationStore
from liv_model.errors import ConfigError

DRAWER = CalibrationKey("test@1", "open the drawer", "camera")
WRIST = CalibrationKey("test@1", "öffne die Schublade", "wrist")


def test_what_is_saved_is_loaded(tmp_path):
    store = CalibrationStore(tmp_path / "not" / "there" / "calibrations.json")
    assert store.load() == {}
    store.save({DRAWER: Calibration(0.1, 0.6), WRIST: Calibration(goal=0.4)})
    loaded = store.load()
    assert loaded[DRAWER] == Calibration(0.1, 0.6)
    assert math.isnan(loaded[WRIST].start)
    assert loaded[WRIST].goal == 0.4
    assert [path.name for path in (tmp_path / "not" / "there").iterdir()] == ["calibrations.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"calibrations": [{}]}',
        '{"calibrations": [{"model": "m", "goal": "g", "camera": "c", "start": 0.1, "goal_value": 7}]}',
        '{"calibrations": [{"model": "m", "goal": "g", "camera": "c", "start": "0.1", "goal_value": null}]}',
        '{"calibrations": [{"model": "m", "goal": 1, "camera": "c", "start": 0.1, "goal_value": null}]}',
    ],
)
def test_a_file_of_something_else_is_told(tmp_path, text):
    path = tmp_path / "calibrations.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"calibrations\.json: expected stored calibrations.*remove"):
        CalibrationStore(path).load()


def test_the_file_is_plain_json(tmp_path):
    path = tmp_path / "calibrations.json"
    CalibrationStore(path).save({DRAWER: Calibration(start=0.1)})
    (entry,) = json.loads(path.read_text(), parse_constant=pytest.fail)["calibrations"]
    assert entry == {
        "model": "test@1",
        "goal": "open the drawer",
        "camera": "camera",
        "start": 0.1,
        "goal_value": None,
    }


def test_a_folder_that_cannot_be_written_raises(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        CalibrationStore(tmp_path / "file" / "calibrations.json").save({})


# --- ends shown by an operator ---


def shown(mean, noise=0.0):
    return ShownValue(mean, noise, 15)


def test_ends_are_shown_one_after_the_other():
    both = Calibration().with_end("start", shown(0.2)).with_end("goal", shown(0.5))
    assert both == Calibration(0.2, 0.5)
    assert both.with_end("start", shown(0.3)) == Calibration(0.3, 0.5)


@pytest.mark.parametrize(("value", "noise"), [(0.2, 0.0), (0.1, 0.0), (0.205, 0.0), (0.25, 0.02)])
def test_a_goal_that_is_not_clearly_above_the_start_is_refused(value, noise):
    with pytest.raises(ConfigError, match=r"start and goal: expected .* above .* got 0\.200 at the start and 0\."):
        Calibration(start=0.2).with_end("goal", shown(value, noise))
    with pytest.raises(ConfigError, match="if the goal has changed too, show that first"):
        Calibration(goal=value).with_end("start", shown(0.2, noise))


@pytest.mark.parametrize(
    ("known", "by", "used"),
    [
        ((0.1, 0.6), (math.nan, math.nan), (0.1, 0.6)),
        ((0.1, 0.6), (0.2, math.nan), (0.2, 0.6)),
        ((0.1, 0.6), (math.nan, 0.5), (0.1, 0.5)),
        ((0.1, 0.6), (0.3, 0.4), (0.3, 0.4)),
        ((0.1, 0.6), (0.7, math.nan), (0.7, math.nan)),  # the model's goal does not go with this start
        ((0.1, 0.6), (math.nan, 0.05), (math.nan, 0.05)),
        ((math.nan, 0.9), (0.2, math.nan), (0.2, 0.9)),
        ((math.nan, math.nan), (0.2, math.nan), (0.2, math.nan)),
        ((0.6, 0.1), (math.nan, math.nan), (0.6, 0.1)),  # as the bundle says
    ],
)
def test_what_an_operator_showed_overrides_what_the_model_knows(known, by, used):
    found = Calibration(*known).overridden(Calibration(*by))
    assert (found.start, found.goal) == pytest.approx(used, nan_ok=True)
