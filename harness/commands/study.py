"""`supernet study`: plan, run and report on studies."""

from __future__ import annotations

import math
import os
import shlex
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supernet.benchmarks.errors import UserError
from supernet.harness.commands.groups import Suggesting

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from supernet.harness.runs.executors import Executor
    from supernet.harness.runs.job import Job
    from supernet.harness.runs.store import Store
    from supernet.harness.study.plan import Study

RESULTS = click.option(
    "--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Results folder."
)
SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the base recipe.")


@click.group(cls=Suggesting)
def study() -> None:
    """Vary heuristics around a base recipe, with paired comparisons against real ground truth."""


@study.command("list")
def list_() -> None:
    """Studies that ship with the project."""
    from supernet.benchmarks.plain_yaml import read_yaml
    from supernet.harness.study import reading

    for name in reading.studies():
        click.echo(f"{name:16} {read_yaml(reading.FOLDER / f'{name}.yaml')['title']}")


@study.command("plan")
@click.argument("name")
@SET
@RESULTS
def plan_(name: str, overrides: tuple[str, ...], results: Path) -> None:
    """The runs of the study NAME (a shipped one or a file), with an estimate of their time."""
    from supernet.harness.commands.progress import bar, duration
    from supernet.harness.study.estimate import Stopwatch, busy
    from supernet.harness.study.plan import mean_tau

    chosen, store = _open(name, overrides, results)
    rows = chosen.plan(mean_tau(store))
    width = max(len(setting.label) for setting, _ in rows)
    load, stopwatch, missing, lines = busy(), Stopwatch(), [], []
    with bar("Timing a few steps of every kind of run") as tell:
        for done, (setting, spec) in enumerate(rows):
            tell(done, len(rows))
            if store.whole(spec.hash):
                needs = "there"
            else:
                missing.append(stopwatch.seconds(spec))
                needs = duration(missing[-1])
            lines.append(f"{setting.label:{width}}  seed {spec.recipe.seed}  {spec.hash}  {needs}")
    for line in lines:
        click.echo(line)
    needed = f": about {duration(sum(missing))} on one core of this machine" if missing else ""
    more = " More follow when these have results." if chosen.design == "staged" else ""
    click.echo(f"{len(rows)} runs, {len(missing)} missing{needed}.{more}")
    if load and missing:
        click.echo(load, err=True)


@study.command()
@click.argument("name")
@SET
@RESULTS
@click.option(
    "--executor",
    type=click.Choice(["local", "process", "ray"]),
    default="local",
    show_default=True,
    help="Processes on this machine, this process alone, or a Ray cluster.",
)
@click.option("--workers", type=click.IntRange(1), help="Local processes (default: as many as cores; 1 on a GPU).")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--address", help="Address of the Ray cluster (default: one on this machine).")
@click.option("--cpus", type=float, default=1, show_default=True, help="CPUs that a run asks Ray for.")
@click.option(
    "--gpus",
    type=float,
    default=0,
    help="GPUs, or a part of one, that a run asks Ray for (default: 1 with --device cuda).",
)
def run(
    name: str, overrides: tuple[str, ...], results: Path, executor: str, workers: int | None, device: str,
    address: str | None, cpus: float, gpus: float,
) -> None:  # fmt: skip
    """Make the runs that are missing, then the report.

    Can be interrupted or killed at any moment; the same command goes on where it stopped.
    """
    from supernet.harness.study.plan import mean_tau

    chosen, store = _open(name, overrides, results)
    _report_folder(chosen, results)
    maker = executor_of(executor, workers, device, address, cpus, gpus)
    store.prepare()
    tried: set[str] = set()
    while True:  # a staged plan grows as results come in
        rows = chosen.plan(mean_tau(store))
        specs = {spec.hash: spec for _, spec in rows if not store.whole(spec.hash) and spec.hash not in tried}
        if not specs:
            break
        tried |= set(specs)
        labels = {spec.hash: f"{setting.label}, seed {spec.recipe.seed}" for setting, spec in rows}
        make_runs(chosen.name, store, maker, list(specs.values()), labels)
    lacking = _status(chosen, store, name, overrides, results, brief=True)
    _report(chosen, store, results)
    if lacking:
        sys.exit(1)


@study.command()
@click.argument("name")
@SET
@RESULTS
def status(name: str, overrides: tuple[str, ...], results: Path) -> None:
    """Which runs are done, missing, diverged, failed or damaged, and why."""
    chosen, store = _open(name, overrides, results)
    _status(chosen, store, name, overrides, results)


@study.command()
@click.argument("name")
@SET
@RESULTS
def report(name: str, overrides: tuple[str, ...], results: Path) -> None:
    """Write the report of what is done."""
    chosen, store = _open(name, overrides, results)
    _report_folder(chosen, results)
    _report(chosen, store, results)


def _open(name: str, overrides: tuple[str, ...], results: Path) -> tuple[Study, Store]:
    from supernet.harness.runs.compared import ComparedStore
    from supernet.harness.study.reading import load_study

    return load_study(name, overrides), ComparedStore(results / "runs")


def executor_of(name: str, workers: int | None, device: str, address: str | None, cpus: float, gpus: float) -> Executor:
    """The executor of this name: local, process or ray.

    Raises:
        UserError: this machine has no such device, where the runs are to be made on it.
    """
    from supernet.harness.runs import executors
    from supernet.harness.training.loop import usable

    if name != "ray":
        usable(device)
    makers: dict[str, Executor] = {
        "local": executors.Processes(workers or (1 if device != "cpu" else os.cpu_count() or 1), device),
        "process": executors.InProcess(device),
        "ray": executors.Ray(address, cpus, gpus or float(device != "cpu")),
    }
    return makers[name]


def make_runs(name: str, store: Store, executor: Executor, specs: Sequence[Job], labels: Mapping[str, str]) -> None:
    """Make the runs and show how far they are.

    Args:
        labels: hash of every run, also of those that are there already -> what to call it.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[now]}", markup=False), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as display:
        overview = _Overview(name, store, [spec.hash for spec in specs], labels, display)
        executor.make(specs, store.root, overview.finished, overview.tick)


class _Overview:
    """Where runs are: bars in a terminal; elsewhere a line per finished run, and one at least every half minute."""

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
        """Show where the runs in progress are."""
        if self.display.disable and time.monotonic() - self._looked < 5:
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
        """Say that a run has ended, or that another process holds it."""
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
        found = {}
        for run in self.wanted:
            if run not in self.done and (now := self.store.progress(run)) is not None:
                found[run] = now["share"], now["text"]
        return found

    def _share(self, now: Mapping[str, tuple[float, str]]) -> float:
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
        return reason or f"The reason could not be written to {self.store.root}: its disk is full, perhaps."


def _status(
    chosen: Study, store: Store, name: str, overrides: tuple[str, ...], results: Path, brief: bool = False
) -> bool:
    from supernet.harness.commands.progress import bar
    from supernet.harness.runs.state import STATES, state_of
    from supernet.harness.study.plan import mean_tau

    counts, lines = dict.fromkeys(STATES, 0), []
    with bar("Reading the runs") as tell:
        rows = chosen.plan(mean_tau(store))
        width = max(len(setting.label) for setting, _ in rows)
        for done, (setting, spec) in enumerate(rows):
            tell(done, len(rows))
            state, reason = state_of(spec, store)
            counts[state] += 1
            if not brief or state in ("failed", "damaged"):
                line = f"{setting.label:{width}}  seed {spec.recipe.seed}  {spec.hash}  {state}  {reason}"
                lines.append(line.rstrip())
    for line in lines:
        click.echo(line)
    click.echo(f"{len(rows)} runs: " + ", ".join(f"{n} {state}" for state, n in counts.items() if n))
    lacking = counts["failed"] + counts["missing"] + counts["damaged"] > 0
    if lacking:
        options = [part for change in overrides for part in ("--set", change)]
        options += [] if results == Path("results") else ["--results", str(results)]
        click.echo(f"Complete it with: {shlex.join(['supernet', 'study', 'run', name, *options])}")
    return lacking


def _report_folder(chosen: Study, results: Path) -> Path:
    """Where the report goes; with a word if the folder of the study's name holds the report of another study."""
    from supernet.benchmarks.wording import quoted
    from supernet.harness.report.study.report import folder_for, other_study

    reports = results / "reports"
    out = folder_for(chosen, reports)
    if out.name != chosen.name:
        other = other_study(reports / chosen.name, chosen)
        click.echo(
            f"{reports / chosen.name} holds the report of another study, {quoted(other)}, and is left as it is. "
            f"The report of this one goes to {out}.",
            err=True,
        )
    return out


def _report(chosen: Study, store: Store, results: Path) -> None:
    from supernet.harness.report.study.report import folder_for, write_report

    out = folder_for(chosen, results / "reports")
    try:
        with _heartbeat("Writing the report"):
            write_report(chosen, store, out)
    except MemoryError:
        raise UserError(
            "Memory ran out while the report was made. All runs are kept: `supernet study report` writes it, on a "
            "machine with more memory if necessary."
        ) from None
    except OSError as error:
        raise UserError(f"The report cannot be written to {out}: {error.strerror or error}.") from None
    click.echo(f"Report: {out / 'index.html'}")


@contextmanager
def _heartbeat(what: str) -> Iterator[None]:
    """Say every half minute that work of unknown length goes on."""
    from supernet.harness.commands.progress import EVERY, Lines

    lines, ended = Lines(what), threading.Event()

    def beat() -> None:
        while not ended.wait(EVERY + 0.1):
            lines.tell(None, "still at work")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
