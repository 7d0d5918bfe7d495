"""The progress of runs on the command line: bars in a terminal, lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from supernet.harness.runs.job import Job
    from supernet.harness.runs.store import Store

LOOK_SECONDS = 5.0
"""Seconds between two looks at the runs in progress where the output is not a terminal."""


@contextmanager
def overview(
    title: str, store: Store, specs: Sequence[Job], labels: Mapping[str, str]
) -> Iterator[tuple[Callable[[str, str], None], Callable[[], None]]]:
    """Show the progress of runs while the block runs, as a `harness.study.running.Display`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[now]}", markup=False), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as display:
        shown = _Overview(title, store, [spec.hash for spec in specs], labels, display)
        yield shown.finished, shown.tick


class _Overview:
    """Shows bars in a terminal; elsewhere, a line for each finished run and a progress line every half minute."""

    def __init__(
        self, name: str, store: Store, wanted: Sequence[str], labels: Mapping[str, str], display: Progress
    ) -> None:
        from supernet.harness.commands.progress import Lines

        self.store, self.labels, self.display, self.wanted = store, labels, display, wanted
        self.done: set[str] = set()
        self._held: set[str] = set()
        self._shown: dict[str, TaskID] = {}
        self._overall = display.add_task(name, total=len(labels), completed=len(labels) - len(wanted), now="")
        self._lines, self._began = Lines(name), time.monotonic()
        self._looked = -math.inf

    def tick(self) -> None:
        """Show the progress of the runs that are being made."""
        if self.display.disable and time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        now = self._in_progress()
        if self.display.disable:
            texts = [f"{self.labels[run]}: {text}" for run, (_, text) in now.items()]
            self._lines.tell(self._share(now), "; ".join([f"{len(self.done)} of {len(self.wanted)} runs done", *texts]))
            return
        for run, (share, text) in now.items():
            if run not in self._shown:
                self._shown[run] = self.display.add_task("  " + self.labels[run], total=1, now="")
            self.display.update(self._shown[run], completed=share, now=text)

    def finished(self, run: str, state: str) -> None:
        """Show that a run has ended, or that another process is making it."""
        if state == "held":
            if run not in self._held:
                self._held.add(run)
                click.echo(f"{self.labels[run]}: another process is making this run; others are made first.", err=True)
            return
        self.done.add(run)
        self.display.advance(self._overall)
        if run in self._shown:
            self.display.remove_task(self._shown.pop(run))
        if state != "done":
            click.echo(f"{self.labels[run]}: {state}. {self._reason(run, state)}", err=True)
        elif self.display.disable:
            click.echo(f"{len(self.done)}/{len(self.wanted)} {self.labels[run]}{self._times()}", err=True)

    def _in_progress(self) -> dict[str, tuple[float, str]]:
        """Run -> the share of it that is done, from 0 to 1, and a text about it."""
        found = {}
        for run in self.wanted:
            if run not in self.done and (now := self.store.progress(run)) is not None:
                found[run] = now["share"], now["text"]
        return found

    def _share(self, now: Mapping[str, tuple[float, str]]) -> float:
        """The share of all runs that is done, from 0 to 1."""
        return (len(self.done) + sum(share for share, _ in now.values())) / max(1, len(self.wanted))

    def _times(self) -> str:
        from supernet.harness.commands.progress import duration

        taken, share = time.monotonic() - self._began, self._share(self._in_progress())
        left = f", about {duration(taken * (1 - share) / share)} left" if 0 < share < 1 else ""
        return f", after {duration(taken)}{left}"

    def _reason(self, run: str, state: str) -> str:
        from supernet.harness.runs.store import Damaged

        reason = self.store.failure(run)
        if state == "diverged":
            with suppress(KeyError, Damaged):
                reason = self.store.read(run).problem
        return reason or f"The reason could not be written to {self.store.root}: its disk may be full."
