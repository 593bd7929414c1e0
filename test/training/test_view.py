# SPDX-License-Identifier: Apache-2.0
"""Views of a scene: reproducible, within their bounds, and undone afterwards."""

import numpy as np
import pytest

from liv_model.errors import DataError
from training.view import Jitter, View

JITTER = Jitter(camera_m=0.05, camera_deg=3.0, light=0.3)


def test_a_view_is_drawn_within_the_jitter_and_the_same_for_the_same_seed():
    for seed in range(50):
        view = View.draw("corner2", JITTER, np.random.default_rng(seed))
        again = View.draw("corner2", JITTER, np.random.default_rng(seed))
        assert np.array_equal(view.shift_m, again.shift_m) and np.array_equal(view.strength, again.strength)
        assert np.abs(view.shift_m).max() <= 0.05
        assert np.abs(np.rad2deg(view.turn_rad)).max() <= 3.0
        assert np.abs(view.strength - 1).max() <= 0.3 * 1.25
        assert (view.strength > 0).all()


def test_without_jitter_nothing_is_off():
    view = View.draw("corner2", Jitter(), np.random.default_rng(1))
    assert not view.shift_m.any() and not view.turn_rad.any() and not view.lean.any()
    assert (view.strength == 1).all()


@pytest.mark.simulation
def test_the_camera_moves_by_what_was_drawn_and_stands_as_before_afterwards():
    mujoco = pytest.importorskip("mujoco")
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><light dir="0 0 -1"/><camera name="eye" pos="0 0 1"/>'
        '<geom size="0.1"/></worldbody></mujoco>'
    )
    before = model.cam_pos.copy(), model.cam_quat.copy(), model.light_dir.copy(), model.vis.headlight.diffuse.copy()
    view = View.draw("eye", JITTER, np.random.default_rng(3))
    with view.set_up(model) as camera:
        np.testing.assert_allclose(model.cam_pos[camera] - [0, 0, 1], view.shift_m)
        angle = 2 * np.arccos(abs(model.cam_quat[camera] @ before[1][camera]))
        np.testing.assert_allclose(angle, np.linalg.norm(view.turn_rad), rtol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(model.light_dir, axis=1), 1)
        assert not np.array_equal(model.vis.headlight.diffuse, before[3])
    after = model.cam_pos, model.cam_quat, model.light_dir, model.vis.headlight.diffuse
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.simulation
def test_an_unknown_camera_is_refused_with_the_names_there_are():
    mujoco = pytest.importorskip("mujoco")
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><camera name="eye"/><geom size="0.1"/></worldbody></mujoco>'
    )
    with pytest.raises(DataError, match="eye"), View.plain("selfie").set_up(model):
        pass
