# SPDX-License-Identifier: Apache-2.0
"""The network of a bundle in torch, as a user would load it: what our speed is held against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F

from liv_model.bundle import Bundle
from liv_model.network import LivNetwork


def load_network(bundle: Bundle) -> LivNetwork:
    """The network in evaluation mode, float32, on the CPU."""
    network = LivNetwork.from_config(bundle.manifest["network"])
    network.load_state_dict(safetensors.torch.load_file(bundle.file("weights.safetensors")))
    return network.eval()


def image_encoder(network: LivNetwork, *, device: str, half: bool, compiled: bool) -> Callable[[Tensor], Tensor]:
    """The function from uint8 (B, S, S, 3) to float32 (B, D), both on ``device``.

    Args:
        network: moved to the device, and its picture tower to float16 for ``half``.
        device: "cpu" or "cuda".
        half: compute in float16.
        compiled: by ``torch.compile``, each shape for itself; on a CPU with its weights frozen, as PyTorch
            recommends for inference there.
    """
    network.to(device)
    if half:
        network.vision.half()

    def encode(images: Tensor) -> Tensor:
        pixels = network.normalise(images)
        features = network.vision(pixels.half() if half else pixels)
        return F.normalize(features.float(), dim=-1)

    if not compiled:
        return encode
    import torch._inductor.config

    torch._inductor.config.freezing = device == "cpu"
    return torch.compile(encode, dynamic=False)


def on_arrays(encode: Callable[[Tensor], Tensor], device: str) -> Callable[[np.ndarray], np.ndarray]:
    """The same from and to the memory of the CPU, as a node needs it."""

    def encode_arrays(rgb: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return encode(torch.from_numpy(rgb).to(device)).cpu().numpy()

    return encode_arrays


def gpu_timer(encode: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], float]:
    """Milliseconds of one call between two events of the GPU: copies from and to pinned memory, no wait in between."""

    def gpu_ms(rgb: np.ndarray) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        images = torch.from_numpy(rgb).pin_memory()
        with torch.no_grad():
            begin.record()
            embeddings = encode(images.to("cuda", non_blocking=True))
            torch.empty_like(embeddings, device="cpu", pin_memory=True).copy_(embeddings, non_blocking=True)
            end.record()
        end.synchronize()
        return begin.elapsed_time(end)

    return gpu_ms
