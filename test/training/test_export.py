# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from moving_squares import square_episode  # noqa: E402

from liv_model import bundle_command  # noqa: E402
from liv_model.bundle import Bundle  # noqa: E402
from liv_model.calibration import Calibration  # noqa: E402
from liv_model.encoder import open_encoder  # noqa: E402
from liv_model.errors import BundleError, ConfigError, DataError, GoalError  # noqa: E402
from liv_model.familiarity import fit_threshold  # noqa: E402
from liv_model.network import LivNetwork  # noqa: E402
from liv_model.samples import Samples  # noqa: E402
from training import evaluate, export, onnx_export, train  # noqa: E402
from training.episodes import EpisodeStore, EpisodeWriter  # noqa: E402
from training.export_measure import PROVISIONAL_TASK_STATE, instruction_entries  # noqa: E402
from training.export_stores import Stores  # noqa: E402
from training.tasks import load_tasks  # noqa: E402

TUTORIAL = train.DEFAULT_CONFIG.with_name("tutorial.yaml")
SETTINGS = ("--set", "steps=30", "--set", "threads=1")


@pytest.fixture(scope="module")
def run(squares, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    stores = ["--data", str(squares / "train"), "--validation", str(squares / "held_out")]
    assert train.main([*stores, "-o", str(folder), "--config", str(TUTORIAL), *SETTINGS]) == 0
    return folder


@pytest.fixture(scope="module", autouse=True)
def scales_of_a_model_that_has_hardly_learned():
    """They count here, or there would be nothing to fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.thresholds.instruction_scale", lambda known, all: Calibration(known.start, known.goal))
        yield


@pytest.fixture(scope="module")
def bundle(run, squares, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "squares"
    stores = ["--data", squares / "train", "--validation", squares / "held_out", "--test", squares / "test"]
    assert export.main([str(run), "-o", str(out), *map(str, stores), "--made-by", "squares that move"]) == 0
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
    seeds = provenance["seeds"]
    assert seeds["train"] == {"first": 0, "last": 11, "episodes": 48}
    assert seeds["validation"] == {"first": 1000, "last": 1002, "episodes": 24}
    assert seeds["test"] == {"first": 2000, "last": 2001, "episodes": 16}
    overall = provenance["metrics"]["overall"]
    assert {"language_voc", "image_voc", "top1", "success_auc", "negative_rate"} <= set(overall)
    assert provenance["metrics"]["of"] == "test" and overall["language_voc"]["n"] == 8
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
    stores = Stores(EpisodeStore(squares / "train"), EpisodeStore(squares / "held_out"))
    first = export.export(trained, out, stores, name="one", command="")
    broken = replace(trained, network=LivNetwork(trained.config.network))

    def wrong_export(network, folder):
        onnx_export_export(trained.network, folder)

    onnx_export_export = onnx_export.export
    monkeypatch.setattr(onnx_export, "export", wrong_export)
    with pytest.raises(BundleError, match=r"0\.9999"):
        export.export(broken, out, stores, name="two", command="")
    assert Bundle.load(out).identity == first.identity
    assert not (tmp_path / "liv_ros/engines").exists()  # of the user's cache; see the fixture
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith((".bundle", "bundle"))] == ["bundle"]
    assert (tmp_path / "bundle" / "liv.yaml").is_file()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="other files"):
        export.export(trained, tmp_path / "mine", stores, name="three", command="")


def test_evaluate_prints_the_metrics_of_the_manifest(bundle, squares, capsys):
    assert evaluate.main([str(bundle), "--data", str(squares / "test"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    stored = yaml.safe_load((bundle / "liv.yaml").read_text())["provenance"]["metrics"]
    assert printed["overall"] == stored["overall"]
    assert printed["task_state"]["bundle"] == stored["task_state"]
    assert evaluate.main([str(bundle), "--data", str(squares / "test"), "--episodes", "1"]) == 0
    assert "language_voc" in capsys.readouterr().out
    assert bundle_command.main([str(bundle)]) == 0
    assert "measured at export, test episodes" in " ".join(capsys.readouterr().out.split())


def test_task_state_thresholds_are_fitted_on_validation_where_it_has_failures(bundle, squares, capsys):
    loaded = Bundle.load(bundle)
    assert evaluate.main([str(bundle), "--data", str(squares / "held_out"), "--json"]) == 0
    fitted = json.loads(capsys.readouterr().out)["task_state"]["fitted"]
    basis = loaded.manifest["provenance"]["task_state"]
    assert fitted == {**asdict(loaded.task_state), **{k: v for k, v in basis.items() if k != "fitted_on"}}
    assert basis["fitted_on"] == "validation" and basis["successes"] == basis["failures"] == 12
    assert asdict(loaded.task_state) != PROVISIONAL_TASK_STATE


def test_without_test_episodes_and_failures(run, squares, tmp_path):
    """Metrics of validation, provisional thresholds, and the provenance says both; two cameras are told apart."""
    with EpisodeWriter(tmp_path / "v", 32, 32) as writer:
        for camera in ("front", "side"):
            for task in ("red-left", "blue-up"):
                writer.append(replace(square_episode(task, 5000), camera=camera))
    stores = Stores(EpisodeStore(squares / "train"), EpisodeStore(tmp_path / "v"))
    loaded = export.export(export.load_run(run), tmp_path / "bundle", stores, name="few", command="")
    provenance = loaded.manifest["provenance"]
    assert provenance["metrics"]["of"] == "validation" and "test" not in provenance["seeds"]
    assert set(provenance["metrics"]["per_camera"]) == {"front", "side"}
    assert provenance["seeds"]["validation"]["cameras"]["side"] == {"first": 5000, "last": 5000, "episodes": 2}
    assert "4 and 0" in provenance["task_state"]["provisional"]
    assert asdict(loaded.task_state) == PROVISIONAL_TASK_STATE


def test_one_attempt_is_in_one_store_only(run, squares, tmp_path):
    train, held_out = EpisodeStore(squares / "train"), EpisodeStore(squares / "held_out")
    trained = export.load_run(run)
    with EpisodeWriter(tmp_path / "again", 32, 32) as writer:
        writer.append(square_episode("red-left", 1001, success=False))  # of a success in held_out
        writer.append(square_episode("red-left", 77))
    with pytest.raises(DataError, match=r"test episodes that are not in validation, got 1 in both: \(red-left"):
        Stores(train, held_out, EpisodeStore(tmp_path / "again")).require(trained)
    with pytest.raises(DataError, match="got 48 in both"):
        Stores(train, train).require(trained)
    with EpisodeWriter(tmp_path / "seen_otherwise", 32, 32) as writer:
        writer.append(replace(square_episode("red-left", 1001), camera="side"))
        # recordings without a seed are told apart by where they come from
        writer.append(replace(square_episode("red-left", 0), source="another recording"))
    Stores(train, held_out, EpisodeStore(tmp_path / "seen_otherwise")).require(trained)


def test_validation_without_a_success_is_refused(run, squares, tmp_path):
    with EpisodeWriter(tmp_path / "v", 32, 32) as writer:
        writer.append(square_episode("red-left", 77, success=False))
    stores = Stores(EpisodeStore(squares / "train"), EpisodeStore(tmp_path / "v"))
    with pytest.raises(DataError, match="successful episodes"):
        export.export(export.load_run(run), tmp_path / "bundle", stores, name="none", command="")
    assert not (tmp_path / "bundle").exists()


def test_familiarity_threshold_parts_the_texts():
    fit = fit_threshold(np.array([0.9, 0.8, 0.95, 0.3]), np.array([0.1, 0.2, 0.35, 0.4]))
    assert fit.threshold == pytest.approx(0.6)
    assert (fit.accepted, fit.refused, fit.known, fit.unrelated) == (0.75, 1.0, 4, 4)


def test_a_bundle_remembers_the_paraphrases_that_people_wrote_and_no_others():
    [entry] = instruction_entries({"drawer-open": "open the drawer"}, {"drawer-open": Calibration(-0.5, 0.9)})
    assert entry["paraphrases"] == list(load_tasks()["drawer-open"].paraphrases) and entry["start"] == -0.5
    [entry] = instruction_entries({"drawer-open": "pull it"}, {"drawer-open": Calibration(0.0, 1.0)})
    assert entry["paraphrases"] == [] and "opposite" not in entry  # the user's own task of that name
