# SPDX-License-Identifier: Apache-2.0
"""``docs/results.md``: tables, figures, what they say beside the paper, and how they were made. No number is typed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from liv_model.metrics import Estimate
from training.results.compare import AGREES, DISAGREES, OPEN, Comparison, sentence
from training.results.findings import Findings
from training.results.paper import ALL, METRICS, Claim, Model, finetuning_claims, pretraining_claims
from training.results.plan import ARMS, FINETUNED, ROOT
from training.results.provenance import parameters
from training.tasks import load_tasks

_CHANCE = {"language_voc": 0.0, "success_auc": 0.5, "antonym_contrast": 0.0}


def document(findings: Findings, figures: Mapping[str, Path], here: Path, made: Sequence[str]) -> str:
    """The page as Markdown.

    Args:
        findings: everything measured.
        figures: name to file.
        here: folder that the page will lie in.
        made: lines on how it was made.
    """
    links = {name: os.path.relpath(file, here) for name, file in figures.items()}
    parts = [
        "# The paper's comparisons, small",
        "",
        "<!-- written by `make results`: change training/results/, not this file -->",
        "",
        *_about(findings, here),
        *_in_short(findings),
        *_pretraining(findings, links),
        *_fewshot(findings, links),
        "## How it was made",
        "",
        *made,
    ]
    return "\n".join(parts) + "\n"


def _about(findings: Findings, here: Path) -> list[str]:
    plan, training = findings.plan, os.path.relpath(ROOT / "docs" / "training.md", here)
    return [
        "LIV (Ma et al., ICML 2023, [arXiv 2306.00958](https://arxiv.org/abs/2306.00958)) is value learning (VIP) plus "
        "a contrastive term (InfoNCE). Does it take both? Here a small network answers, from scratch, on simulated "
        f"arms: every objective with the same start weights, episodes, batches and {plan.pretrain().steps} steps, "
        f"{len(plan.seeds)} seeds, judged on episodes of unseen seeds.",
        "",
        "The paper counts how often a policy or a planner succeeds. Here the value curves themselves are judged "
        f"([what the metrics say]({training}#judging-a-model)), on other tasks and of a network with "
        f"{parameters(plan) / 1e6:.1f} million parameters where CLIP's RN50 has 102: the direction of a difference can "
        "be compared with the paper's, its size cannot. The runs are short, too: this is who is ahead after so many "
        "steps, not who would be in the end.",
        "",
        "Every cell is a mean over seeds and tasks with its 95 % bootstrap interval over both (drawn crosswise, paired "
        "where two models are compared). With so few seeds these intervals are rather too narrow, so a difference only "
        "counts as one, below, if its interval is on one side of zero and so is each single seed.",
        "",
    ]


def _in_short(findings: Findings) -> list[str]:
    lines = ["## In short", ""]
    claims = [*pretraining_claims(), *finetuning_claims(findings.plan)]
    verdicts = [v.verdict for claim in claims for v in findings.compare(claim).values()]
    counts = {v: verdicts.count(v) for v in (AGREES, DISAGREES, OPEN)}
    lines += [
        f"Of {len(verdicts)} comparisons (one for each claim of the paper and metric), {counts[AGREES]} agree with the "
        f"paper, {counts[DISAGREES]} are the other way round, {counts[OPEN]} show no difference beyond doubt.",
        "",
        "| the paper says | here |",
        "|---|---|",
        *(f"| {claim.says} ({claim.source}) | {_verdict(findings, claim)} |" for claim in claims),
        "",
    ]
    return lines


def _verdict(findings: Findings, claim: Claim) -> str:
    return sentence({metric: c.verdict for metric, c in findings.compare(claim).items()}, _name)


def _pretraining(findings: Findings, links: Mapping[str, str]) -> list[str]:
    plan, models = findings.plan, findings.pretrained
    return [
        "## Pre-training objectives",
        "",
        f"{len(plan.tasks)} tasks, pairs of opposites that share a scene: {_texts(plan.tasks)}. {plan.episodes} "
        f"successes of each to learn from; {_test_episodes(findings)}",
        "",
        *_table(findings, models, [_with_weights(m) for m in models], "objective (w_v / w_l / w_c)"),
        "",
        f"![Each metric with its interval for each objective]({links['pretraining']})",
        "",
        "*Large dot: mean. Bar: 95 % interval over seeds and tasks. Small dots: single seeds.*",
        "",
        f"![Mean value over the way of an episode, for each objective]({links['curves']})",
        "",
        "*Mean value of unseen successes from first frame to last, for their own instruction, for the opposite one, "
        "and for their own last frame; thin lines: single seeds. The counterpart of the paper's Figure 6.*",
        "",
        *_untrained_texts(findings),
        *_per_task(findings),
        "### Beside the paper",
        "",
        "The paper has no table of pre-training objectives: its ablations are of fine-tuning, and what it says of them "
        "is carried over here.",
        "",
        *_claims(findings, pretraining_claims()),
    ]


def _test_episodes(findings: Findings) -> str:
    plan = findings.plan
    failures = f" and {3 * plan.test_failures} failures (truncated, random, wrong task)" if plan.test_failures else ""
    return f"{plan.test_successes} successes{failures} of each to judge by."


def _untrained_texts(findings: Findings) -> list[str]:
    """A word on objectives that never train the text tower."""
    lines = []
    for model in findings.pretrained:
        if any(model.arm.weights[1:]):
            continue
        found = {m: findings.estimate(model, m) for m in _CHANCE if findings.tasks(model, m)}
        holds = [_name(m) for m, e in found.items() if e.low <= _CHANCE[m] <= e.high]
        misses = [_name(m) for m, e in found.items() if not e.low <= _CHANCE[m] <= e.high]
        said = [f"chance lies within the interval of {', '.join(holds)}"] if holds else []
        said += [f"chance lies outside the interval of {', '.join(misses)}"] if misses else []
        lines += [
            f"**{model.label}** never trains the text tower: every metric with an instruction in it compares frames "
            f"with random directions ({'; '.join(said)}). Only its image VOC says what it has learned: that alone is "
            "compared below.",
            "",
        ]
    return lines


def _per_task(findings: Findings) -> list[str]:
    """Means over seeds, task by task: where the difficulty lies."""
    lines = []
    for metric in ("language_voc", "antonym_contrast"):
        rows = findings.tasks(Model(ARMS[0]), metric)
        if not rows:
            continue
        lines += [
            f"<details><summary>{_name(metric)}, task by task (mean over seeds)</summary>",
            "",
            "| task | " + " | ".join(arm.label for arm in ARMS) + " |",
            "|---" + "|---:" * len(ARMS) + "|",
        ]
        for column, task in enumerate(rows):
            cells = (findings.scores(Model(arm), metric)[:, column].mean() for arm in ARMS)
            lines.append(f"| {task} | " + " | ".join(_number(x) for x in cells) + " |")
        lines += ["", "</details>", ""]
    return lines


def _fewshot(findings: Findings, links: Mapping[str, str]) -> list[str]:
    plan, models = findings.plan, findings.finetuned
    settings = plan.finetune()
    sizes = ", ".join(str(shots) for shots in plan.shots)
    weights = "; ".join(f"{arm.label} w = {_weights_of(arm.finetune)}" for arm in FINETUNED if arm.finetune)
    return [
        "## Few-shot fine-tuning",
        "",
        f"{len(plan.new_tasks)} tasks that pre-training has not seen: {_texts(plan.new_tasks)}. Fine-tuned on {sizes} "
        f"successes of each, every objective from its own pre-trained network of the same seed; fewer episodes are a "
        f"part of the more. {_test_episodes(findings)} Top-1 is among these {len(plan.new_tasks)} instructions.",
        "",
        f"The recipe is the released one in what makes it up: whole episodes (first and last frame, not sub-clips), no "
        f"VIP with goals in words, no negatives ({weights}). For a small network, {settings.steps} steps of "
        f"{settings.batch} episodes with AdamW at {settings.optimizer.learning_rate:g} take the place of 10,000 of 64 "
        f"with Adam at 0.00001, and InfoNCE has temperature {settings.objective.temperature:g} and leaves out pairs of "
        "one instruction, as in pre-training.",
        "",
        *_table(findings, models, [m.label for m in models], "model"),
        "",
        f"![Each metric against the number of episodes, LIV and InfoNCE only]({links['fewshot']})",
        "",
        "*Dots: means. Bars: 95 % intervals over seeds and tasks.*",
        "",
        "### Beside the paper",
        "",
        *_claims(findings, finetuning_claims(plan)),
    ]


def _table(findings: Findings, models: Sequence[Model], labels: Sequence[str], head: str) -> list[str]:
    metrics = [metric for metric in ALL if findings.tasks(models[0], metric)]
    lines = [
        f"| {head} | " + " | ".join(f"{_name(m)} (best {METRICS[m][1]})" for m in metrics) + " |",
        "|---" + "|---:" * len(metrics) + "|",
    ]
    for model, label in zip(models, labels, strict=True):
        cells = " | ".join(_estimate(findings.estimate(model, metric)) for metric in metrics)
        lines.append(f"| {label} | {cells} |")
    counts = (f"{findings.episodes(models[0], m)} x {len(findings.plan.seeds)}" for m in metrics)
    lines.append("| *n: episodes x seeds* | " + " | ".join(counts) + " |")
    return lines


def _with_weights(model: Model) -> str:
    return f"{model.label} ({_weights_of(model.arm.weights)})"


def _weights_of(weights: Sequence[float]) -> str:
    return " / ".join(f"{weight:g}" for weight in weights)


def _claims(findings: Findings, claims: Sequence[Claim]) -> list[str]:
    lines = []
    for claim in claims:
        found = findings.compare(claim)
        if not found:
            continue
        lines += [
            f"**{claim.says}** {claim.source}: {claim.numbers}",
            "",
            f"Here, {claim.better.label} against {claim.worse.label}: {_verdict(findings, claim)}",
            "",
            "| | " + " | ".join(_name(metric) for metric in found) + " |",
            "|---" + "|---:" * len(found) + "|",
            "| better by | " + " | ".join(_estimate(c.difference, signed=True) for c in found.values()) + " |",
            "| single seeds | " + " | ".join(_seeds(c) for c in found.values()) + " |",
            "| | " + " | ".join(c.verdict for c in found.values()) + " |",
            "",
        ]
    return lines


def _seeds(comparison: Comparison) -> str:
    return ", ".join(_number(x, signed=True) for x in comparison.by_seed)


def _estimate(e: Estimate, *, signed: bool = False) -> str:
    return f"{_number(e.mean, signed=signed)} [{_number(e.low, signed=signed)}, {_number(e.high, signed=signed)}]"


def _number(x: float, *, signed: bool = False) -> str:
    rounded = round(float(x), 2) + 0.0  # no negative zero
    return f"{rounded:{'+' if signed else ''}.2f}".replace("-", "\N{MINUS SIGN}")


def _name(metric: str) -> str:
    return METRICS[metric][0]


def _texts(tasks: Sequence[str]) -> str:
    words = load_tasks()
    return ", ".join(f"*{words[task].text}*" for task in tasks)
