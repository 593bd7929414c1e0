# SPDX-License-Identifier: Apache-2.0
"""``docs/uses.md``: both studies in tables, beside the paper, and what is missing. No figure of ours is typed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from liv_model.metrics import Estimate
from training.imitate_demos import REPEAT, STEPS
from training.plan_objective import RIGHT
from training.results.compare import AGREES, DISAGREES, OPEN, estimate
from training.results.plan import ROOT
from training.results.provenance import parameters
from training.tasks import load_tasks
from training.uses.findings import ALIKE, Findings, verdict
from training.uses.paper import IMITATION, PLANNING, Claim, row
from training.uses.plan import FULL, Course, Plan, Row
from training.uses.power import power

_SAID = {
    AGREES: "so it is here",
    DISAGREES: "here it is the other way round",
    OPEN: "not decided: zero lies within the interval",
    ALIKE: "says nothing: no attempt went differently",
}
_NONE = ["*Nothing is complete yet: call `make uses` again.*", ""]


def document(findings: Findings, here: Path, made: Sequence[str], ends: str | None = None) -> str:
    """The page as Markdown.

    Args:
        findings: everything measured.
        here: folder that the page will lie in.
        made: lines on how it was made.
        ends: file name of the picture of where searches ended, beside the page.
    """
    parts = [
        "# What LIV is for: imitation and planning, small",
        "",
        "<!-- written by `make uses`: change training/uses/, not this file -->",
        "",
        *_about(findings.plan, here),
        *_in_short(findings),
        *_imitation(findings),
        *_planning(findings),
        *_ends(ends),
        *_why(findings, here),
        *_missing(findings),
        "## How it was made",
        "",
        *made,
    ]
    return "\n".join(parts) + "\n"


def _about(plan: Plan, here: Path) -> list[str]:
    docs = ROOT / "docs"
    gym, live = (os.path.relpath(docs / name, here) for name in ("gym.md", "live_policy.md"))
    return [
        "The LIV paper (Ma et al., ICML 2023, [arXiv 2306.00958](https://arxiv.org/abs/2306.00958)) uses its "
        "representation as the **state to imitate on** and its value as the **reward to plan with**. Both are here, in "
        f"Meta-World, with networks of {parameters(plan.results) / 1e6:.1f} million parameters and {_side(plan)} "
        "pixels that `make results` trains; and both are commands for your own encoders, any open_clip checkpoint that "
        "`liv import` takes among them:",
        "",
        "```sh",
        "liv imitate --encoder models/metaworld --tasks drawer-close,window-close --demonstrations 10",
        "liv plan --objective models/metaworld --tasks window-close --sequences 32 --pictures found",
        "```",
        "",
        f"As a reward in your own environment: [gym.md]({gym}). A cloned policy that acts through ROS, watched by the "
        f"nodes: [live_policy.md]({live}).",
        "",
        "Every rate is a share of scenes that no network and no demonstration was made in, with its 95 % bootstrap "
        "interval over seeds, scenes and tasks. With so few of each these intervals are rather too narrow; one without "
        "width means that all attempts were alike, and of n alike up to 3/n may still be otherwise. All policies of "
        "one number of demonstrations learn from the same ones, so other demonstrations are in no interval; in "
        "planning, scene and network change together.",
        "",
    ]


def _in_short(findings: Findings) -> list[str]:
    told: list[tuple[Claim, str, np.ndarray | None]] = []
    rows, counts = findings.imitation_rows(), findings.plan.demonstrations
    for claim in IMITATION:
        for count in dict.fromkeys((min(counts), max(counts))):
            found = _difference(claim, rows, partial(findings.imitated, count=count))
            told.append((claim, f" ({count} demonstrations)", found))
    for course in findings.plan.courses:
        rows = findings.planning_rows(course)
        for claim in PLANNING[course.name]:
            if not {claim.better, claim.worse} <= {r.name for r in course.rows}:
                continue  # of the shipped bundle, which does not take part in every size
            found = _difference(claim, rows, partial(findings.planned, course))
            told.append((claim, f" ({course.name} tasks)", found))
    verdicts = [verdict(found) for claim, _, found in told if found is not None and claim.numbers]
    lines = [
        "## In short",
        "",
        f"Of {len(verdicts)} comparisons with the paper, {verdicts.count(AGREES)} agree, {verdicts.count(DISAGREES)} "
        f"are the other way round, {verdicts.count(OPEN)} show no difference beyond doubt, in {verdicts.count(ALIKE)} "
        "no attempt went differently.",
        "",
        "| claim | the paper's rates, % | here, difference in points | |",
        "|---|---|---:|---|",
    ]
    for claim, note, found in told:
        here = "not measured yet | "
        if found is not None:
            here = f"{_points(estimate(found), signed=True)} | {_SAID[verdict(found)]}"
        lines.append(f"| {claim.says}{note} | {claim.numbers or '*not in the paper*'} | {here} |")
    return [*lines, "", *_power(findings)]


def _power(findings: Findings) -> list[str]:
    """How often the paper's differences would have been seen by a study as small as this."""
    told, counts = [], findings.plan.demonstrations
    for claim in (claim for claim in IMITATION if claim.points):
        for count in dict.fromkeys((min(counts), max(counts))):
            values = partial(findings.imitated, count=count)
            told.append(_seen(claim, findings.imitation_rows(), values, f"imitating with {count} demonstrations"))
    for course in findings.plan.courses:
        rows, values = findings.planning_rows(course), partial(findings.planned, course)
        for claim in (claim for claim in PLANNING[course.name] if claim.points):
            told.append(_seen(claim, rows, values, f"planning {course.name} tasks"))
    if not any(told):
        return []
    return [
        "Were the paper's differences to a contrastive objective there, studies of this size would call them so beyond "
        f"doubt this often: {'; '.join(filter(None, told))}. (Simulated: attempts independent, each task at its rate "
        "with *InfoNCE only*, raised.) So *not decided* is not *no difference*.",
        "",
    ]


def _seen(claim: Claim, rows: list[Row], values: Callable[[Row], np.ndarray], when: str) -> str:
    worse = row(rows, claim.worse)
    if worse is None or math.isnan(share := power(values(worse), claim.points)):
        return ""
    return f"{when}, {claim.points:.0f} points, {100 * share:.0f} %"


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
        f"{STEPS // REPEAT} decisions of {REPEAT} control steps to do a task in.",
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
    ]
    for count in counts:
        found = partial(findings.imitated, count=count)
        lines += _alike(rows, ("state", "nothing"), found, f"with {count} demonstrations")
    for count in counts:
        found = partial(findings.imitated, count=count)
        lines += _per_task(rows, plan.tasks, found, f"{count} demonstrations")
    return lines


def _planning(findings: Findings) -> list[str]:
    plan = findings.plan
    drawn = plan.sequences * plan.iterations
    lines = [
        "## Planning",
        "",
        f"Cross-entropy method in the simulator: {drawn} sequences a search ({plan.iterations} iterations of "
        f"{plan.sequences}; the paper: 200), horizon {plan.horizon}, an action every {REPEAT} control steps; then "
        f"{plan.execute} actions are done; {plan.steps} control steps to do the task in. The objective is the value of "
        "the last picture of a sequence alone, which is the sum of its rewards and a constant. Each scene is planned "
        "with the network of another seed. The paper, MetaWorld: 55.2 with fine-tuned LIV, 29.7 zero-shot, 18.2 with "
        "CLIP.",
        "",
    ]
    texts = {
        "known": "Tasks that the networks were trained on",
        "new": f"Tasks that they were not trained on (*fine-tuned*: on {plan.shots} episodes of each)",
    }
    for course in plan.courses:
        lines += [f"**{texts[course.name]}**: {_texts(course.tasks)}.", "", *_course(findings, course)]
    return lines


def _course(findings: Findings, course: Course) -> list[str]:
    rows, planned = findings.planning_rows(course), partial(findings.planned, course)
    if not rows:
        return _NONE
    lines = [
        "| objective | success, % | failures that end at a picture valued as the success or more | pictures "
        "| seconds an episode |",
        "|---|---:|---:|---:|---:|",
    ]
    for entry in rows:
        cost = findings.cost(course, [entry])
        is_asked = cost.pictures and entry.instruction == RIGHT  # of the opposite one, success is no aim
        fooled = "{} of {}".format(*findings.fooled(course, entry)) if is_asked else ""
        cells = (_points(estimate(planned(entry))), fooled, f"{cost.pictures:,}", f"{cost.per_episode_s:.0f}")
        lines.append(f"| {entry.label} | {' | '.join(cells)} |")
    _, scenes, tasks = planned(rows[0]).shape
    rate = findings.cost(course, [entry for entry in rows if entry.arm]).per_second
    size = _side(findings.plan)
    told = (
        f"Only the picture that the objective reads is rendered, at the encoder's {size} px: {rate:.1f} pictures a "
        "second in one process, acting included."
    )
    return [
        *lines,
        f"| *n: scenes x tasks* | {scenes} x {tasks} | | | |",
        "",
        *([told, ""] if math.isfinite(rate) else []),
        *_alike(rows, ("simulator", "nothing"), planned, f"in planning {course.name} tasks"),
        *_per_task(rows, course.tasks, planned, f"planning, {course.name}"),
    ]


def _ends(name: str | None) -> list[str]:
    if name is None:
        return []
    return [
        f"![Where searches with LIV ended, each beside a real success in the same scene]({name})",
        "",
        "*Where the searches with LIV ended in the first scene of each task (left of each pair), and the scripted "
        "policy's success there (right), with the values the network gives them.*",
        "",
    ]


def _alike(rows: Sequence[Row], names: Sequence[str], values: Callable[[Row], np.ndarray], when: str) -> list[str]:
    """Which rows cannot be told from the ceiling or the floor: between these a comparison says little."""
    told = []
    for other in filter(None, (row(list(rows), name) for name in names)):
        found = values(other).astype(float)
        alike = [r.label for r in rows if r is not other and verdict(values(r) - found) in (OPEN, ALIKE)]
        told.append(f"Not told from *{other.label}* beyond doubt, {when}: {'; '.join(alike) or 'none'}.")
    return [" ".join(told), ""] if told else []


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


def _why(findings: Findings, here: Path) -> list[str]:
    steps = findings.plan.results.pretrain().steps
    pages = (os.path.relpath(ROOT / "docs" / name, here) for name in ("results.md", "training.md"))
    return [
        "## Why rates differ from the paper's",
        "",
        "- Other tasks, other scenes, another camera. The ceilings (true state, the simulator's own reward) "
        "say how hard these are; the paper's tables have no such rows.",
        "- The paper's networks are RN50s pre-trained on people's kitchens (EPIC-KITCHENS), with a large gap to the "
        "simulator. These small ones were trained on this very simulator, so that *zero-shot* is nearer than the "
        "paper's.",
        "- The InfoNCE and VIP rows are trained from scratch on the same episodes as LIV; the paper compares with "
        "CLIP, R3M, VIP and others as they were released.",
        "- A policy feels its own hand's place, from which much of a motion follows whatever the picture shows, and "
        "features of a random network tell scenes apart too. Both can narrow the differences between representations.",
        *_fooled(findings, *pages),
        f"- Networks trained for {steps} steps: who is ahead after so many, not in the end.",
        "",
    ]


def _fooled(findings: Findings, results_page: str, training_page: str) -> list[str]:
    counted = [
        findings.fooled(course, entry)
        for course in findings.plan.courses
        for entry in findings.planning_rows(course)
        if entry.instruction == RIGHT
    ]
    failures = sum(count for _, count in counted)
    if not failures:
        return []
    return [
        f"- A search finds what the objective values, not what was meant: {sum(k for k, _ in counted)} of {failures} "
        "failures under the right instruction ended at a picture that the network values at least as much as the "
        "scripted policy's success. A network that has seen successes alone can learn where the arm is when a task is "
        "done, and value that whatever has become of the object. Recordings hold no such pictures, so metrics over "
        f"recordings ([results.md]({results_page})) look better than planning with the same network. A network can "
        f"learn from such ends ([training.md]({training_page}#learning-from-failures)); those here have not.",
    ]


def _missing(findings: Findings) -> list[str]:
    plan = findings.plan
    lines = [f"- {line}" for line in findings.missing()]
    names = {
        "seeds": "seeds",
        "scenes": "scenes to judge a policy in",
        "plan_scenes": "scenes to plan in",
        "sequences": "sequences of an iteration",
        "steps": "control steps to do a planned task in",
        "demonstrations": "numbers of demonstrations",
        "tasks": "tasks to imitate",
        "known_tasks": "known tasks to plan",
        "new_tasks": "new tasks to plan",
    }
    for name, what in names.items():
        here, full = (
            value if isinstance(value, int) else len(value) for value in (getattr(plan, name), getattr(FULL, name))
        )
        if here < full:
            lines.append(f"- {what}: {here} here, {full} in the full size (`make uses`)")
    if not plan.bundle_plans:
        lines.append("- planning: the shipped bundle, in the full size only (its pictures are larger)")
    return ["## What is missing", "", *(lines or ["- nothing of the full size"]), ""]


def _points(e: Estimate, *, signed: bool = False) -> str:
    numbers = (round(100 * x, 1) + 0.0 for x in (e.mean, e.low, e.high))
    mean, low, high = (f"{x:{'+' if signed else ''}.0f}".replace("-", "\N{MINUS SIGN}") for x in numbers)
    return f"{mean} [{low}, {high}]"


def _side(plan: Plan) -> int:
    return plan.results.pretrain().network.image_size


def _texts(tasks: Sequence[str]) -> str:
    words = load_tasks()
    return ", ".join(f"*{words[task].text}*" for task in tasks)
