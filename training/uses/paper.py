# SPDX-License-Identifier: Apache-2.0
"""What the paper says of both uses (Ma et al., ICML 2023, arXiv 2306.00958), as claims about pairs of our rows.

The paper compares LIV with other released representations (MetaWorld: 30.6 against 19.4 to 24.2), of which none is
here; its fine-tuned rows come nearest to networks that were trained on the simulator from the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.uses.plan import Row


@dataclass(frozen=True)
class Claim:
    """One row is better than another.

    Attributes:
        says: what is claimed.
        numbers: the paper's success rates, per cent; "" for a claim that the paper does not make.
        better: name of the row that is claimed to be better.
        worse: name of the other.
        points: the paper's difference where the page says how often such a study would see it.
    """

    says: str
    numbers: str
    better: str
    worse: str
    points: float | None = None


IMITATION = (
    Claim(
        "LIV is better than a contrastive objective alone.",
        "35.8 against 21.4, fine-tuned, MetaWorld (Table 7)",
        "liv",
        "infonce",
        14.4,
    ),
    Claim(
        "LIV is better than value learning with image goals alone.",
        "35.8 against 20.3, fine-tuned, MetaWorld (Table 7)",
        "liv",
        "vip-image",
    ),
    Claim("LIV is better than the weights that it begins with.", "", "liv", "random"),
)
KNOWN = (
    Claim(
        "LIV is a better reward than a contrastive model.",
        "45.3 against 30.7, fine-tuned from CLIP (Table 1)",
        "liv",
        "infonce",
        14.6,
    ),
    Claim(
        "A wrong instruction gets the task done less often: the reward listens.",
        "Table 12; a language-blind reward does not care",
        "liv",
        "wrong",
    ),
    Claim("The same, with the shipped bundle.", "Table 12", "shipped", "shipped-wrong"),
)
NEW = (
    Claim("Fine-tuning on a few episodes makes a better reward.", "55.2 against 29.7 zero-shot", "liv-tuned", "liv"),
    Claim("LIV is a better zero-shot reward than a contrastive model.", "29.7 against 18.2 (CLIP)", "liv", "infonce"),
    Claim(
        "Fine-tuned with LIV is better than fine-tuned with InfoNCE.",
        "45.3 against 30.7, from CLIP (Table 1)",
        "liv-tuned",
        "infonce-tuned",
    ),
    Claim(
        "A wrong instruction gets the task done less often: the reward listens.",
        "Table 12; a language-blind reward does not care",
        "liv-tuned",
        "wrong",
    ),
)
PLANNING = {"known": KNOWN, "new": NEW}  # by the name of the course


def row(rows: list[Row], name: str) -> Row | None:
    """The row of this name, None where there is none."""
    return next((r for r in rows if r.name == name), None)
