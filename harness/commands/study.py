"""`supernet study`: plan, run and report on studies."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supernet.harness.commands.groups import Suggesting
from supernet.harness.commands.plugins import PLUGIN
from supernet.harness.commands.progress import Terminal, bar

if TYPE_CHECKING:
    from supernet.harness.runs.store import Store
    from supernet.harness.study.plan import Study
    from supernet.harness.study.running import States

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
@PLUGIN
@SET
@RESULTS
def plan_(name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...], results: Path) -> None:
    """The runs of the study NAME (a shipped one or a file), with an estimate of their time."""
    from supernet.harness.commands.progress import duration
    from supernet.harness.study.estimate import busy
    from supernet.harness.study.running import estimated

    chosen, store = _open(name, overrides, results)
    load = busy()
    with bar("Timing a few steps of every kind of run") as tell:
        runs = estimated(chosen, store, tell)
    width = max(len(run.setting.label) for run in runs)
    for run in runs:
        needs = "there" if run.seconds is None else duration(run.seconds)
        click.echo(f"{run.setting.label:{width}}  seed {run.spec.recipe.seed}  {run.spec.hash}  {needs}")
    missing = [run.seconds for run in runs if run.seconds is not None]
    needed = f": about {duration(sum(missing))} on one core of this machine" if missing else ""
    more = " More follow when these have results." if chosen.design == "staged" else ""
    click.echo(f"{len(runs)} runs, {len(missing)} missing{needed}.{more}")
    if load and missing:
        click.echo(load, err=True)


@study.command()
@click.argument("name")
@PLUGIN
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
    name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...], results: Path, executor: str,
    workers: int | None, device: str, address: str | None, cpus: float, gpus: float,
) -> None:  # fmt: skip
    """Make the runs that are missing, then the report.

    Can be interrupted or killed at any moment; the same command goes on where it stopped.
    """
    from supernet.harness.commands.overview import overview
    from supernet.harness.report.study.result import study as made

    def told(states: States) -> None:
        _say_states(states, name, overrides, results, brief=True)

    found = made(
        name, *overrides,
        out=results, executor=executor, workers=workers, device=device, address=address, cpus=cpus, gpus=gpus,
        watch=Terminal(), display=overview, told=told,
    )  # fmt: skip
    click.echo(f"Report: {found.page}")
    if found.states.lacking:
        sys.exit(1)


@study.command()
@click.argument("name")
@PLUGIN
@SET
@RESULTS
def status(name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...], results: Path) -> None:
    """Which runs are done, missing, diverged, failed or damaged, and why."""
    from supernet.harness.study.running import states_of

    chosen, store = _open(name, overrides, results)
    with bar("Reading the runs") as tell:
        states = states_of(chosen, store, tell)
    _say_states(states, name, overrides, results)


@study.command()
@click.argument("name")
@PLUGIN
@SET
@RESULTS
def report(name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...], results: Path) -> None:
    """Write the report of what is done."""
    from supernet.harness.report.study.result import report_folder, reported

    chosen, _ = _open(name, overrides, results)
    report_folder(chosen, results, Terminal())
    click.echo(f"Report: {reported(chosen, results, watch=Terminal()).page}")


def _open(name: str, overrides: tuple[str, ...], results: Path) -> tuple[Study, Store]:
    from supernet.harness.runs.compared import ComparedStore
    from supernet.harness.study.reading import load_study

    return load_study(name, overrides), ComparedStore(results / "runs")


def _say_states(states: States, name: str, overrides: tuple[str, ...], results: Path, brief: bool = False) -> None:
    """A line for each run, or in brief for those that went wrong; the number in each state, and what completes it."""
    width = max(len(run.setting.label) for run in states.runs)
    for run in states.runs:
        if not brief or run.state in ("failed", "damaged"):
            line = (
                f"{run.setting.label:{width}}  seed {run.spec.recipe.seed}  {run.spec.hash}  {run.state}  {run.reason}"
            )
            click.echo(line.rstrip())
    click.echo(f"{len(states.runs)} runs: " + ", ".join(f"{n} {state}" for state, n in states.counts.items() if n))
    if states.lacking:
        options = [part for change in overrides for part in ("--set", change)]
        options += [] if results == Path("results") else ["--results", str(results)]
        click.echo(f"Complete it with: {shlex.join(['supernet', 'study', 'run', name, *options])}")
