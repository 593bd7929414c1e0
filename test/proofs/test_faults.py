# SPDX-License-Identifier: Apache-2.0
"""Some of ``make faults``, those that take seconds. test/ros has more of them, one rule at a time."""

import pytest

pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros
SHORT = (
    "late_and_volatile",
    "stamps_jump",
    "goals_storm",
    "bundle_swaps",
    "encoder_killed",
    "reward_node_killed",
    "unwritable_state",
)


@pytest.mark.parametrize("name", SHORT)
def test_the_rules_hold(name, bundle, tmp_path):
    from proofs.fault import Site
    from proofs.faults import chosen, prove

    row = prove(chosen(name)[0], Site(tmp_path / name, str(bundle.path), 0.5))
    assert row["crashes"] == []
    assert row["violations"] == []
    assert row["judged"] > 0
    assert row["found"]


def test_what_does_not_hold_is_told(bundle, tmp_path):
    from proofs.fault import Fault, Site, require
    from proofs.faults import prove

    def breaks(site, make):
        (site.folder / "node.log").write_text("Traceback (most recent call last):\n  x\nIndexError: no\n")
        require(False, "rewards again", "none")

    row = prove(Fault("it breaks", "nothing", breaks), Site(tmp_path, str(bundle.path), 0.5))
    assert row["passed"] is False
    assert row["crashes"] == ["rewards again: got none", "node.log: IndexError: no"]


def test_a_fault_that_is_not_known_is_refused():
    from liv_model.errors import ConfigError
    from proofs.faults import chosen

    with pytest.raises(ConfigError, match="expected camera_vanishes"):
        chosen("gremlins")
