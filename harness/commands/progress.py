"""Progress on standard error: a bar in a terminal; elsewhere, a line with the time left every half minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from supernet.harness.report.watch import Done, Watch

EVERY = 30.0
"""Seconds between two progress lines where there is no terminal, such as in the log of a batch job."""


@contextmanager
def bar(what: str, *, bytes_: bool = False) -> Iterator[Done]:
    """Show a progress bar that disappears when the block ends, or lines where there is no terminal.

    Yields:
        A function that updates the display; it takes how much is done, and the total or None while that is unknown.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        lines = Lines(what)
        yield lambda done, total: lines.tell(
            done / total if total else None, f"{done:,} of {total:,}" if total else f"{done:,}"
        )
        return
    count = DownloadColumn() if bytes_ else MofNCompleteColumn()
    columns = (
        TextColumn(escape(what).replace("{", "{{").replace("}", "}}")),
        BarColumn(),
        count,
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


class Terminal(Watch):
    """Shows progress and messages on standard error."""

    def tell(self, text: str) -> None:
        click.echo(text, err=True)

    def progress(self, what: str) -> AbstractContextManager[Done]:
        return bar(what)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Say every half minute that work of unknown length is still going on."""
        lines, ended = Lines(what), threading.Event()

        def remind() -> None:
            while not ended.wait(EVERY + 0.1):
                lines.tell(None, "still at work")

        thread = threading.Thread(target=remind, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class Lines:
    """Progress lines about one long piece of work: the first after EVERY seconds, then at most one every EVERY seconds.

    Args:
        what: the name of the work, with which each line begins.
        clock: returns the time in seconds.
    """

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.what, self._clock = what, clock
        self._began = self._last = clock()
        self._first: tuple[float, float] | None = None

    def tell(self, share: float | None, text: str) -> None:
        """Print the progress, unless the last line is younger than EVERY seconds.

        Args:
            share: share of the whole work that is done, from 0 to 1; None if unknown. The time left is estimated from
                the work done since the first call, because resumed work begins with a share above 0.
            text: what the line says about the progress.
        """
        now = self._clock()
        if self._first is None and share is not None:
            self._first = now, share
        if now - self._last < EVERY:
            return
        self._last = now
        since, first = self._first or (now, 0.0)
        left = ""
        if share is not None and share > first:
            left = f", {duration((now - since) * (1 - share) / (share - first))} left"
        click.echo(f"{self.what}: {text}, {duration(now - self._began)} so far{left}", err=True)


def duration(seconds: float) -> str:
    """A length of time in readable units: 42 s, 12 min, 5.3 h, 68 days."""
    for most, size, unit, form in (
        (100, 1, "s", ".0f"), (100 * 60, 60, "min", ".0f"), (72 * 3600, 3600, "h", ".1f"),
    ):  # fmt: skip
        if seconds < most:
            return f"{seconds / size:{form}} {unit}"
    return f"{seconds / 86400:,.0f} days"
