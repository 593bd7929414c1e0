# SPDX-License-Identifier: Apache-2.0
"""What the paper says (Ma et al., ICML 2023, arXiv 2306.00958), as claims that our figures can bear out or not.

The paper's numbers are success rates (per cent, mean and standard deviation of 3 seeds) of policies that imitate on
top of the frozen representation, or of planning with the reward (Table 1). Ours judge the value curves themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.results.plan import INFONCE, LIV, NO_VIP_LANGUAGE, VIP_IMAGE, Arm, Plan

ORDER = ("language_voc", "image_voc", "negative_rate")  # of all frames of an episode
GOAL = ("success_auc", "top1", "antonym_contrast")  # of episodes and instructions
ALL = (*ORDER, *GOAL)
# metric: what it is called, what is best
METRICS = {
    "language_voc": ("language VOC", "1"),
    "image_voc": ("image VOC", "1"),
    "negative_rate": ("negative rate", "0"),
    "success_auc": ("success AUC", "1"),
    "top1": ("top-1", "1"),
    "antonym_contrast": ("antonym contrast", "2"),
}


@dataclass(frozen=True)
class Model:
    """One row of the comparison.

    Attributes:
        arm: its objective.
        shots: episodes of each new task it was fine-tuned on; None: as pre-trained, looked at on its own tasks.
    """

    arm: Arm
    shots: int | None = None

    @property
    def label(self) -> str:
        """For people."""
        if self.shots is None:
            return self.arm.label
        return f"{self.arm.label}, " + (f"{self.shots} episodes a task" if self.shots else "not fine-tuned")


@dataclass(frozen=True)
class Claim:
    """One model is better than another.

    Attributes:
        source: table, figure or section of the paper.
        says: what the paper says.
        numbers: the paper's numbers, in words.
        better: what is claimed to be better.
        worse: what is claimed to be worse.
        metrics: in which of our metrics that should be seen.
    """

    source: str
    says: str
    numbers: str
    better: Model
    worse: Model
    metrics: tuple[str, ...]


def pretraining_claims() -> list[Claim]:
    """Those that the networks as pre-trained are compared for.

    The paper has no table of pre-training objectives; its ablations are of fine-tuning. So these carry them over.
    """
    return [
        Claim(
            "Section 5.4, Figure 6, Appendix G.4",
            "InfoNCE alone pulls the goal frame and the text together and leaves the frames before them uneven, "
            "without order in time.",
            "Curves, no numbers.",
            Model(LIV),
            Model(INFONCE),
            ORDER,
        ),
        Claim(
            "Tables 1 and 7",
            "LIV gives better rewards and representations than InfoNCE alone.",
            "Fine-tuning CLIP, planning with the reward: 45.3 against 30.7 (MetaWorld), 15.2 against 3.2 "
            "(FrankaKitchen). Fine-tuning LIV-EPIC, imitation: 35.8 against 21.4, 32.3 against 15.1.",
            Model(LIV),
            Model(INFONCE),
            GOAL,
        ),
        Claim(
            "Section 5.4, Table 7",
            "Value over time with image goals alone (VIP-I) is not enough: without InfoNCE it overfits.",
            "Fine-tuning LIV-EPIC, imitation: LIV 35.8 against VIP-I 20.3 (MetaWorld), 32.3 against 17.3 "
            "(FrankaKitchen).",
            Model(LIV),
            Model(VIP_IMAGE),
            ("image_voc",),  # the others are of its untrained text tower: no contest
        ),
        Claim(
            "Appendix B",
            "VIP with goals in words makes a better pre-trained LIV.",
            'No numbers: "in our preliminary experiments".',
            Model(LIV),
            Model(NO_VIP_LANGUAGE),
            ALL,
        ),
    ]


def finetuning_claims(plan: Plan) -> list[Claim]:
    """Those about few-shot fine-tuning on tasks kept out of pre-training."""
    few, most = plan.some_shots[0], plan.some_shots[-1]
    table8 = {10: "22.0 against 7.3", 20: "30.7 against 12.7", 50: "33.0 against 22.0"}
    claims = [
        Claim(
            "Table 8",
            f"Fine-tuning with LIV on {shots} episodes a task is better than none.",
            f"CLIP on FrankaKitchen, imitation: {table8[shots]}." if shots in table8 else "Not a row of the table.",
            Model(LIV, shots),
            Model(LIV, 0),
            ALL,
        )
        for shots in plan.some_shots
    ]
    claims.append(
        Claim(
            "Table 8",
            f"More episodes make LIV fine-tuning better: {most} a task against {few}.",
            "CLIP on FrankaKitchen, imitation: 22.0, 30.7, 33.0 with 10, 20, 50 episodes.",
            Model(LIV, most),
            Model(LIV, few),
            ALL,
        )
    )
    claims += [
        Claim(
            "Table 7 (Table 8 has TCN + CLIP instead)",
            f"Fine-tuning with LIV is better than with InfoNCE alone, here on {shots} episodes a task.",
            "LIV-EPIC, imitation: 35.8 against 21.4 (MetaWorld), 32.3 against 15.1 (FrankaKitchen).",
            Model(LIV, shots),
            Model(INFONCE, shots),
            ALL,
        )
        for shots in plan.some_shots
    ]
    return [
        *claims,
        Claim(
            "Table 7",
            "Fine-tuning with InfoNCE alone damages the representation: worse than not fine-tuned.",
            "LIV-EPIC, imitation: 21.4 against 30.6 (MetaWorld), 15.1 against 29.3 (FrankaKitchen); "
            "only a random network on MetaWorld gains.",
            Model(INFONCE, 0),
            Model(INFONCE, most),
            ORDER,
        ),
        Claim(
            "Table 1, Appendix F.2",
            "As a reward that is read at the last frame only, InfoNCE fine-tuning is better than none.",
            "CLIP, planning: 30.7 against 18.2 (MetaWorld), 3.2 against 0 (FrankaKitchen).",
            Model(INFONCE, most),
            Model(INFONCE, 0),
            ("success_auc", "top1"),
        ),
    ]
