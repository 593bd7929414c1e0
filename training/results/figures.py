# SPDX-License-Identifier: Apache-2.0
"""The figures of ``docs/results.md``: SVG without background, in colours that stand out on light and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from training.results.findings import Findings
from training.results.paper import ALL, METRICS, Model
from training.results.plan import FINETUNED

TEXT, GRID = "#7a828e", "#8b949e"
COLOURS = {"liv": "#3b82f6", "infonce": "#e8710a", "vip-image": "#2da44e", "no-vip-language": "#b45fd3"}
_GOALS = {"right": ("-", "its instruction"), "opposite": (":", "the opposite one"), "image": ("--", "its last frame")}
_STYLE = {
    "svg.fonttype": "none",  # text stays text: small files, and fonts of the reader
    "svg.hashsalt": "liv",  # the same figures give the same file
    "font.family": "sans-serif",
    "font.size": 9,
    **{name: TEXT for name in ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")},
    "axes.facecolor": "none",
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "grid.color": GRID,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


def write_figures(findings: Findings, folder: Path) -> dict[str, Path]:
    """Write all figures into a folder; name to file."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    with matplotlib.rc_context(_STYLE):
        for name, draw in (("pretraining", _pretraining), ("curves", _curves), ("fewshot", _fewshot)):
            figure = draw(findings)
            files[name] = folder / f"{name}.svg"
            FigureCanvasSVG(figure)
            figure.savefig(files[name], transparent=True, bbox_inches="tight", metadata={"Date": None})
    return files


def _panels(findings: Findings, models: Sequence[Model], **more) -> tuple[Figure, list[tuple[str, Axes]]]:
    """A figure with one panel for each metric that there is data for."""
    metrics = [metric for metric in ALL if findings.tasks(models[0], metric)]
    figure = Figure(figsize=(8.6, 2.15 * -(-len(metrics) // 3)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12)  # inches: the numbers of one panel are not those of the next
    axes = figure.subplots(-(-len(metrics) // 3), 3, squeeze=False, **more).ravel()
    for spare in axes[len(metrics) :]:
        spare.set_axis_off()
    for metric, ax in zip(metrics, axes, strict=False):
        ax.set_title("{} (best {})".format(*METRICS[metric]), loc="left")
    return figure, list(zip(metrics, axes, strict=False))


def _pretraining(findings: Findings) -> Figure:
    """Each objective a row: a dot for each seed, the mean, the interval."""
    models = findings.pretrained
    figure, panels = _panels(findings, models, sharey=True)
    for metric, ax in panels:
        for row, model in enumerate(models):
            e, colour = findings.estimate(model, metric), COLOURS[model.arm.name]
            ax.plot([e.low, e.high], [row, row], color=colour, linewidth=2, solid_capstyle="round")
            seeds = findings.scores(model, metric).mean(axis=1)
            ax.plot(seeds, [row + 0.26] * len(seeds), ".", color=colour, markersize=4, alpha=0.8)
            ax.plot([e.mean], [row], "o", color=colour, markersize=6)
        ax.set_yticks(range(len(models)), [model.arm.label for model in models])
        ax.set_ylim(len(models) - 0.4, -0.5)
        ax.grid(axis="x")
        ax.tick_params(length=0)
    return figure


def _fewshot(findings: Findings) -> Figure:
    """Episodes per task across, one line for each objective."""
    figure, panels = _panels(findings, findings.finetuned)
    shots = findings.plan.shots
    for metric, ax in panels:
        for number, arm in enumerate(FINETUNED):
            found = [findings.estimate(Model(arm, count), metric) for count in shots]
            places = np.arange(len(shots)) + 0.08 * (2 * number - len(FINETUNED) + 1)
            means, colour = [e.mean for e in found], COLOURS[arm.name]
            ax.vlines(places, [e.low for e in found], [e.high for e in found], color=colour, linewidth=1.5, alpha=0.7)
            ax.plot(places, means, "o-", color=colour, markersize=5, linewidth=1.5, label=arm.label)
        ax.set_xticks(range(len(shots)), [str(count) for count in shots])
        ax.grid(axis="y")
        ax.tick_params(length=0)
    figure.supxlabel("episodes of each new task", fontsize=9, color=TEXT)
    handles, labels = panels[0][1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), labelcolor=TEXT)
    return figure


def _curves(findings: Findings) -> Figure:
    """Mean value of successes on their way, as the paper's Figure 6; thin lines are single seeds."""
    models = findings.pretrained
    figure = Figure(figsize=(8.6, 2.4), layout="constrained")
    for model, ax in zip(models, figure.subplots(1, len(models), sharey=True), strict=True):
        for goal, (dashes, label) in _GOALS.items():
            seeds = findings.curve(model, goal)  # (seeds, points)
            way, colour = np.linspace(0, 100, seeds.shape[1]), COLOURS[model.arm.name]
            ax.plot(way, seeds.T, dashes, color=colour, linewidth=0.7, alpha=0.35)
            ax.plot(way, seeds.mean(axis=0), dashes, color=colour, linewidth=1.8, label=label)
        ax.set_title(model.arm.label, loc="left")
        ax.grid()
        ax.tick_params(length=0)
    figure.axes[0].set_ylabel("value")
    figure.supxlabel("share of the episode, %", fontsize=9, color=TEXT)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), labelcolor=TEXT)
    for line in legend.get_lines():
        line.set_color(TEXT)
    return figure
