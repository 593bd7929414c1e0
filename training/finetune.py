# SPDX-License-Identifier: Apache-2.0
"""``liv finetune``: from the robot's bags and a bundle to a better bundle, or to the knowledge that it is none.

Extract, split, train, export, gate, judge: each step leaves something whole in the work folder, so that the same
command goes on after a stop.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from liv_model.bundle import Bundle, seal
from liv_model.cli import INTERRUPTED
from liv_model.encoder import BACKENDS, Encoder, open_encoder
from liv_model.errors import ConfigError, DataError, GateError
from liv_model.progress_bar import progress_bar, progress_report
from training import checkpoint, finetune_compare
from training.config import TrainConfig, plain
from training.episodes import EpisodeStore, EpisodeWriter
from training.evaluate import evaluate
from training.export import export, put_in_place
from training.export_stores import Stores
from training.finetune_base import settings, write_base
from training.finetune_compare import Judged
from training.finetune_data import Split, split
from training.import_episodes import Summary, add_bag_options, episode_bar, import_recordings
from training.kept_plan import keep_plan
from training.loop import run
from training.paraphrases import keep_paraphrases, read_paraphrases
from training.run_folder import prepare
from training.sources.bags import RATE_HZ, BagOptions, list_bags
from training.trained_run import load_run

NOT_RECOMMENDED = 1
REPORT = "report.json"
_EPILOG = """examples:
  liv finetune --bags bags/today --from models/metaworld -o models/mine
  liv finetune --bags bags/today --from models/metaworld -o models/mine --set steps=300 --rehearse data/train
  liv finetune --bags bags/today -o models/mine --set sampler.failures=16      learn from what failed, too
  liv finetune --data data/mine --from models/liv -o models/mine --json

Ctrl-C at any time; the same command goes on. Exit code 0: recommended, 1: made, but not recommended (`liv deploy` then
needs --force), 2: a mistake, 130: interrupted. docs/loop.md tells the whole circle.
"""


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        base: the bundle to begin with.
        output: the bundle to make.
        work: folder of what is made on the way.
        config: settings of the training.
        bags: bags, or folders with bags.
        stores: episode stores, beside or instead.
        rehearse: stores of which all successes are learned from, too.
        options: what to take from the bags.
        rate_hz: of their episodes.
        paraphrases: a file, or None.
        share: of the successes that is kept aside.
        seed: of which.
        backend: what runs both models when they are judged.
    """

    base: Bundle
    output: Path
    work: Path
    config: TrainConfig
    bags: tuple[Path, ...]
    stores: tuple[Path, ...]
    rehearse: tuple[Path, ...]
    options: BagOptions
    rate_hz: float
    paraphrases: Path | None
    share: float
    seed: int
    backend: str

    def plan(self) -> dict[str, Any]:
        """What a work folder is for, plain: an equal plan goes on there."""
        paths = {name: [str(p) for p in getattr(self, name)] for name in ("bags", "stores", "rehearse")}
        return plain(
            {
                "from": self.base.identity,
                **paths,
                "options": asdict(self.options),
                "rate_hz": self.rate_hz,
                "share": self.share,
                "seed": self.seed,
                "config": asdict(self.config),
            }
        )


def finetune(wish: Wish, *, overwrite: bool = False) -> dict[str, Any] | None:
    """Make the bundle and judge it; the findings as plain types, None where it was stopped on the way.

    Raises:
        ConfigError: the output or the work folder is of something else.
        DataError: nothing to learn from or to judge by.
    """
    if wish.output.exists() and not overwrite:
        raise ConfigError(str(wish.output), expected="a new folder", got="one", remedy="name another, or --overwrite")
    _keep_plan(wish)
    left_out = _extract(wish)
    sources = [*([wish.work / "episodes"] if wish.bags else []), *wish.stores]
    from_failures = wish.config.sampler.failures > 0
    parts = split(sources, wish.rehearse, wish.work, share=wish.share, seed=wish.seed, learn_failures=from_failures)
    if not _train(wish, parts.train):
        return None
    made = _export(wish, parts)
    findings = {**_judge(wish, made, parts), "left_out": left_out}
    return _publish(wish, made, findings)


def _keep_plan(wish: Wish) -> None:
    told = {"expected": "one of this very fine-tuning, to go on with", "got": "one of another"}
    keep_plan(wish.work, wish.plan(), "work folder", **told, remedy="delete it, or name another with --work")


def _extract(wish: Wish) -> list[dict]:
    """Bring the bags into a store; what was left out and why."""
    store, done = wish.work / "episodes", wish.work / "extracted.json"
    if done.is_file() or not wish.bags:
        return json.loads(done.read_text(encoding="utf-8")) if wish.bags else []
    recordings, summary = list_bags(wish.bags, wish.options), Summary()
    size = wish.base.image.size
    with EpisodeWriter(store, size, size) as writer, episode_bar() as progress:
        import_recordings(recordings, writer, wish.base.image, wish.rate_hz, progress, summary)
    if not len(EpisodeStore(store)):
        raise DataError(
            ", ".join(map(str, wish.bags)),
            expected="episodes with verdicts",
            got=f"none to take; {len(summary.bad)} left out",
            remedy="the reasons are above",
        )
    if wish.paraphrases:
        keep_paraphrases(store, read_paraphrases(wish.paraphrases))
    done.write_text(json.dumps(summary.bad), encoding="utf-8")
    return summary.bad


def _train(wish: Wish, train: Path) -> bool:
    """Train to the last step, from wherever an earlier call came to; False where it was stopped."""
    folder, config = wish.work / "run", wish.config
    if config.threads:
        torch.set_num_threads(config.threads)
    resume = (folder / checkpoint.LAST).is_file()
    if not resume:  # a run killed at its birth begins again
        shutil.rmtree(folder, ignore_errors=True)
    init = None if resume else write_base(wish.base, config, wish.work / "base")
    trainer = prepare(config, EpisodeStore(train), folder, resume=resume, init=init)
    with progress_bar("training", config.steps) as done:
        done(trainer.step)
        finished = run(trainer, folder, progress=lambda step, numbers: done(1))
    trainer.accelerator.end_training()
    return finished


def _export(wish: Wish, parts: Split) -> Bundle:
    stores = Stores(EpisodeStore(parts.train), EpisodeStore(parts.held_out))
    command = f"liv finetune --from {wish.base.identity}"
    return export(load_run(wish.work / "run"), wish.work / "bundle", stores, name=wish.output.name, command=command)


def _judge(wish: Wish, made: Bundle, parts: Split) -> dict[str, Any]:
    """Both models on the episodes kept aside, as engines that have passed the gate on this machine."""
    held_out, against = EpisodeStore(parts.held_out), []
    old_encoder = _open(wish, wish.base)
    try:
        new_encoder = _open(wish, made)
    except GateError as error:
        against.append(str(error))
        new_encoder = open_encoder(made, "torch")
    try:
        old, new = _judged(old_encoder, held_out, "old"), _judged(new_encoder, held_out, "new")
        rows = finetune_compare.compare(old, new, [known.text for known in wish.base.instructions])
    finally:
        old_encoder.close()
        new_encoder.close()
    against += finetune_compare.reasons_against(rows)
    return {
        "old": wish.base.identity,
        "gate": "passed" if new_encoder.gate is None or new_encoder.gate.passed else "refused",
        "backend": new_encoder.backend,
        "episodes": {key: value for key, value in asdict(parts).items() if isinstance(value, int)},
        "metrics": finetune_compare.to_dict(rows),
        "recommended": not against,
        "against": against,
    }


def _open(wish: Wish, bundle: Bundle) -> Encoder:
    with progress_report(quiet=not sys.stderr.isatty()) as report:
        return open_encoder(bundle, wish.backend, report=report)


def _judged(encoder: Encoder, store: EpisodeStore, who: str) -> Judged:
    with progress_bar(f"judging the {who} model", store.frame_count) as done:
        return Judged(encoder, evaluate(encoder, store, done=done))


def _publish(wish: Wish, made: Bundle, findings: dict[str, Any]) -> dict[str, Any]:
    """Write the verdict into the bundle and put it in place whole."""
    provenance = {**made.manifest["provenance"], "finetuned": findings, "recommended": findings["recommended"]}
    wish.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{wish.output.name}-", dir=wish.output.parent) as folder:
        draft = Path(folder) / wish.output.name
        shutil.copytree(made.path, draft)
        bundle = seal(draft, {**made.manifest, "provenance": provenance})
        put_in_place(draft, wish.output)
    findings = {"new": bundle.identity, "bundle": str(wish.output), **findings}
    (wish.work / REPORT).write_text(json.dumps(findings, indent=2) + "\n", encoding="utf-8")
    return findings


def main(argv: list[str] | None = None) -> int:
    """Run ``liv finetune``; exit code 1 where the new bundle is not recommended."""
    arguments = _parser().parse_args(argv)
    wish = _wish(arguments)
    findings = finetune(wish, overwrite=arguments.overwrite)
    if findings is None:
        print("liv finetune: stopped, saved; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    if arguments.json:
        print(json.dumps(findings, indent=2))
    else:
        finetune_compare.show(findings)
    return 0 if findings["recommended"] else NOT_RECOMMENDED


def _wish(arguments: argparse.Namespace) -> Wish:
    if not arguments.bags and not arguments.data:
        raise ConfigError("liv finetune", expected="--bags or --data", got="neither")
    if not 0 < arguments.held_out < 1:
        raise ConfigError("--held-out", expected="a share between 0 and 1", got=arguments.held_out)
    if not arguments.rate_hz > 0:
        raise ConfigError("--rate-hz", expected="a number above 0", got=arguments.rate_hz)
    base = Bundle.load(arguments.base)
    return Wish(
        base=base,
        output=arguments.out,
        work=arguments.work or arguments.out.with_name(arguments.out.name + ".work"),
        config=settings(base, arguments.config, arguments.set),
        bags=tuple(arguments.bags),
        stores=tuple(arguments.data),
        rehearse=tuple(arguments.rehearse),
        options=BagOptions(
            cameras=tuple(arguments.camera),
            goal_topic=arguments.goal_topic,
            shortest_s=arguments.shortest_s,
            unjudged=arguments.unjudged,
        ),
        rate_hz=arguments.rate_hz,
        paraphrases=arguments.paraphrases,
        share=arguments.held_out,
        seed=arguments.seed,
        backend=arguments.backend,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv finetune",
        description="Fine-tune a bundle on the robot's own bags, and judge the new one against the old.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--bags", type=Path, nargs="+", default=[], metavar="BAG", help="bags, or folders with bags")
    add("--data", type=Path, nargs="+", default=[], metavar="STORE", help="episode stores, beside bags or instead")
    add("--from", dest="base", metavar="BUNDLE", help="the bundle to begin with (default: the shipped one)")
    add("-o", "--out", type=Path, required=True, metavar="NEW", help="folder of the new bundle")
    add("--rehearse", type=Path, nargs="+", default=[], metavar="STORE", help="learn these too, so as not to forget")
    add("--held-out", type=float, default=0.25, metavar="SHARE", help="of each task's successes to judge by (0.25)")
    add("--seed", type=int, default=0, help="of which episodes are kept aside (default: 0)")
    add("--config", type=Path, help="YAML settings (default: finetune.yaml, or finetune_small.yaml for small networks)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    add("--rate-hz", type=float, default=RATE_HZ, metavar="HZ", help=f"frames a second of bags (default: {RATE_HZ:g})")
    add_bag_options(parser)
    add("--backend", default="auto", choices=BACKENDS, help="what runs both models when they are judged")
    add("--work", type=Path, metavar="DIR", help="what is made on the way (default: NEW.work)")
    add("--overwrite", action="store_true", help="replace NEW when the new bundle is whole")
    add("--json", action="store_true", help="print the findings as JSON")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
