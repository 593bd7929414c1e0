# SPDX-License-Identifier: Apache-2.0
"""One process or many: which share of a batch is whose, and the objective over all of it (Hugging Face Accelerate).

Every process computes the objective of the whole batch, from embeddings gathered with their gradients. The
gradient that comes back through :func:`gather_rows` is the sum over processes, and the parameters' gradients are
averaged over processes: together that is the gradient of one process with the whole batch.
"""

from __future__ import annotations

import datetime
from typing import Any

import torch
import torch.distributed
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor

from liv_model.errors import ConfigError

# The others wait for the main process while it looks at held-out episodes.
PATIENCE = datetime.timedelta(hours=1)


def make_accelerator(device: str = "auto") -> Accelerator:
    """This process among those that ``accelerate launch`` or ``torchrun`` started, or alone.

    Args:
        device: "auto", "cpu" or "cuda".

    Raises:
        ConfigError: "cuda" where there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device", expected="cpu or auto, as torch sees no GPU", got=device)
    on_cpu = device == "cpu" or not torch.accelerator.is_available()  # Accelerate must be told, to join its processes
    # Precision is the trainer's: Accelerate fixes it once per process, whatever a second run asks for.
    return Accelerator(cpu=on_cpu, mixed_precision="no", kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])


def share(batch: int, accelerator: Accelerator) -> slice:
    """The rows of a batch that are this process's; ConfigError when they cannot be shared evenly."""
    count, index = accelerator.num_processes, accelerator.process_index
    if batch % count:
        raise ConfigError("batch", expected=f"a multiple of the {count} processes", got=batch)
    rows = batch // count
    return slice(index * rows, (index + 1) * rows)


def gather_rows(x: Tensor, accelerator: Accelerator) -> Tensor:
    """The rows (b, ...) of all processes in their order, (B, ...), with gradients that reach all of them.

    Accelerate's own ``gather`` cuts the gradient.
    """
    return x if accelerator.num_processes == 1 else _GatherRows.apply(x)


def any_process(flag: bool, accelerator: Accelerator) -> bool:
    """Whether the flag is up on any process; all get the same answer."""
    if accelerator.num_processes == 1:
        return flag
    return bool(accelerator.reduce(torch.tensor(float(flag), device=accelerator.device), "sum"))


class _GatherRows(torch.autograd.Function):
    """All-gather whose gradient is that of the sum of every process's loss."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """(b, ...) -> (B, ...)."""
        ctx.rows = len(x)
        x = x.contiguous()
        parts = [torch.empty_like(x) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, x)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """(B, ...) -> (b, ...)."""
        gradient = gradient.contiguous().clone()  # autograd may share it
        torch.distributed.all_reduce(gradient)
        first = torch.distributed.get_rank() * ctx.rows
        return gradient[first : first + ctx.rows]
