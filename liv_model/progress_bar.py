# SPDX-License-Identifier: Apache-2.0
"""One bar on the terminal, on stderr, so that what is printed can be piped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(
    what: str, total: int | None, *, quiet: bool = False, transient: bool = False
) -> Iterator[Callable[[int], None]]:
    """Show ``total`` of something being done; yields the function that is told how many more are done.

    Args:
        what: is being done.
        total: how many there are; None where that is not known.
        quiet: show nothing.
        transient: take the bar away at the end.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    disable = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=transient, disable=disable) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
