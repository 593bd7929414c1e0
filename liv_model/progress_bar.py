# SPDX-License-Identifier: Apache-2.0
"""One bar on the terminal, on stderr, so that what is printed can be piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(
    what: str, total: int | None, *, quiet: bool = False, transient: bool = False, unit: str = ""
) -> Iterator[Callable[[int], None]]:
    """Show ``total`` of something being done; yields the function that is told how many more are done.

    Args:
        what: is being done.
        total: how many there are; None where that is not known.
        quiet: show nothing.
        transient: take the bar away at the end.
        unit: what there are so many of, for a bar that shows how many a second; "" = it does not.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task):
            return Text(f"{task.finished_speed or task.speed or 0:,.0f} {unit}/s")

    speed = [Speed()] if unit else []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *speed, TimeRemainingColumn()
    console = Console(stderr=True)
    disable = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=transient, disable=disable) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def progress_report(*, quiet: bool = False, every_s: float = 5.0) -> Iterator[Callable[[str, float], None]]:
    """Show several things being done one after the other; yields the function that is told what, and its share done.

    Where stderr is no terminal, each thing is a line when it begins and one every few seconds.

    Args:
        quiet: show nothing.
        every_s: between such lines.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    tasks: dict[str, TaskID] = {}
    told_s: dict[str, float] = {}
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:

        def show(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=1.0)
            progress.update(tasks[what], completed=share)

        def tell(what: str, share: float) -> None:
            now_s = time.monotonic()
            if now_s - told_s.get(what, -every_s) >= every_s:
                told_s[what] = now_s
                print(f"{what}: {share:.0%}", file=sys.stderr, flush=True)

        yield (lambda what, share: None) if quiet else show if console.is_terminal else tell
