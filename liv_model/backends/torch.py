# SPDX-License-Identifier: Apache-2.0
"""PyTorch: the oracle. Slow, not installed on robots; every other backend is compared with it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from liv_model.bundle import Bundle
from liv_model.encoder import require_squares
from liv_model.errors import BackendError, BundleError
from liv_model.network import LivNetwork
from liv_model.tokenizer import Tokenizer

_BATCH = 128


def open_encoder(bundle: Bundle, *, device: str = "auto", threads: int = 0) -> TorchEncoder:
    """The network of a bundle, from its ``weights.safetensors``.

    Raises:
        BundleError: the weights are not those of the network that ``liv.yaml`` describes.
        BackendError: torch does not know the device.
    """
    import safetensors.torch

    if threads:
        torch.set_num_threads(threads)
    network = LivNetwork.from_config(bundle.manifest["network"])
    file = bundle.file("weights.safetensors")
    try:
        network.load_state_dict(safetensors.torch.load_file(file))
    except (RuntimeError, ValueError) as error:
        raise BundleError(str(file), expected="weights of the network in liv.yaml", got=error) from error
    tokenizer = Tokenizer.load(bundle.file("tokenizer.json"), bundle.context_length)
    return TorchEncoder(network, tokenizer.encode, model=bundle.identity, device=device)


class TorchEncoder:
    """A network, live or from a bundle; see :class:`liv_model.encoder.Encoder`.

    Args:
        network: shared, not copied; put into evaluation mode for each call and back again after it, so that
            training can look at itself.
        tokenize: texts to int64 (B, L), such as ``Tokenizer.encode``.
        model: identity.
        device: "cpu", "cuda", "cuda:1"; "auto" leaves a network where it is.
    """

    backend, precision, gate = "torch", "fp32", None

    def __init__(
        self,
        network: LivNetwork,
        tokenize: Callable[[list[str]], np.ndarray],
        *,
        model: str = "live",
        device: str = "auto",
    ):
        try:
            self._network = network if device == "auto" else network.to(torch.device(device.lower()))
        except RuntimeError as error:
            raise BackendError(
                "torch device", expected="auto | cpu | cuda", got=repr(device), remedy="use device 'cpu'"
            ) from error
        self._tokenize = tokenize
        self._device = next(network.parameters()).device
        self.model, self.device = model, str(self._device)

    def encode_images(self, rgb: np.ndarray) -> np.ndarray:
        """Encode uint8 (B, S, S, 3) RGB to float32 (B, D), rows of unit norm."""
        require_squares(rgb, self._network.config.image_size)
        return self._run(self._network.encode_image, rgb)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode B texts to float32 (B, D), rows of unit norm; GoalError if one is empty or too long."""
        return self._run(self._network.encode_text, self._tokenize(texts))

    def close(self) -> None:
        """Let go of the network."""
        del self._network

    @torch.inference_mode()
    def _run(self, encode: Callable[[torch.Tensor], torch.Tensor], data: np.ndarray) -> np.ndarray:
        was_training = self._network.training
        self._network.eval()
        try:
            parts = [
                encode(torch.tensor(data[i : i + _BATCH]).to(self._device)).cpu().numpy()
                for i in range(0, len(data), _BATCH)
            ]
        finally:
            self._network.train(was_training)
        return np.concatenate(parts) if parts else np.zeros((0, self._network.config.dim), np.float32)
