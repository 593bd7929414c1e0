# SPDX-License-Identifier: Apache-2.0
"""``docs/uses.md``: both studies in tables, beside the paper, and what is missing. No number of ours is typed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from liv_model.metrics import Estimate
from training.imitate_demos import REPEAT, STEPS
from training.results.compare import AGREES, DISAGREES, OPEN
from training.results.plan import ROOT
from training.tasks import load_tasks
from training.uses.findings import Findings, estimate, verdict
from training.uses.paper import IMITATION, PLANNING, Claim, row
from training.uses.plan import FULL, Plan, Row

_SAID = {
    AGREES: "agrees",
    DISAGREES: "does not agree: the other way round",
    OPEN: "not decided: zero lies within the interval",
}
_NONE = ["*Nothing is complete yet: call `make uses` again.*", ""]


def document(findings: Findings, here: Path, made: Sequence[str]) -> str:
    """The page as Markdown.

    Args:
        findings: everything measured.
        here: folder that the page will lie in.
        made: lines on how it was made.
    """
    parts = [
        "# What LIV is for: imitation and planning, small",
        "",
        "<!-- written by `make uses`: change training/uses/, not this file -->",
        "",
        *_about(here),
        *_in_short(findings),
        *_imitation(findings),
        *_planning(findings),
        *_why(findings.plan),
        *_missing(findings),
        "## How it was made",
        "",
        *made,
    ]
    return "\n".join(parts) + "\n"


def _about(here: Path) -> list[str]:
    docs = ROOT / "docs"
    gym, live = (os.path.relpath(docs / name, here) for name in ("gym.md", "live_policy.md"))
    return [
        "The LIV paper (Ma et al., ICML 2023, [arXiv 2306.00958](https://arxiv.org/abs/2306.00958)) uses its "
        "representation as the **state to imitate on** and its value as the **reward to plan with**. Both are here, in "
        "Meta-World, with networks of 0.7 million parameters and 64 pixels that `make results` trains; and both are "
        "commands for your own encoders, any open_clip checkpoint that `liv import` takes among them:",
        "",
        "```sh",
        "liv imitate --encoder models/metaworld --tasks drawer-close,window-close --demonstrations 10",
        "liv plan --objective models/metaworld --tasks window-close --sequences 32",
        "```",
        "",
        f"As a reward in your own environment: [gym.md]({gym}). A cloned policy that acts through ROS, watched by the "
        f"nodes: [live_policy.md]({live}).",
        "",
        "Every rate is a share of scenes that no network and no demonstration was made in, with its 95 % bootstrap "
        "interval over seeds, scenes and tasks. With so few of each these intervals are rather too narrow; one without "
        "width means that all attempts were alike, and of n alike up to 3/n may still be otherwise.",
        "",
    ]


def _in_short(findings: Findings) -> list[str]:
    told: list[tuple[Claim, str, np.ndarray | None]] = []
    rows, counts = findings.imitation_rows(), findings.plan.demonstrations
    for claim in IMITATION:
        for count in dict.fromkeys((min(counts), max(counts))):
            found = _difference(claim, rows, lambda r, count=count: findings.imitated(r, count))
            told.append((claim, f" ({count} demonstrations)", found))
    told += [(c, "", _difference(c, findings.planning_rows(), findings.planned)) for c in PLANNING]
    estimates = [(claim, note, None if found is None else estimate(found)) for claim, note, found in told]
    verdicts = [verdict(e) for _, _, e in estimates if e is not None]
    lines = [
        "## In short",
        "",
        f"Of {len(verdicts)} comparisons, {verdicts.count(AGREES)} agree with the paper, {verdicts.count(DISAGREES)} "
        f"are the other way round, {verdicts.count(OPEN)} show no difference beyond doubt.",
        "",
        "| the paper says | its rates, % | here, difference in points | |",
        "|---|---|---:|---|",
    ]
    for claim, note, e in estimates:
        here = "not measured yet | " if e is None else f"{_points(e, signed=True)} | {_SAID[verdict(e)]}"
        lines.append(f"| {claim.says}{note} | {claim.numbers} | {here} |")
    return [*lines, ""]


def _difference(claim: Claim, rows: list[Row], values: Callable[[Row], np.ndarray]) -> np.ndarray | None:
    """What is claimed to be better less the other, (seeds, scenes, tasks); None where one is not measured yet."""
    better, worse = row(rows, claim.better), row(rows, claim.worse)
    return None if better is None or worse is None else values(better).astype(float) - values(worse)


def _imitation(findings: Findings) -> list[str]:
    plan, rows = findings.plan, findings.imitation_rows()
    lines = [
        "## Imitation",
        "",
        f"{len(plan.tasks)} tasks: {_texts(plan.tasks)}. One policy for all: the embedding of the picture, that of the "
        "instruction, and the hand's place and opening go into two hidden layers of 256; behaviour cloning of the "
        "scripted policies, which are pushed about while they demonstrate. The representation is frozen. "
        f"{STEPS} control steps to do a task in, a decision every {REPEAT}.",
        "",
    ]
    if not rows:
        return [*lines, *_NONE]
    counts = plan.demonstrations
    heads = [f"{count} demonstrations" for count in counts]
    lines += [f"| representation | {' | '.join(heads)} |", "|---" + "|---:" * len(heads) + "|"]
    for entry in rows:
        cells = (_points(estimate(findings.imitated(entry, count))) for count in counts)
        lines.append(f"| {entry.label} | {' | '.join(cells)} |")
    seeds, scenes, tasks = findings.imitated(rows[0], counts[0]).shape
    lines += [
        f"| *n: seeds x scenes x tasks* | {' | '.join([f'{seeds} x {scenes} x {tasks}'] * len(heads))} |",
        "",
        "*Success in per cent.* The paper, MetaWorld: LIV 30.6, the others 19.4 to 24.2.",
        "",
        *_alike(rows, "state", lambda r: findings.imitated(r, max(counts)), f"with {max(counts)} demonstrations"),
        *_per_task(rows, plan.tasks, lambda r: findings.imitated(r, max(counts)), f"{max(counts)} demonstrations"),
    ]
    return lines


def _planning(findings: Findings) -> list[str]:
    plan, rows = findings.plan, findings.planning_rows()
    lines = [
        "## Planning",
        "",
        f"{len(plan.new_tasks)} tasks that the networks were not trained on: {_texts(plan.new_tasks)}; *fine-tuned* "
        f"ones have seen {plan.shots} episodes of each, the shipped bundle 36. Cross-entropy method in the simulator: "
        f"{plan.sequences} "
        f"sequences (the paper: {FULL.sequences}), horizon {plan.horizon}, {plan.iterations} iterations, then "
        f"{plan.execute} steps are done; {plan.steps} steps to do the task in. The objective is the value of the last "
        "picture of a sequence alone, which is the sum of its rewards and a constant. Each scene is planned with the "
        "network of another seed.",
        "",
    ]
    if not rows:
        return [*lines, *_NONE]
    lines += ["| objective | success, % | pictures | seconds an episode |", "|---|---:|---:|---:|"]
    for entry in rows:
        cost = findings.cost([entry])
        cells = (_points(estimate(findings.planned(entry))), f"{cost.pictures:,}", f"{cost.per_episode_s:.0f}")
        lines.append(f"| {entry.label} | {' | '.join(cells)} |")
    _, scenes, tasks = findings.planned(rows[0]).shape
    rate = findings.cost([entry for entry in rows if entry.arm]).per_second
    told = f" Rendering and acting: {rate:.1f} pictures a second in one process." if math.isfinite(rate) else ""
    lines += [
        f"| *n: scenes x tasks* | {scenes} x {tasks} | | |",
        "",
        "The paper, MetaWorld: 55.2 with fine-tuned LIV, 29.7 zero-shot, 18.2 with CLIP. Only the picture that the "
        f"objective reads is rendered, at the encoder's {plan.results.pretrain().network.image_size} px.{told}",
        "",
        *_alike(rows, "nothing", findings.planned, "in planning"),
        *_per_task(rows, plan.new_tasks, findings.planned, "planning"),
    ]
    return lines


def _alike(rows: Sequence[Row], name: str, values: Callable[[Row], np.ndarray], when: str) -> list[str]:
    """Which rows cannot be told from the one that is the ceiling or the floor: there a comparison says little."""
    other = row(list(rows), name)
    if other is None:
        return []
    found = values(other).astype(float)
    alike = [r.label for r in rows if r is not other and verdict(estimate(values(r) - found)) == OPEN]
    what = f"Not told from *{other.label}* beyond doubt, {when}: {'; '.join(alike) or 'none'}."
    return [f"{what} Between rows of these, a comparison says little.", ""]


def _per_task(rows: Sequence[Row], tasks: Sequence[str], values: Callable[[Row], np.ndarray], what: str) -> list[str]:
    lines = [
        f"<details><summary>task by task ({what}; successes of attempts)</summary>",
        "",
        "| | " + " | ".join(tasks) + " |",
        "|---" + "|---:" * len(tasks) + "|",
    ]
    for entry in rows:
        found = values(entry)
        count = found.shape[0] * found.shape[1]
        cells = (f"{found[..., i].sum()} of {count}" for i in range(len(tasks)))
        lines.append(f"| {entry.label} | {' | '.join(cells)} |")
    return [*lines, "", "</details>", ""]


def _why(plan: Plan) -> list[str]:
    return [
        "## Why rates differ from the paper's",
        "",
        "- Other tasks, other scenes, another camera. The ceilings (true state, the simulator's own reward) "
        "say how hard these are; the paper's tables have no such rows.",
        "- The paper's networks are RN50s pre-trained on people's kitchens (EPIC-KITCHENS), with a large gap to the "
        "simulator. These small ones were trained on this very simulator: for imitation on the same tasks, for "
        "planning on others. *Zero-shot* here is therefore nearer than the paper's.",
        "- The InfoNCE and VIP rows are trained from scratch on the same episodes as LIV; the paper compares with "
        "CLIP, R3M, VIP and others as they were released.",
        "- A policy feels its own hand's place, from which much of a motion follows whatever the picture shows, and "
        "features of a random network tell scenes apart too. Both can narrow the differences between representations.",
        "- A search finds what the objective values, not what was meant. In both scenes that were looked at "
        "(fine-tuned LIV of seed 0, *unlock the door* and *press the handle down sideways*, scene 100000) it ended at "
        "a picture that the small network values more than the scripted policy's success, and that is none: `liv plan` "
        "prints the value at the beginning and the end. Recordings hold no such pictures, so metrics over "
        "recordings ([results.md](results.md)) look better than planning with the same network.",
        f"- Networks trained for {plan.results.pretrain().steps} steps: who is ahead after so many, not in the end.",
        "",
    ]


def _missing(findings: Findings) -> list[str]:
    plan = findings.plan
    lines = [f"- {line}" for line in findings.missing()]
    names = {
        "seeds": "seeds",
        "scenes": "scenes to judge a policy in",
        "plan_scenes": "scenes to plan in",
        "sequences": "sequences a search",
        "steps": "control steps to do a planned task in",
        "demonstrations": "numbers of demonstrations",
        "tasks": "tasks to imitate",
        "new_tasks": "tasks to plan",
    }
    for name, what in names.items():
        here, full = (
            value if isinstance(value, int) else len(value) for value in (getattr(plan, name), getattr(FULL, name))
        )
        if here < full:
            lines.append(f"- {what}: {here} here, {full} in the full size (`make uses`)")
    for what, there in (("imitation", plan.bundle_imitates), ("planning", plan.bundle_plans)):
        if not there:
            lines.append(f"- {what}: the shipped bundle, in the full size only (its pictures are larger)")
    return ["## What is missing", "", *(lines or ["- nothing of the full size"]), ""]


def _points(e: Estimate, *, signed: bool = False) -> str:
    numbers = (round(100 * x, 1) + 0.0 for x in (e.mean, e.low, e.high))
    mean, low, high = (f"{x:{'+' if signed else ''}.0f}".replace("-", "\N{MINUS SIGN}") for x in numbers)
    return f"{mean} [{low}, {high}]"


def _texts(tasks: Sequence[str]) -> str:
    words = load_tasks()
    return ", ".join(f"*{words[task].text}*" for task in tasks)
