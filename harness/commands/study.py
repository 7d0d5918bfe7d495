"""`supernet study`: plan, run and report on studies."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supernet.harness.commands.groups import Suggesting
from supernet.harness.commands.plugins import PLUGIN
from supernet.harness.commands.progress import Terminal, bar

if TYPE_CHECKING:
    from supernet.harness.report.study.result import StudyResult
    from supernet.harness.runs.store import Store
    from supernet.harness.study.plan import Study
    from supernet.harness.study.running import States

RESULTS = click.option(
    "--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Results folder."
)
SET = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the base recipe; may be given several times.",
)


def running(command: Callable[..., None]) -> Callable[..., None]:
    """The options of commands that make runs."""
    options = (
        click.option(
            "--executor",
            type=click.Choice(["local", "process", "ray"]),
            default="local",
            show_default=True,
            help="Processes on this machine, this process alone, or a Ray cluster.",
        ),
        click.option("--workers", type=click.IntRange(1), help="Local processes (default: one per core; one per GPU)."),
        click.option("--device", default="cpu", show_default=True, help="cpu or cuda."),
        click.option("--address", help="Address of the Ray cluster (default: one on this machine)."),
        click.option("--cpus", type=float, default=1, show_default=True, help="CPUs that a run asks Ray for."),
        click.option(
            "--gpus",
            type=float,
            default=0,
            help="GPUs, or a part of one, that a run asks Ray for (default: 1 with --device cuda).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=Suggesting)
def study() -> None:
    """Vary heuristics around a base recipe, and test what each changes against real ground truth."""


@study.command("list")
def list_() -> None:
    """List the studies that ship with the project."""
    from supernet.benchmarks.plain_yaml import read_yaml
    from supernet.harness.study import reading

    for name in reading.studies():
        click.echo(f"{name:16} {read_yaml(reading.FOLDER / f'{name}.yaml')['title']}")


@study.command("plan")
@click.argument("name")
@PLUGIN
@SET
@RESULTS
@click.option(
    "--power", "powers", is_flag=True, help="Which differences of tau the study finds, and what smaller ones take."
)
@click.option(
    "--sd", type=click.FloatRange(min=0, min_open=True, max=1), help="Spread of tau between seeds that --power goes by."
)
def plan_(
    name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...], results: Path, powers: bool, sd: float | None
) -> None:
    """List the runs of a study, and estimate their time.

    NAME is that of a shipped study, or a file. With --power instead: the smallest difference of tau that the study
    finds with 80 % power at a family-wise level of 5 %, and what smaller differences would take here.
    """
    if powers:
        _say_power(name, overrides, results, sd)
        return
    if sd is not None:
        raise click.UsageError("--sd goes with --power.")
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
@running
def run(
    name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...], results: Path, **executor: Any
) -> None:  # fmt: skip
    """Make the runs that are missing, then the report.

    You can interrupt or kill the command at any moment; the same command goes on where it stopped.
    """
    _run(name, plugins, overrides, results, executor)


@study.command()
@click.argument("name")
@PLUGIN
@SET
@RESULTS
@click.option(
    "--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Further seeds of each setting."
)
@click.option("--dry-run", is_flag=True, help="Write the study file, but make no run.")
@running
def extend(
    name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...], results: Path, seeds: int, dry_run: bool,
    **executor: Any,
) -> None:  # fmt: skip
    """Give more seeds to the settings that are undecided.

    The command writes the study NAME-extended.yaml in this folder, makes its runs beside those that are there, and
    reports.
    """
    from supernet.harness.study.analysis import analyse
    from supernet.harness.study.extended import extended, write_extended
    from supernet.harness.study.gathered import gather

    chosen, store = _open(name, overrides, results)
    with bar("Reading the runs"):
        content = extended(name, chosen, analyse(gather(chosen, store)), seeds)
    path = write_extended(name, content, Path())
    click.echo(f"Study: {path}, with {seeds} more seeds for each of the undecided settings")
    if not dry_run:
        _run(str(path), plugins, overrides, results, executor)


@study.command()
@click.argument("name")
@PLUGIN
@SET
@RESULTS
def status(name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...], results: Path) -> None:
    """Show the state of each run.

    Runs are done, missing, diverged, failed or damaged; the command says why.
    """
    from supernet.harness.study.running import states_of

    chosen, store = _open(name, overrides, results)
    with bar("Reading the runs") as tell:
        states = states_of(chosen, store, tell)
    _say_states(states, _typed(name, plugins, overrides, results))


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
    _say_result(reported(chosen, results, watch=Terminal()), _typed(name, plugins, overrides, results))


@study.command()
@click.argument("reports", nargs=-1, required=True, metavar="REPORT REPORT ...")
@RESULTS
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the page, tables, figure and JSON."
)
def compare(reports: tuple[str, ...], results: Path, out: Path | None) -> None:
    """Put the reports of two or more studies beside each other.

    Every change that two of them have is summarised over the studies. A REPORT is a report's folder, its report.json,
    or its name in the results folder.
    """
    from supernet.harness.report.across.result import compare_studies
    from supernet.harness.report.correlation.text import wide_console

    found = compare_studies(reports, results=results, out=out)
    wide_console().print(found)
    if out is not None:
        click.echo(f"Report: {out / 'index.html'}")


def _run(
    name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...], results: Path, executor: Mapping[str, Any]
) -> None:
    """Make what is missing, report, and end with an exit code of 1 if runs are lacking."""
    from supernet.harness.commands.overview import overview
    from supernet.harness.report.study.result import study as made

    command = _typed(name, plugins, overrides, results)

    def told(states: States) -> None:
        _say_states(states, command, brief=True)

    found = made(name, *overrides, out=results, watch=Terminal(), display=overview, told=told, **executor)
    _say_result(found, command)
    if found.states.lacking:
        sys.exit(1)


def _typed(name: str, plugins: tuple[Path, ...], overrides: tuple[str, ...], results: Path) -> str:
    """What follows `supernet study run` on a command line that means the same study and results folder."""
    options = [part for plugin in plugins for part in ("--plugin", str(plugin))]
    options += [part for change in overrides for part in ("--set", change)]
    options += [] if results == Path("results") else ["--results", str(results)]
    return shlex.join([name, *options])


def _say_result(found: StudyResult, command: str) -> None:
    """The verdicts of a study; commands that go on with it are as they are typed in this folder."""
    from supernet.harness.commands.verdicts import verdicts

    click.echo("")
    for line in verdicts(replace(found.analysis, command=command)):
        click.echo(line)
    click.echo(f"\nReport: {found.page}")


def _say_power(name: str, overrides: tuple[str, ...], results: Path, sd: float | None) -> None:
    """A line for each design: its seeds, its runs, the time of those that are missing, and what it finds."""
    from supernet.harness.commands.progress import duration
    from supernet.harness.study.estimate import busy
    from supernet.harness.study.planning import power
    from supernet.harness.study.running import cores

    chosen, store = _open(name, overrides, results)
    load = busy()
    with bar("Timing the runs") as tell:
        found = power(chosen, store, sd=sd, progress=tell)
    click.echo(found.noise.source)
    click.echo(
        "Each design finds a true difference of tau of the size in its last column in 80 of 100 studies, at a "
        "family-wise level of 5 %."
    )
    click.echo("")
    workers = cores("cpu")
    click.echo(f"{'design':18}{'base':>6}{'others':>8}{'runs':>7}{'missing':>9}{f'on {workers} cores':>14}{'finds':>8}")
    for option in found.options:
        d = option.design
        time = duration(option.seconds / workers) if option.missing else "done"
        finds = "nothing" if option.finds is None else f"{option.finds:.2f}"
        click.echo(
            f"{option.what:18}{d.base_seeds:6}{d.seeds:8}{option.runs:7,}{option.missing:9,}{time:>14}{finds:>8}"
        )
    for effect in found.impossible:
        click.echo(
            f"For all changes together, no number of seeds finds {effect:g}: rank more architectures (`sample`), or "
            "test fewer changes."
        )
    if load:
        click.echo(load, err=True)


def _open(name: str, overrides: tuple[str, ...], results: Path) -> tuple[Study, Store]:
    from supernet.harness.runs.compared import ComparedStore
    from supernet.harness.study.reading import load_study

    return load_study(name, overrides), ComparedStore(results / "runs")


def _say_states(states: States, command: str, brief: bool = False) -> None:
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
        click.echo(f"Complete it with: supernet study run {command}")
