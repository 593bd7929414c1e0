# SPDX-License-Identifier: Apache-2.0
"""`liv deploy` on a running encoder_node, through real DDS."""

import json
import threading

import pytest
from tiny_bundle import make_bundle

pytestmark = pytest.mark.ros


@pytest.fixture
def deploy(probe, tmp_path, monkeypatch, capsys):
    """Run `liv deploy` while the probe goes on; exit code, what it printed, and its errors."""
    from liv_model.cli import main as liv

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "deploy_state"))

    def deploy(*words):
        codes = []
        thread = threading.Thread(target=lambda: codes.append(liv(["deploy", *map(str, words)])))
        thread.start()
        probe.wait(lambda: not thread.is_alive(), "liv deploy")
        printed = capsys.readouterr()
        return codes[0], printed.out, printed.err

    return deploy


def test_there_and_back_again(graph, deploy, tmp_path, bundle):
    other = make_bundle(tmp_path / "other", seed=1)
    code, out, err = deploy(other.path, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["before"], told["after"]) == (bundle.identity, other.identity)
    assert told["folder_before"] == str(bundle.path.resolve())
    assert graph.show().model == other.identity
    code, out, _ = deploy("--rollback")
    assert code == 0
    assert f"before: {other.identity}" in out and f"after:  {bundle.identity}" in out
    assert graph.show().model == bundle.identity
    code, out, _ = deploy("--rollback")  # and forth
    assert code == 0 and f"after:  {other.identity}" in out
    code, out, _ = deploy(other.path)
    assert code == 0 and "it was in use already" in out


def test_a_bundle_that_is_not_recommended_takes_force(graph, deploy, tmp_path):
    against = {"recommended": False, "finetuned": {"old": "test@0", "against": ["worse in language voc: -0.200"]}}
    worse = make_bundle(tmp_path / "worse", seed=2, provenance=against)
    code, _, err = deploy(worse.path)
    assert code == 2
    assert "expected a bundle that is no worse than test@0, got worse in language voc: -0.200" in err
    assert graph.show().model != worse.identity
    assert deploy(worse.path, "--force")[0] == 0
    assert graph.show().model == worse.identity


def test_what_the_encoder_refuses_is_told_and_changes_nothing(graph, deploy, tmp_path, bundle):
    broken = make_bundle(tmp_path / "broken", seed=3)
    import numpy as np

    from liv_model.bundle import seal
    from liv_model.samples import Samples

    loaded = Samples.load(broken)
    loaded.image_embeddings[:] = np.roll(loaded.image_embeddings, 1, axis=-1)  # the gate will not have it
    files = {key: value for key, value in broken.manifest.items() if key != "files"}
    seal(broken.path, {**files, "samples": loaded.write(broken.path)})
    code, _, err = deploy(broken.path)
    assert code == 2
    assert "is not in use: got" in err and f"{bundle.identity} goes on" in err
    assert graph.show().model == bundle.identity


def test_mistakes_before_any_robot_is_asked(deploy, tmp_path):
    assert "expected a bundle or --rollback, got neither" in deploy()[2]
    assert "expected an earlier `liv deploy` from this machine, got none" in deploy("--rollback")[2]
    assert "expected a bundle folder, got no such folder" in deploy(tmp_path / "none")[2]


def test_no_robot_is_told_with_the_remedy(deploy, bundle, monkeypatch):
    from liv_ros import deploy as module

    monkeypatch.setattr(module.Robot.find, "__defaults__", (0.5,))
    code, _, err = deploy(bundle.path, "--namespace", "/nobody")
    assert code == 2
    assert "/nobody/load_bundle: expected the service of a running encoder_node, got none within 0.5 s" in err
