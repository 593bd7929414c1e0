# SPDX-License-Identifier: Apache-2.0
"""How good a model's rewards are on episodes it has not seen: ``liv evaluate BUNDLE --data STORE``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from liv_model.bundle import Bundle
from liv_model.encoder import BACKENDS, PRECISIONS, Encoder, open_encoder
from liv_model.errors import ConfigError, DataError
from liv_model.progress_bar import progress_bar, progress_report
from training.animation import FORMATS
from training.episodes import EpisodeStore
from training.evaluation import Embedded, Evaluation, Report, choose, embed, instructions
from training.evaluation_report import judge, write_report
from training.evaluation_tables import show
from training.exhibits import exhibits
from training.task_state_report import judge_task_states, show_task_states, write_task_states

__all__ = ["Embedded", "Evaluation", "Report", "choose", "embed", "evaluate", "instructions", "main"]

_EPILOG = """examples:
  liv evaluate models/metaworld --data data/validation
  liv evaluate models/metaworld --data data/validation --tasks drawer-open drawer-close --json
  liv evaluate models/metaworld --data data/validation -o reports/metaworld --animate
  liv evaluate models/metaworld --data data/validation --backend torch        the same judgement of another engine
  liv evaluate models/metaworld --data data/test --task-state --validation data/validation -o reports/metaworld
"""


def evaluate(
    encoder: Encoder,
    store: EpisodeStore,
    *,
    tasks: Sequence[str] = (),
    per_task: int = 0,
    done: Callable[[int], None] = lambda frames: None,
) -> Evaluation:
    """A model and a store, every frame embedded; ``report()`` of it has the metrics.

    Args:
        encoder: the model.
        store: frames of the model's size.
        tasks: names; empty for all of the store.
        per_task: at most so many episodes of each task and outcome; 0 for all.
        done: told the frames of each episode when it is embedded.

    Raises:
        DataError: a task that the store does not have, or no successful episode.
    """
    numbers = _numbers(store, tasks, per_task)
    return Evaluation(encoder, embed(encoder, store, numbers, done=done), instructions(store, numbers))


def _numbers(store: EpisodeStore, tasks: Sequence[str], per_task: int) -> list[int]:
    """As :func:`choose`, but what is asked for has to be there."""
    there = sorted({record.task for record in store.records})
    unknown = [name for name in tasks if name not in there]
    if unknown and there:
        raise DataError("--tasks", expected=f"some of {', '.join(there)}", got=", ".join(unknown))
    numbers = choose(store, tasks, per_task)
    if not any(store.records[i].outcome == "success" for i in numbers):
        raise DataError(
            f"episode store {store.path}",
            expected="at least one successful episode",
            got=f"{len(numbers)} failures" if numbers else "no episode",
            remedy="add some with `liv episodes simulate` or `liv episodes import`",
        )
    return numbers


def _require_size(bundle: Bundle, store: EpisodeStore) -> None:
    side = bundle.image.size
    if (store.height, store.width) != (side, side):
        raise DataError(
            f"episode store {store.path}",
            expected=f"frames of {side}x{side}, as {bundle.identity} takes them",
            got=f"{store.width}x{store.height}",
            remedy=f"make one with `liv episodes simulate` or `liv episodes import`, --size {side}",
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv evaluate",
        description="Measure a model's rewards on episodes: VOC, success AUC, goal discrimination and more.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", type=Path, help="folder of the model")
    parser.add_argument("--data", type=Path, required=True, help="episode store")
    parser.add_argument("--tasks", nargs="+", default=(), help="only these tasks")
    parser.add_argument("--episodes", type=int, default=0, help="at most so many per task and outcome (0: all)")
    parser.add_argument("--backend", default="auto", choices=BACKENDS, help="what runs the model")
    parser.add_argument("--device", default="auto", help="the backend's name of a device")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="of the engine that runs it")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="also write report.json and index.html here")
    parser.add_argument(
        "--animate", nargs="?", const="webp", choices=FORMATS, help="with -o: a moving picture of each task, too"
    )
    parser.add_argument(
        "--task-state",
        action="store_true",
        help="instead: how good task states are (success, stalls, false alarms); -o writes task_state.json and .png",
    )
    parser.add_argument(
        "--validation", type=Path, help="with --task-state: thresholds fitted on this store, beside the bundle's"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run ``liv evaluate``."""
    arguments = _parser().parse_args(argv)
    if arguments.animate and arguments.output is None:
        raise ConfigError("liv evaluate --animate", expected="-o DIR to write to", got="none")
    if arguments.validation is not None and not arguments.task_state:
        raise ConfigError("liv evaluate --validation", expected="--task-state", got="none")
    bundle, store = Bundle.load(arguments.bundle), EpisodeStore(arguments.data)
    _require_size(bundle, store)
    numbers = _numbers(store, arguments.tasks, arguments.episodes)  # refused before a model is loaded
    with progress_report(quiet=arguments.json) as report:
        encoder = open_encoder(
            bundle, arguments.backend, arguments.device, precision=arguments.precision, report=report
        )
    try:
        if arguments.task_state:
            return _task_states(arguments, bundle, encoder, store, numbers)
        with progress_bar("frames", sum(store.records[i].count for i in numbers)) as done:
            evaluation = evaluate(encoder, store, tasks=arguments.tasks, per_task=arguments.episodes, done=done)
        findings = judge(bundle, encoder, store, evaluation)
        if arguments.output is not None:
            shown = exhibits(bundle, encoder, store, evaluation)
            write_report(arguments.output, findings, evaluation, shown, arguments.animate)
    finally:
        encoder.close()
    if arguments.json:
        print(json.dumps(findings, indent=2))
    else:
        show(findings)
        if arguments.output is not None:
            print(f"{arguments.output}: index.html, report.json" + (", animations" if arguments.animate else ""))
    return 0


def _task_states(
    arguments: argparse.Namespace, bundle: Bundle, encoder: Encoder, store: EpisodeStore, numbers: Sequence[int]
) -> int:
    validation = EpisodeStore(arguments.validation) if arguments.validation is not None else None
    if validation is not None:
        _require_size(bundle, validation)
    report = judge_task_states(bundle, encoder, store, numbers, validation)
    if arguments.output is not None:
        write_task_states(arguments.output, report)
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        show_task_states(report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
