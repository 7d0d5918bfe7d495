"""`supernet study`: plan, run and report on studies."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.errors import UserError
from harness.commands.groups import Suggesting

if TYPE_CHECKING:
    from harness.study.executors import Executor
    from harness.study.plan import Study
    from harness.study.spec import Job
    from harness.study.store import Store

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
    from benchmarks.plain_yaml import read_yaml
    from harness.study import plan

    for name in plan.studies():
        title = read_yaml(plan.FOLDER / f"{name}.yaml")["title"]
        click.echo(f"{name:16} {title}")


@study.command("plan")
@click.argument("name")
@SET
@RESULTS
def plan_(name: str, overrides: tuple[str, ...], results: Path) -> None:
    """The runs of the study NAME (a shipped one or a file), with an estimate of their time."""
    from harness.study.estimate import Stopwatch
    from harness.study.overview import mean_tau

    chosen, store = _open(name, overrides, results)
    rows = chosen.plan(mean_tau(store))
    width = max(len(setting.label) for setting, _ in rows)
    stopwatch, missing = Stopwatch(), []
    for setting, spec in rows:
        if store.whole(spec.hash):
            time = "there"
        else:
            missing.append(stopwatch.seconds(spec))
            time = f"{missing[-1]:,.0f} s"
        click.echo(f"{setting.label:{width}}  seed {spec.recipe.seed}  {spec.hash}  {time}")
    click.echo(
        f"{len(rows)} runs, {len(missing)} missing: about {sum(missing) / 60:,.0f} minutes on one core of this machine."
        + (" More follow when these have results." if chosen.design == "staged" else "")
    )


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
@click.option("--gpus", type=float, default=0, help="GPUs, or part of one, likewise (default: 1 with --device cuda).")
def run(
    name: str, overrides: tuple[str, ...], results: Path, executor: str, workers: int | None, device: str,
    address: str | None, cpus: float, gpus: float,
) -> None:  # fmt: skip
    """Make the runs that are missing, then the report.

    Can be interrupted or killed at any moment; the same command goes on where it stopped.
    """
    from harness.study.overview import mean_tau

    chosen, store = _open(name, overrides, results)
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
    _report(chosen, store, results)


def _open(name: str, overrides: tuple[str, ...], results: Path) -> tuple[Study, Store]:
    from harness.study.plan import load_study
    from harness.study.store import Store

    return load_study(name, overrides), Store(results / "runs")


def executor_of(name: str, workers: int | None, device: str, address: str | None, cpus: float, gpus: float) -> Executor:
    """The executor of this name: local, process or ray.

    Raises:
        UserError: this machine has no such device, where the runs are to be made on it.
    """
    from harness.study import executors
    from harness.train import usable

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

    from harness.study.store import Damaged

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:
        overall = bar.add_task(name, total=len(labels), completed=len(labels) - len(specs), now="")
        shown: dict[str, int] = {}

        def tick() -> None:
            for run, label in labels.items():
                now = store.progress(run)
                if now is None or run in done:
                    continue
                if run not in shown:
                    shown[run] = bar.add_task("  " + label, total=1, now="")
                bar.update(shown[run], completed=now["share"], now=now["text"])  # type: ignore[arg-type]

        done: set[str] = set()

        def finished(run: str, state: str) -> None:
            done.add(run)
            bar.advance(overall)
            if run in shown:
                bar.remove_task(shown.pop(run))  # type: ignore[arg-type]
            if state != "done":
                reason = store.failure(run)
                if state == "diverged":
                    with suppress(KeyError, Damaged):
                        reason = store.read(run).problem
                unknown = f"The reason could not be written to {store.root}: its disk is full, perhaps."
                click.echo(f"{labels[run]}: {state}. {reason or unknown}", err=True)
            elif not console.is_terminal:
                click.echo(f"{len(done)}/{len(specs)} {labels[run]}", err=True)

        executor.make(specs, store.root, finished, tick)


def _status(
    chosen: Study, store: Store, name: str, overrides: tuple[str, ...], results: Path, brief: bool = False
) -> bool:
    from harness.study.overview import STATES, mean_tau, state_of

    rows = chosen.plan(mean_tau(store))
    counts = dict.fromkeys(STATES, 0)
    width = max(len(setting.label) for setting, _ in rows)
    for setting, spec in rows:
        state, reason = state_of(spec, store)
        counts[state] += 1
        if not brief or state in ("failed", "damaged"):
            click.echo(f"{setting.label:{width}}  seed {spec.recipe.seed}  {spec.hash}  {state}  {reason}".rstrip())
    click.echo(f"{len(rows)} runs: " + ", ".join(f"{n} {state}" for state, n in counts.items() if n))
    lacking = counts["failed"] + counts["missing"] + counts["damaged"] > 0
    if lacking:
        options = [part for change in overrides for part in ("--set", change)]
        options += [] if results == Path("results") else ["--results", str(results)]
        click.echo(f"Complete it with: {shlex.join(['supernet', 'study', 'run', name, *options])}")
    return lacking


def _report(chosen: Study, store: Store, results: Path) -> None:
    from harness.report.study import write_report

    out = results / "reports" / chosen.name
    try:
        write_report(chosen, store, out)
    except OSError as error:
        raise UserError(f"The report cannot be written to {out}: {error.strerror or error}.") from None
    click.echo(f"Report: {out / 'index.html'}")
