# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from liv_model.bundle import Bundle  # noqa: E402
from liv_model.encoder import open_encoder  # noqa: E402
from liv_model.errors import BundleError, ConfigError, GoalError  # noqa: E402
from liv_model.familiarity import fit_threshold  # noqa: E402
from liv_model.samples import Samples  # noqa: E402
from training import evaluate, export, onnx_export, train  # noqa: E402
from training.episodes import EpisodeStore  # noqa: E402

TUTORIAL = train.DEFAULT_CONFIG.with_name("tutorial.yaml")
SETTINGS = ("--set", "steps=30", "--set", "threads=1")


@pytest.fixture(scope="module")
def run(squares, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    stores = ["--data", str(squares / "train"), "--validation", str(squares / "held_out")]
    assert train.main([*stores, "-o", str(folder), "--config", str(TUTORIAL), *SETTINGS]) == 0
    return folder


@pytest.fixture(scope="module")
def bundle(run, squares, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "squares"
    stores = ["--data", str(squares / "train"), "--validation", str(squares / "held_out")]
    assert export.main([str(run), "-o", str(out), *stores, "--made-by", "squares that move"]) == 0
    return out


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_openvino_and_the_torch_oracle_agree(bundle, squares):
    loaded = Bundle.load(bundle)
    oracle, served = open_encoder(loaded, "torch"), open_encoder(loaded, "openvino")
    frames = np.ascontiguousarray(EpisodeStore(squares / "held_out").frames[:9])
    texts = ["move the blue square up", "something else entirely", "a"]
    for batch in (frames, frames[:1]):
        assert onnx_export.parity(oracle.encode_images(batch), served.encode_images(batch)) >= 0.9999
    assert onnx_export.parity(oracle.encode_texts(texts), served.encode_texts(texts)) >= 0.9999
    assert oracle.model == served.model == loaded.identity
    with pytest.raises(GoalError):
        oracle.encode_texts([" "])


def test_the_manifest_says_what_was_learned_and_from_what(bundle, run):
    loaded = Bundle.load(bundle)
    assert {i.task for i in loaded.instructions} == {"red-left", "red-right", "blue-up", "blue-down"}
    assert all(-1 <= i.start <= 1 and -1 <= i.goal <= 1 for i in loaded.instructions)
    assert -1 <= loaded.familiarity <= 1 and loaded.image_goal <= 1
    provenance = loaded.manifest["provenance"]
    assert provenance["data"] == "squares that move"
    assert provenance["seeds"]["train"]["last"] < provenance["seeds"]["validation"]["first"]
    overall = provenance["metrics"]["overall"]
    assert {"language_voc", "image_voc", "top1", "success_auc", "negative_rate"} <= set(overall)
    assert overall["language_voc"]["n"] == 12
    assert overall["language_voc"]["low"] <= overall["language_voc"]["mean"]
    assert provenance["config"]["batch"] == 16


def test_no_path_of_the_machine_is_in_a_bundle(bundle, run):
    home = str(Path(__file__).resolve().parents[2])
    for file in bundle.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert home.encode() not in data and str(run.parent).encode() not in data, file


def test_samples_are_what_the_network_says_of_them(bundle):
    loaded = Bundle.load(bundle)
    samples, oracle = Samples.load(loaded), open_encoder(loaded, "torch")
    assert samples.images.dtype == np.uint8 and samples.images.shape == (36, 32, 32, 3)
    assert set(samples.texts) == {known.text for known in loaded.instructions}
    assert samples.clip.images.shape[1:] == (32, 32, 3) and len(samples.clip.time_s) == len(samples.clip.images)
    assert samples.clip.text.startswith("move the")
    for reference, got in (
        (samples.image_embeddings, oracle.encode_images(samples.images)),
        (samples.text_embeddings, oracle.encode_texts(samples.texts)),
        (samples.clip.embeddings, oracle.encode_images(samples.clip.images)),
        (samples.clip.goal[None], oracle.encode_texts([samples.clip.text])),
    ):
        np.testing.assert_allclose(reference, got, atol=1e-6)
    assert len({image.tobytes() for image in samples.images}) > 24  # of all stages, not one frame again and again


def test_a_bundle_is_replaced_whole_or_not_at_all(run, squares, tmp_path, monkeypatch):
    out = tmp_path / "bundle"
    trained = export.load_run(run)
    stores = EpisodeStore(squares / "train"), EpisodeStore(squares / "held_out")
    first = export.export(trained, out, *stores, name="one", command="")
    broken = replace(trained, network=export.LivNetwork(trained.config.network))

    def wrong_export(network, folder):
        onnx_export_export(trained.network, folder)

    onnx_export_export = onnx_export.export
    monkeypatch.setattr(onnx_export, "export", wrong_export)
    with pytest.raises(BundleError, match=r"0\.9999"):
        export.export(broken, out, *stores, name="two", command="")
    assert Bundle.load(out).identity == first.identity
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith((".bundle", "bundle"))] == ["bundle"]
    assert (tmp_path / "bundle" / "liv.yaml").is_file()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="other files"):
        export.export(trained, tmp_path / "mine", *stores, name="three", command="")


def test_evaluate_prints_the_metrics_of_the_manifest(bundle, squares, capsys):
    assert evaluate.main([str(bundle), "--data", str(squares / "held_out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    stored = yaml.safe_load((bundle / "liv.yaml").read_text())["provenance"]["metrics"]
    assert printed["overall"] == stored["overall"]
    assert evaluate.main([str(bundle), "--data", str(squares / "held_out"), "--episodes", "1"]) == 0
    assert "language_voc" in capsys.readouterr().out


def test_familiarity_threshold_parts_the_texts():
    fit = fit_threshold(np.array([0.9, 0.8, 0.95, 0.3]), np.array([0.1, 0.2, 0.35, 0.4]))
    assert fit.threshold == pytest.approx(0.6)
    assert (fit.accepted, fit.refused, fit.known, fit.unrelated) == (0.75, 1.0, 4, 4)
