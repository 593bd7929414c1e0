# SPDX-License-Identifier: Apache-2.0
"""What encoder_node tells on /diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liv_model.encoder import Encoder
from liv_model.rates import LatencyMeter, RateMeter
from liv_model.timings import percentiles
from liv_model.worker import CameraCounts
from liv_ros.diagnostics import ERROR, OK, WARN
from liv_ros.fast_dds import profile_hint

if TYPE_CHECKING:
    from liv_ros.encoder_node import EncoderNode


class EncoderHealth:
    """Collects the encoder's line.

    Attributes:
        last_refusal: which frame was refused last, and why.
    """

    def __init__(self, node: EncoderNode):
        self._node = node
        self._encoded = {name: RateMeter() for name in node.cameras}
        self._latency = LatencyMeter()
        self._reported: dict[str, int] = {}
        self.last_refusal = ""

    def encoded(self, camera: str, stamp_ns: int) -> None:
        """Take note of an embedding that has been published; on any thread."""
        self._encoded[camera].add()
        self._latency.add(stamp_ns, self._node.get_clock().now().nanoseconds)

    def collect(self) -> tuple[bytes, str, dict[str, object]]:
        """Level, message and values."""
        node = self._node
        model, worker, goal = node.model, node.worker, node.goals.active
        if model is None or worker is None:
            level = ERROR if node.failure else WARN
            return level, str(node.failure or node.report.text or "not configured"), {}
        values: dict[str, object] = {
            "model": model.identity,
            "backend": model.encoder.backend,
            "device": model.encoder.device,
            "precision": model.encoder.precision,
            **_gate(model.encoder),
            "activation": node.activation,
            "goal": (goal.goal.text or "an image") if goal else "none",
            "last goal refused": node.goals.last_refusal,
            "goal set": f"{len(node.goal_set.texts)} instructions",
            "last goal set refused": node.goal_set.last_refusal,
            "last frame refused": self.last_refusal,
        }
        timings = percentiles(list(worker.encode_ms), 50, 99)
        values.update({f"encode {name} (ms)": value for name, value in timings.items()})
        values.update({f"stamp to embedding, {name}": value for name, value in self._latency.told().items()})
        for name, camera in node.cameras.items():
            values[f"{name}: received (Hz)"] = f"{camera.received.per_s():.1f}"
            values[f"{name}: encoded (Hz)"] = f"{self._encoded[name].per_s():.1f}"
        counts = self._counts(worker.counts)
        problems = self._problems(counts)
        self._reported = counts
        return (WARN if problems else OK), "; ".join(problems) or "encoding", {**values, **counts}

    def _counts(self, of_worker: dict[str, CameraCounts]) -> dict[str, int]:
        counts = {"goals refused": self._node.goals.refused, "goal sets refused": self._node.goal_set.refused}
        for name, camera in self._node.cameras.items():
            frames = vars(of_worker.get(name, CameraCounts()))
            counts.update({f"{name}: frames {what}": number for what, number in frames.items()})
            counts[f"{name}: frames over max_rate_hz"] = camera.over_rate
            counts[f"{name}: frames lost in transport"] = camera.lost_in_transport
            counts[f"{name}: frames missing by their stamps"] = camera.gaps.missing
        return counts

    def _problems(self, counts: dict[str, int]) -> list[str]:
        """What went wrong since the last report."""
        rise = {name: number - self._reported.get(name, 0) for name, number in counts.items()}
        problems = [f"{what} refused" for what in ("goal", "goal set") if rise[f"{what}s refused"]]
        if not self._node.is_open:
            return [*problems, "not active"]
        for name, camera in self._node.cameras.items():
            if not rise[f"{name}: frames received"]:
                problems.append(f"{name}: no frames on {camera.topic}")
            if rise[f"{name}: frames refused"]:
                problems.append(f"{name}: frames refused")
            if rise[f"{name}: frames lost in transport"] or rise[f"{name}: frames missing by their stamps"]:
                problems.append(f"{name}: frames lost on the way here{profile_hint()}")
        return problems


def _gate(encoder: Encoder) -> dict[str, object]:
    """What the gate found of the engine."""
    found = encoder.gate
    if found is None:
        return {"gate": "none, this is the network itself"}
    return {
        "gate": f"{'passed' if found.passed else 'refused'}, {found.judged_at} on {found.place.device}",
        "gate: least cosine of images": f"{found.least_image_cosine:.6f}",
        "gate: least cosine of texts": f"{found.least_text_cosine:.6f}",
        "gate: VOC of the clip": "no clip" if found.voc is None else f"{found.voc:.4f}",
        "gate: VOC of the reference": "no clip" if found.voc_reference is None else f"{found.voc_reference:.4f}",
    }
