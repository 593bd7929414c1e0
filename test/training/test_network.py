# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from liv_model.backends.torch import TorchEncoder  # noqa: E402
from liv_model.errors import BackendError, ConfigError, GoalError, ImageError  # noqa: E402
from liv_model.network import LivNetwork  # noqa: E402
from liv_model.network_config import NetworkConfig, TextConfig, VisionConfig  # noqa: E402
from liv_model.tokenizer import Tokenizer  # noqa: E402
from training import tokenizer_fit  # noqa: E402
from training.tasks import load_tasks  # noqa: E402

SMALL = NetworkConfig(
    dim=24,
    image_size=37,
    vision=VisionConfig(widths=(8, 16), blocks=(1, 1), stem=8, head=4),
    text=TextConfig(vocabulary=300, context_length=16, width=32, layers=1, heads=2),
)


def images(count: int, size: int = 37) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8))


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_towers_give_unit_vectors_of_one_space(norm):
    vision = VisionConfig(widths=(8, 16), blocks=(1, 1), stem=8, head=4, norm=norm)
    config = NetworkConfig(24, 37, vision, SMALL.text)
    network = LivNetwork(config).eval()
    frames = network.encode_image(images(3))
    texts = network.encode_text(torch.tensor([[1, 5, 2, 0], [1, 2, 0, 0]]))
    assert frames.shape == (3, 24) and texts.shape == (2, 24)
    assert frames.dtype == texts.dtype == torch.float32
    for rows in (frames, texts):
        assert torch.linalg.norm(rows, dim=1).detach().numpy() == pytest.approx(1.0, abs=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        cast = network.encode_image(images(3))
    assert cast.dtype == torch.float32
    assert torch.linalg.norm(cast, dim=1).detach().numpy() == pytest.approx(1.0, abs=1e-5)


def test_padding_says_nothing():
    network = LivNetwork(SMALL).eval()
    short = network.encode_text(torch.tensor([[1, 5, 9, 2]]))
    padded = network.encode_text(torch.tensor([[1, 5, 9, 2] + [0] * 12]))
    assert torch.allclose(short, padded, atol=1e-6)


def test_pixels_are_normalised_inside():
    network = LivNetwork(NetworkConfig())
    grey = torch.tensor(network.config.vision.mean).mul(255).round().to(torch.uint8).expand(1, 4, 4, 3)
    assert network.normalise(grey).abs().max() < 0.02
    assert "mean" not in network.state_dict()


def test_configuration_survives_the_manifest():
    assert NetworkConfig.from_dict(SMALL.to_dict()) == SMALL
    assert LivNetwork.from_config(SMALL.to_dict()).config == SMALL


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"vision": {"kind": "vit-9000"}}, "vit-9000"),
        ({"text": {"kind": "gpt"}}, "gpt"),
        ({"vision": {"norm": "layer"}}, "layer"),
        ({"vision": {"widths": [8], "blocks": [1, 1]}}, "as many blocks"),
        ({"text": {"width": 30, "heads": 4}}, "divisor"),
        ({"vision": {"width": 8}}, "width"),
        ({"dims": 8}, "dims"),
    ],
)
def test_bad_configurations_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        LivNetwork.from_config(values)


def test_torch_encoder_leaves_the_network_as_it_was():
    network = LivNetwork(SMALL).train()
    encoder = TorchEncoder(network, lambda texts: np.ones((len(texts), 16), np.int64))
    before = {k: v.clone() for k, v in network.state_dict().items()}
    frames = images(200).numpy()
    embeddings = encoder.encode_images(frames)
    assert embeddings.shape == (200, 24) and embeddings.dtype == np.float32
    assert network.training
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert encoder.encode_images(frames[:1]) == pytest.approx(embeddings[:1], abs=1e-5)
    assert encoder.encode_texts(["a", "b"]).shape == (2, 24)
    with pytest.raises(ImageError):
        encoder.encode_images(frames[:, :36])
    with pytest.raises(BackendError, match="cpu"):
        TorchEncoder(network, lambda texts: np.ones((1, 16)), device="abacus")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer_fit.write(path, TextConfig().vocabulary)
    return Tokenizer.load(path, TextConfig().context_length)


def test_tokenizer_reads_every_text_and_pads_with_zero(tokenizer):
    assert tokenizer.vocabulary_size <= TextConfig().vocabulary
    every = [t for w in load_tasks().values() for t in (*w.training_texts, *w.held_out)]
    tokens = tokenizer.encode(every)
    assert tokens.shape == (len(every), 32) and tokens.dtype == np.int64
    assert (tokens[:, 0] == 1).all() and (tokens < TextConfig().vocabulary).all()
    assert tokenizer.encode(["öffne 引き出し 🤖"]).shape == (1, 32)
    lengths = (tokens != 0).sum(axis=1)
    assert all((row[n:] == 0).all() and row[n - 1] == 2 for row, n in zip(tokens, lengths, strict=True))


def test_case_and_full_stops_say_nothing(tokenizer):
    rows = tokenizer.encode(["open the drawer", "Open the Drawer.", "OPEN  THE DRAWER!", " open the drawer "])
    assert (rows == rows[0]).all()
    assert not (tokenizer.encode(["close the drawer"]) == rows[0]).all()


def test_fitting_is_repeatable_and_long_texts_are_refused(tokenizer):
    texts = tokenizer_fit.corpus()
    assert tokenizer_fit.fit(texts, 400).to_str() == tokenizer_fit.fit(texts, 400).to_str()
    assert not set(texts) & {p for w in load_tasks().values() for p in w.held_out}
    with pytest.raises(GoalError, match="at most 32 tokens"):
        tokenizer.encode(["open the drawer and then " * 10])
