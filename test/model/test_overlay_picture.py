# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from liv_model.overlay_picture import FOOT, HEAD, OverlayNews, draw_overlay
from liv_model.task_state import TaskState

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
FULL = OverlayNews(
    "open the drawer", TaskState.STALLED, "stalled for 2.3 s at 0.41", 0.41, (0.0, 1.0, 2.0), (0.1, 0.3, 0.4)
)


def foot(news, **options):
    return draw_overlay(PICTURE, news, **options)[-FOOT:]


def test_the_picture_stands_whole_between_head_and_foot():
    drawn = draw_overlay(PICTURE, FULL, width=64 * 5)
    assert drawn.shape == (HEAD + 48 * 5 + FOOT, 320, 3) and drawn.dtype == np.uint8
    middle = drawn[HEAD:-FOOT].reshape(48, 5, 64, 5, 3)[:, 2, :, 2]
    assert np.abs(middle.astype(int) - PICTURE).mean() < 2
    assert draw_overlay(PICTURE, FULL, width=160).shape == (HEAD + 120 + FOOT, 160, 3)


@pytest.mark.parametrize(
    "change",
    [{"goal": "close it"}, {"state": TaskState.SUCCEEDED}, {"state": None}, {"message": "else"}, {"progress": 0.9}],
)
def test_everything_that_is_told_is_drawn(change):
    assert (draw_overlay(PICTURE, OverlayNews(**{**vars(FULL), **change})) != draw_overlay(PICTURE, FULL)).any()


def test_a_longer_progress_is_a_longer_bar():
    bars = [(foot(OverlayNews(progress=p))[15] == (86, 204, 190)).all(axis=-1).sum() for p in (0.0, 0.3, 0.9, 1.7)]
    assert bars[0] <= 1 and bars == sorted(bars) and bars[3] < 250
    assert (foot(OverlayNews(progress=math.nan))[15] == (86, 204, 190)).all(axis=-1).sum() == 0


def test_a_rising_curve_rises_and_what_is_older_is_left_out():
    time_s = np.linspace(0, 30, 100)
    drawn = foot(OverlayNews(time_s=time_s, value=np.linspace(-1, 1, 100)), seconds=10.0)
    curve = (np.abs(drawn.astype(int) - (86, 204, 190)).sum(axis=-1) < 30)[36:]
    rows = [np.flatnonzero(curve[:, x]).mean() for x in (100, 300, 600)]
    assert rows[0] > rows[1] > rows[2]


@pytest.mark.parametrize("value", [[], [math.nan], [0.5], [0.5, math.nan, 0.6, 0.7], [0.5] * 9])
def test_curves_of_any_kind_are_drawn(value):
    assert draw_overlay(PICTURE, OverlayNews(time_s=np.arange(len(value)), value=value)).shape[1] == 640


def test_words_of_any_kind_and_length_are_drawn():
    drawn = draw_overlay(PICTURE, OverlayNews("öffne die Schublade, 抽屉 " * 50, TaskState.IDLE, "a\nb\x00" * 500))
    assert drawn.shape[1] == 640
    assert (draw_overlay(PICTURE, OverlayNews("öffne")) == draw_overlay(PICTURE, OverlayNews("offne"))).all()
