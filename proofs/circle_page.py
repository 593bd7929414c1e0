# SPDX-License-Identifier: Apache-2.0
"""What ``make loop`` writes: its part of docs/loop.md, and the picture of the values before and after."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from bench.page import table as markdown
from liv_model.errors import LivError
from liv_model.whole_file import replace_text
from proofs.circle_judge import METRICS, broken_sums, compare, mean_of_seeds, scores
from proofs.circle_picture import draw
from proofs.circle_plan import LEFT_OUT, NEW_TASKS, Plan

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURE = DOCS / "loop.md", DOCS / "loop.png"
BEGIN, END = "<!-- written by `make loop`: change proofs/circle_page.py -->", "<!-- end of make loop -->"
_ALL = "mean of seeds"


def compared(found: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each seed, and one for all: metric to estimates before, after and of the difference."""
    parts = [(scores(part["live"]["before"]), scores(part["live"]["after"])) for part in found["seeds"]]
    named = [(f"seed {part['seed']}", *pair) for part, pair in zip(found["seeds"], parts, strict=True)]
    if len(named) > 1:
        named.append((_ALL, mean_of_seeds([old for old, _ in parts]), mean_of_seeds([new for _, new in parts])))
    return [{"": name, **compare(old, new)} for name, old, new in named]


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: before and after, and the interval of the difference."""

    def cell(metric: str):
        def text(row: dict[str, Any]) -> str:
            old, new, change = (row[metric][key] for key in ("before", "after", "difference"))
            return f"{old['mean']:.2f} → **{new['mean']:.2f}** ({change['low']:+.2f} .. {change['high']:+.2f})"

        return text

    return markdown(rows, {"": lambda row: row[""], **{metric: cell(metric) for metric in METRICS}})


def write(found: dict[str, Any], plan: Plan) -> None:
    """Put it into the page between its marks; LivError where they are not there."""
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise LivError(str(PAGE), expected=f"the lines {BEGIN} and {END}", got="a page without them")
    draw([part["live"] for part in found["seeds"]], PICTURE)
    replace_text(PAGE, f"{before}{BEGIN}\n{_part(found, plan)}\n{END}{after}")


def _part(found: dict[str, Any], plan: Plan) -> str:
    about, machine = found["about"], found["machine"]
    attempts = len(found["seeds"][0]["live"]["before"])
    return "\n\n".join(
        [
            f"\n![Values of unseen attempts, before and after]({PICTURE.name})",
            _wrapped(
                f"""*Unseen successes of {" and ".join(NEW_TASKS)}, live values under the right instruction (solid)
                and its opposite (dashed): median and quartiles, all seeds. Left the first model, right the one
                that `liv finetune` made of an afternoon.*"""
            ),
            table(found["compared"]),
            _wrapped(
                f"""Mean over both tasks; in brackets the 95 % interval of the difference, attempt by attempt. VOC:
                order in time of the successes; antonym contrast: VOC under the right instruction less VOC under
                its opposite; success AUC: last values of successes against failures; top-1: whether the right
                instruction of the two ends higher. Judged by {attempts} unseen attempts, the same in every
                column: {plan.unseen_successes} successes and 3 times {plan.unseen_failures} failures of each
                task."""
            ),
            "\n".join(_wrapped(f"- {step}", "  ") for step in _steps(found, plan)),
            f"{machine['cpu']}, {machine['cores']} cores; written {about['when']}, commit {about['commit'][:12]}.\n",
        ]
    )


def _wrapped(text: str, indent: str = "") -> str:
    words = " ".join(text.split())
    return textwrap.fill(words, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _steps(found: dict[str, Any], plan: Plan) -> list[str]:
    """What happened in each part of the circle."""
    seeds = found["seeds"]
    heard = [a for part in seeds for a in (*part["live"]["before"], *part["live"]["after"])]
    recommended = [part["finetune"]["told"]["recommended"] for part in seeds]
    minutes = [part["finetune"]["seconds"] / 60 for part in seeds]
    swaps = [part["live"]["deployed"]["took_s"] for part in seeds]
    return [
        f"**The first model** was trained on {len(plan.base_tasks)} tasks ({', '.join(plan.base_settings)}), without "
        f"{', '.join(LEFT_OUT)}.",
        f"**The afternoon** of each seed: {seeds[0]['recorded']['attempts']} attempts of a simulated arm "
        f"({plan.successes} successes and {2 * plan.failures} failures of each task), played as a JPEG camera through "
        "`encoder_node`, `reward_node`, `monitor_node` and `recorder_node`, with goals and verdicts by topic; "
        f"{sum(part['recorded']['frames'] for part in seeds)} frames in {len(seeds)} bags.",
        f"**`liv finetune`** took {min(minutes):.1f} to {max(minutes):.1f} minutes, and recommended "
        f"{sum(recommended)} of {len(recommended)} models; it judges by what it keeps aside of the afternoon.",
        f"**`liv deploy`** took {min(swaps):.1f} to {max(swaps):.1f} s on the running nodes, the gate included.",
        f"{len(heard)} attempts were heard live; those whose rewards did not sum to the difference of their values: "
        f"{broken_sums(heard)}.",
    ]
