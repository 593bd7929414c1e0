# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import pickle
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from liv_model.backends.torch import TorchEncoder  # noqa: E402
from liv_model.bundle import Bundle  # noqa: E402
from liv_model.cli import main as liv  # noqa: E402
from liv_model.encoder import open_encoder  # noqa: E402
from liv_model.errors import ConfigError, DataError, GoalError  # noqa: E402
from liv_model.goal import Goal, GoalResolver  # noqa: E402
from liv_model.image import Preprocessing, read_image, to_square  # noqa: E402
from liv_model.network import LivNetwork  # noqa: E402
from liv_model.network_config import NetworkConfig, OpenClipText, OpenClipVision, TimmVision  # noqa: E402
from liv_model.tokenizer import Tokenizer  # noqa: E402
from training import checkpoint, export, foreign_weights, import_checkpoint, train  # noqa: E402
from training.calibrate import UNRELATED  # noqa: E402
from training.config import load  # noqa: E402
from training.tasks import load_tasks  # noqa: E402

TEXTS = ["open the drawer", "close the drawer", "pick up the red mug!", "water the plants"]
needs_open_clip = pytest.mark.open_clip


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def randomise(vision: torch.nn.Module, size: int) -> None:
    """Weights and statistics under which pictures differ: fresh ones map all to nearly the same."""
    norms = [module for module in vision.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.data.uniform_(0.5, 1.5)
        norm.bias.data.normal_(0, 0.2)
        norm.momentum = 1.0
    with torch.no_grad():
        vision.train()(torch.from_numpy(pictures(8, size)).permute(0, 3, 1, 2) / 128.0 - 1)
    vision.eval()


@pytest.fixture(scope="module")
def clip():
    """A random model of the architecture of the released LIV, in open_clip's own class."""
    import open_clip

    torch.manual_seed(0)
    model = open_clip.create_model("RN50-quickgelu").eval()
    randomise(model.visual, 224)
    for weight in (p for name, p in model.named_parameters() if not name.startswith("visual.") and p.dim() > 1):
        weight.data.mul_(4)  # else the activations stay near 0, where GELU and QuickGELU are the same
    return model


@pytest.fixture(scope="module")
def released(clip, tmp_path_factory):
    """The same weights as the released file has them."""
    path = tmp_path_factory.mktemp("released") / "model.pt"
    torch.save({"liv": {f"module.model.{k}": v for k, v in clip.state_dict().items()}, "global_step": 7}, path)
    return path


@pytest.fixture(scope="module")
def imported(released):
    assert liv(["import", str(released), "-o", str(released.parent / "run")]) == 0
    return released.parent / "run"


@pytest.fixture(scope="module")
def bundle(imported):
    assert export.main([str(imported), "-o", str(imported.parent / "bundle")]) == 0
    return Bundle.load(imported.parent / "bundle")


def pictures(count: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = Preprocessing(size, "bicubic")
    return np.stack([to_square(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8), small) for _ in range(count)])


def unit(rows: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(rows, dim=-1).numpy()


@needs_open_clip
def test_the_released_layout_survives_import_and_export(clip, bundle):
    import open_clip

    frames = pictures(5, 224)
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (clip.visual.image_mean, clip.visual.image_std))
    with torch.inference_mode():
        floats = (torch.from_numpy(frames).permute(0, 3, 1, 2) / 255 - mean) / std
        images = unit(clip.encode_image(floats))
        texts = unit(clip.encode_text(open_clip.tokenize(TEXTS)))
    for rows in (images, texts):  # else any model would pass
        assert (rows @ rows.T)[~np.eye(len(rows), dtype=bool)].max() < 0.99
    for backend in ("openvino", "torch"):
        encoder = open_encoder(bundle, backend)
        assert (encoder.encode_images(frames) * images).sum(1).min() >= 0.9999
        assert (encoder.encode_images(frames[:1]) * images[:1]).sum(1).min() >= 0.9999
        assert (encoder.encode_texts(TEXTS) * texts).sum(1).min() >= 0.9999


@needs_open_clip
def test_the_text_tower_of_liv_is_quick_gelu(clip, imported):
    config = load(imported / "config.yaml").network
    assert config.vision.quick_gelu and config.text.quick_gelu
    plain = LivNetwork(NetworkConfig(1024, 224, OpenClipVision(), OpenClipText())).eval()
    plain.load_state_dict(export.load_run(imported).network.state_dict())
    tokens = torch.from_numpy(Tokenizer.load(imported / "tokenizer.json", 77).encode(TEXTS))
    with torch.inference_mode():
        other, right = plain.encode_text(tokens), torch.from_numpy(unit(clip.encode_text(tokens)))
    assert (other * right).sum(1).min() < 0.999


@needs_open_clip
def test_a_bundle_without_data_claims_nothing(bundle):
    assert bundle.instructions == ()
    assert bundle.image == Preprocessing(224, "bilinear", antialias=False)
    resolver = GoalResolver(bundle, open_encoder(bundle, "openvino"))
    text = resolver.resolve(Goal(text="open the drawer"))
    assert not text.calibration.is_known and np.isnan(text.familiarity) and text.message.startswith("unfamiliar")
    picture = resolver.resolve(Goal(image=pictures(1, 224)[0]))
    assert np.isnan(picture.calibration.begun_at(0.3).progress(0.9))
    samples = np.load(bundle.path / "samples/frames.npz")
    assert samples["images"].shape == (36, 224, 224, 3) and samples["texts"].dtype.kind == "U"
    assert bundle.manifest["provenance"]["imported"]["from"] == "model.pt"
    assert bundle.manifest["provenance"]["metrics"]["least_onnx_cosine"] >= 0.9999


@needs_open_clip
def test_the_run_begins_with_the_released_fine_tuning(imported):
    config = load(imported / "config.yaml")
    assert config == replace(load(import_checkpoint.FINETUNE), network=config.network)


@pytest.mark.parametrize("prefix", ["module.model.", "model.", "module.", ""])
def test_prefixes_and_the_two_places_of_the_text_tower(prefix):
    one = torch.zeros(1)
    top = {"visual.conv1.weight": one, "positional_embedding": one, "transformer.x": one, "logit_scale": one}
    named = foreign_weights.clip_towers({prefix + k: v for k, v in top.items()}, "file")
    assert set(named) == {"vision.conv1.weight", "text.positional_embedding", "text.transformer.x"}
    apart = {"visual.trunk.stem": one, "text.transformer.x": one, "logit_bias": one, "text.attn_mask": one}
    named = foreign_weights.clip_towers({prefix + k: v for k, v in apart.items()}, "file")
    assert set(named) == {"vision.trunk.stem", "text.transformer.x"}


def test_weights_that_do_not_fit_are_named():
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("0.")}
    state |= {"1.weight": torch.zeros(3, 4), **{f"extra.{i}": torch.zeros(1) for i in range(9)}}
    with pytest.raises(DataError) as error:
        foreign_weights.fill(network, state, "model.pt")
    for part in (
        "model.pt: expected the 9 tensors",
        "2 missing (0.weight, 0.bias)",
        "9 that it does not have (extra.0, extra.1, extra.2, ...)",
        "1 of other shapes (1.weight (3, 4) instead of (3, 3))",
    ):
        assert part in str(error.value)


def test_half_precision_and_old_batch_norms_fit():
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    state = {k: v.half() for k, v in network.state_dict().items() if "num_batches" not in k}
    foreign_weights.fill(network, state, "model.pt")
    assert network[0].weight.dtype == torch.float32


class Harmful:
    def __reduce__(self):
        return Path.write_text, (Path("harm"), "done")


def test_what_is_not_weights_is_refused_and_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.pt").write_text("hello")
    (tmp_path / "harm.pt").write_bytes(pickle.dumps({"liv": Harmful()}))
    torch.save({"liv": Harmful()}, tmp_path / "zip.pt")
    torch.save({"step": 3, "names": ["a"]}, tmp_path / "none.pt")
    (tmp_path / "x.safetensors").write_text("hello")
    for name in ("notes.pt", "harm.pt", "zip.pt", "none.pt", "x.safetensors", "absent.pt"):
        with pytest.raises(DataError, match=name):
            foreign_weights.read(tmp_path / name)
    assert not (tmp_path / "harm").exists()
    with pytest.raises(DataError, match=r"visual.*--backbone"):
        foreign_weights.clip_towers({"conv1.weight": torch.zeros(1)}, "r50.pth")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected a checkpoint"),
        (["a.pt", "--pretrained", "openai", "--model", "RN50"], "got both"),
        (["a.pt", "--model", "RN50", "--backbone", "resnet50"], "one of --model and --backbone"),
        (["a.pt", "--new-text"], "no --model"),
        (["a.pt", "--model", "RN50", "--dim", "64"], "with --backbone only"),
    ],
)
def test_contradictions_are_one_line(words, message, tmp_path, capsys):
    assert liv(["import", *words, "-o", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@needs_open_clip
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{released}", "--model", "RN101"], r"missing \(vision.layer3.6.conv1.weight"),
        (["{released}", "--model", "ViT-B-32"], "that it does not have"),
        (["{released}", "--model", "RN-51"], "such as RN50"),
        (["{released}", "--model", "ViT-B-16-SigLIP"], "another tokenizer"),
        (["{released}", "--backbone", "resnet18"], "expected the 120 tensors"),
        (["{released}", "--backbone", "resnett"], "such as resnet"),
        (["--model", "RN50", "--pretrained", "nobody"], "one of openai"),
        (["hf:liv"], "hf:OWNER/NAME"),
    ],
)
def test_another_architecture_is_told_from_the_file(released, words, message, tmp_path):
    words = [word.format(released=released) for word in words]
    with pytest.raises((DataError, ConfigError), match=message):
        import_checkpoint.main([*words, "-o", str(tmp_path / "run")])
    assert not list(tmp_path.iterdir())


@needs_open_clip
def test_a_bare_backbone_learns_with_a_new_text_tower(squares, tmp_path):
    import timm

    torch.manual_seed(0)
    trained = timm.create_model("resnet18", num_classes=10)
    randomise(trained, 32)
    state = {f"module.convnet.{k}": v for k, v in trained.state_dict().items()} | {"module.lang.weight": torch.ones(3)}
    torch.save({"r3m": state}, tmp_path / "backbone.pt")
    words = [str(tmp_path / "backbone.pt"), "--backbone", "resnet18", "--dim", "32", "--image-size", "32"]
    assert import_checkpoint.main([*words, "-o", str(tmp_path / "start")]) == 0
    about = json.loads((tmp_path / "start/run.json").read_text())
    assert about["imported"]["left_out"] == 3 and about["image"] == {"interpolation": "bicubic", "antialias": True}
    config = load(tmp_path / "start/config.yaml").network
    assert config.vision == TimmVision(model="resnet18", mean=config.vision.mean, std=config.vision.std)
    start = export.load_run(tmp_path / "start").network
    assert torch.equal(start.vision.trunk.layer4[0].conv1.weight, trained.layer4[0].conv1.weight)

    stores = ["--data", str(squares / "train"), "--validation", str(squares / "held_out")]
    settings = ["--set", "steps=3", "--set", "batch=4", "--set", "threads=1", "--set", "validate_every=0"]
    run = tmp_path / "run"
    assert train.main([*stores, "-o", str(run), "--init", str(tmp_path / "start"), *settings]) == 0
    weights, step = checkpoint.load_weights(run / "last.pt")
    assert step == 3
    moved = weights["vision.trunk.layer4.0.conv1.weight"] - trained.layer4[0].conv1.weight
    assert 0 < moved.abs().max() < 1e-3  # it began where the import left it
    bundle = tmp_path / "bundle"
    assert export.main([str(run), "-o", str(bundle), *stores, "--made-by", "squares"]) == 0
    loaded = Bundle.load(bundle)
    assert loaded.image == Preprocessing(32, "bicubic") and len(loaded.instructions) == 4
    assert loaded.manifest["provenance"]["imported"]["from"] == "backbone.pt"
    with pytest.raises(ConfigError, match="trained run"):
        export.main([str(run), "-o", str(tmp_path / "other")])


@needs_open_clip
def test_calibration_of_imported_weights_on_the_users_own_data(squares, tmp_path):
    import timm

    torch.manual_seed(0)
    trained = timm.create_model("resnet18")
    randomise(trained, 32)
    torch.save(trained.state_dict(), tmp_path / "r18.pth")
    words = [str(tmp_path / "r18.pth"), "--backbone", "resnet18", "--dim", "32", "--image-size", "32"]
    assert import_checkpoint.main([*words, "-o", str(tmp_path / "run")]) == 0
    out = tmp_path / "bundle"
    data = ["--data", str(squares / "train"), "--made-by", "squares"]
    assert export.main([str(tmp_path / "run"), "-o", str(out), *data]) == 0
    loaded = Bundle.load(out)
    assert len(loaded.instructions) == 4 and np.isfinite(loaded.image_goal) and -1 <= loaded.familiarity <= 1
    assert "overall" not in loaded.manifest["provenance"]["metrics"]
    with pytest.raises(ConfigError, match="no --data"):
        export.main([str(tmp_path / "run"), "-o", str(out), "--validation", str(squares / "held_out")])


@needs_open_clip
def test_only_the_picture_tower_of_any_model(clip, tmp_path):
    torch.save({"state_dict": clip.state_dict()}, tmp_path / "clip.pt")
    words = [str(tmp_path / "clip.pt"), "--model", "RN50", "--new-text"]
    assert import_checkpoint.main([*words, "-o", str(tmp_path / "run")]) == 0
    run = export.load_run(tmp_path / "run")
    assert (run.config.network.vision.kind, run.config.network.text.kind) == ("open_clip", "transformer")
    assert run.about["image"] == {"interpolation": "bicubic", "antialias": True}
    assert torch.equal(run.network.vision.attnpool.c_proj.weight, clip.visual.attnpool.c_proj.weight)


@needs_open_clip
@pytest.mark.parametrize(
    ("vision", "text", "message"),
    [
        (OpenClipVision(), OpenClipText(quick_gelu=True), "quick_gelu"),
        (OpenClipVision(), OpenClipText(model="RN101"), "RN101"),
        (OpenClipVision(), OpenClipText(context_length=32), "77, as RN50 has it"),
    ],
)
def test_towers_of_one_model_must_agree(vision, text, message):
    with pytest.raises(ConfigError, match=message):
        LivNetwork(NetworkConfig(1024, 224, vision, text))
    with pytest.raises(ConfigError, match="1024, as RN50 has it"):
        LivNetwork(NetworkConfig(64, 224, OpenClipVision(), OpenClipText()))


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(1024, 224, OpenClipVision(quick_gelu=True), OpenClipText(quick_gelu=True)),
        NetworkConfig(64, 96, TimmVision("timm", "resnet18")),
    ],
)
def test_configurations_survive_manifest_and_yaml(config, tmp_path):
    from training.config import TrainConfig, dump

    assert NetworkConfig.from_dict(config.to_dict()) == config
    (tmp_path / "config.yaml").write_text(dump(TrainConfig(network=config)))
    assert load(tmp_path / "config.yaml").network == config


def test_without_open_clip_the_remedy_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ConfigError, match=r"requirements/clip\.txt"):
        LivNetwork(NetworkConfig(1024, 224, OpenClipVision(), OpenClipText()))


def goals() -> list[str]:
    """What people may ask of a robot, and what may come out of a keyboard."""
    texts = [t for words in load_tasks().values() for t in (*words.training_texts, *words.held_out)] + list(UNRELATED)
    texts += ["Open  the\tDRAWER!!", "don't, we'll they're I'd it's rock'n'roll", "3 cups; 42 forks & 1234567890"]
    texts += ["öffne die Schublade", "naïve café", "引き出しを開ける", "открой ящик", "افتح الدرج", "🤖 open 🚪!!!"]
    texts += [
        "“open” the ‘drawer’",
        "it’s",
        "ﬁnd the ﬂask",
        "Ｏｐｅｎ　ｉｔ",
        "a &amp; b &lt;c&gt;",
        "e\u0301clair",
        "½ cup ² ③",
    ]
    texts += ["a_b-c/d\\e@f#g", "  padded ", "!!! ! !", "...", "straße ẞ", "İstanbul", "line\nbreak", "a\u200bb"]
    rng = random.Random(0)
    letters = [chr(code) for code in range(32, 127) if chr(code) not in "&<"]
    drawn = ("".join(rng.choice(letters) for _ in range(rng.randint(1, 40))) for _ in range(2000))
    return texts + [text for text in drawn if text.strip()]


@needs_open_clip
def test_the_tokenizer_gives_the_ids_of_open_clip(imported):
    import open_clip

    texts = goals()
    ours, theirs = Tokenizer.load(imported / "tokenizer.json", 77).encode(texts), open_clip.tokenize(texts).numpy()
    assert ours.shape == theirs.shape == (len(texts), 77) and ours.dtype == np.int64
    differing = [text for text, a, b in zip(texts, ours, theirs, strict=True) if (a != b).any()]
    assert not differing, differing[:5]
    assert Counter(ours[:, 0].tolist()) == {49406: len(texts)}
    with pytest.raises(GoalError, match="at most 77 tokens"):
        Tokenizer.load(imported / "tokenizer.json", 77).encode(["open the drawer and " * 20])


@needs_open_clip
@pytest.mark.checkpoint
def test_the_known_answer_of_the_released_checkpoint(tmp_path):
    """frame_0000033601.jpg of the reference example (DESIGN.md, section 5)."""
    assert import_checkpoint.main([os.environ["LIV_CHECKPOINT"], "-o", str(tmp_path / "run")]) == 0
    run = export.load_run(tmp_path / "run")
    encoder = TorchEncoder(run.network, run.tokenizer.encode)
    square = to_square(read_image(os.environ["LIV_FRAME"]), Preprocessing(224, **run.about["image"]))
    texts = encoder.encode_texts(["open microwave", "close microwave", "wipe floor"])
    assert texts @ encoder.encode_images(square[None])[0] == pytest.approx([0.1151, -0.0151, -0.0997], abs=0.005)
