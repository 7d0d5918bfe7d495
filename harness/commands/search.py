"""`supernet search`: search algorithms compared under one budget."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import listed, quoted

if TYPE_CHECKING:
    from supernet.harness.runs.store import Store
    from supernet.harness.search.analysis import Outcome
    from supernet.harness.search.comparison import Comparison
    from supernet.harness.search.spec import SearchSpec
    from supernet.harness.study.spec import Plugin


@click.command()
# The default is spelled out because the module that knows the spaces takes long to load.
@click.option("--space", default="nb201", show_default=True, help="Search space.")
@click.option("--dataset", default="cifar10", show_default=True, help="Data set, or digits for the embedded task.")
@click.option("--algorithms", metavar="NAME,NAME,…", help="What to compare; --list shows all.")
@click.option(
    "--budget",
    help="What each may spend: 200q queries, 20000s simulated seconds, 5000p path passes, 60w seconds by the clock.",
)
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="Searches of each algorithm.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Results folder: runs/ and reports/NAME/.",
)
@click.option("--name", help="Name of the report (default: made of what is compared).")
@click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Python file that registers algorithms, or samplers and other methods that --set names.",
)
@click.option("--fresh", is_flag=True, help="Make all runs anew; those there are move to runs/.damaged.")
@click.option("--table", help="Ground-truth table, where it is not to be found by itself.")
@click.option("--epochs", help="Fidelity that algorithms of one fidelity see.")
@click.option("--fidelities", metavar="EPOCHS,…", help="Those that algorithms of several fidelities use.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the super-nets' base recipe.")
@click.option(
    "--rate",
    type=float,
    default=1.0,
    show_default=True,
    help="Factor of the learning rates of architecture distributions.",
)
@click.option("--executor", type=click.Choice(["local", "process", "ray"]), default="local", show_default=True)
@click.option("--workers", type=click.IntRange(1), help="Local processes (default: as many as cores; 1 on a GPU).")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--address", help="Address of the Ray cluster.")
@click.option("--list", "listing", is_flag=True, help="List the algorithms and end.")
def search(
    space: str, dataset: str, algorithms: str | None, budget: str | None, seeds: int, out: Path, name: str | None,
    plugins: tuple[Path, ...], fresh: bool, table: str | None, epochs: str | None, fidelities: str | None,
    overrides: tuple[str, ...], rate: float, executor: str, workers: int | None, device: str, address: str | None,
    listing: bool,
) -> None:  # fmt: skip
    """Compare search algorithms that query a benchmark and that share weights, under one budget.

    Makes the searches that are missing, then the report. Can be interrupted or killed at any moment; the same command
    goes on where it stopped.
    """
    from supernet.harness.search.algorithms.registry import named, use

    loaded = _loaded(plugins)
    use(loaded)
    if listing:
        _list()
        return
    if not algorithms or not budget:
        raise UserError(
            "Say what to compare and what it may spend, such as --algorithms random,rea,bohb --budget 12000s; --list "
            "shows the algorithms."
        )
    chosen = tuple(named(algorithms))
    _check_reach(chosen, executor)
    if name is not None:
        _check_name(name)

    from supernet.harness.commands.study import executor_of, make_runs
    from supernet.harness.runs.store import Store
    from supernet.harness.search.comparison import Comparison
    from supernet.harness.search.ledger import Budget

    only = tuple(dict.fromkeys(filter(None, map(str.strip, fidelities.split(","))))) if fidelities is not None else None
    if only == ():
        raise UserError(f"--fidelities names no number of epochs: {quoted(fidelities)}.")
    comparison = Comparison(
        space, dataset, chosen, Budget.parse(budget), seeds, table, epochs, only, overrides, rate, loaded
    )
    comparison.check()
    name = name or comparison.name
    folder = out / "reports" / name
    claim(folder, comparison)
    store = Store(out / "runs")
    store.prepare()
    specs = comparison.specs()
    workers = workers or (1 if device != "cpu" else os.cpu_count() or 1)
    maker = executor_of(executor, workers, device, address, cpus=1, gpus=0)
    if fresh:
        for spec in specs:
            _make_room(spec, store)
    missing = {spec.hash: spec for spec in specs if not store.whole(spec.hash)}
    if missing:
        labels = {spec.hash: spec.label for spec in specs}
        make_runs(name, store, maker, list(missing.values()), labels)
    _report(comparison, store, folder, workers)


def _loaded(files: tuple[Path, ...]) -> tuple[Plugin, ...]:
    if not files:
        return ()
    from supernet.harness.study.spec import Plugin

    return tuple({plugin.sha256: plugin for plugin in map(Plugin.read, files)}.values())


def _list() -> None:
    """The algorithms, a line each."""
    from supernet.harness.search.algorithms.registry import ALGORITHMS, QueryAlgorithm

    for key, algorithm in ALGORITHMS.items():
        kind = "queries" if isinstance(algorithm, QueryAlgorithm) else "shares weights"
        title, source = (" ".join(text.split()) for text in (algorithm.title, algorithm.source))
        click.echo(f"{key:18} {title:32} {kind:15} {source}".rstrip())


def _check_reach(algorithms: Sequence[str], executor: str) -> None:
    """That other processes can be told of the algorithms.

    Raises:
        UserError: one was registered in this process alone.
    """
    from supernet.harness.search.algorithms.registry import known_elsewhere

    if executor != "process" and (alone := [name for name in algorithms if not known_elsewhere(name)]):
        raise UserError(
            f"Other processes do not know {listed(alone)}, which this one registered: put the registration into a file "
            "and name it with --plugin, or use --executor process."
        )


def _check_name(name: str) -> None:
    """That the name can be that of a folder.

    Raises:
        UserError: it cannot.
    """
    if not re.fullmatch(r"[^\x00-\x1f\x7f/\\]{1,100}", name) or name.startswith((".", "-")) or name != name.strip():
        raise UserError(
            f"{quoted(name)} cannot name a report: a name has 1 to 100 characters, no slashes, no spaces at its ends, "
            "and begins with neither a dot nor a hyphen."
        )


def claim(folder: Path, comparison: Comparison) -> None:
    """Look whether the report of a comparison may be written to a folder.

    Raises:
        UserError: the folder holds something else.
    """
    from supernet.harness.report.search.report import COMPARISON, identity_of

    try:
        if not any(folder.iterdir()):
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"The report cannot be written to {folder}: {error.strerror}.") from None
    there = identity_of(folder / COMPARISON)
    if there != comparison.identity:
        what = "another comparison, or of the same with other code" if there else "something else"
        raise UserError(
            f"{folder} holds the report of {what}, which stays as it is. Leave --name out or choose another; or remove "
            "the folder."
        )


def _make_room(spec: SearchSpec, store: Store) -> None:
    """Move a finished run aside and drop what an unfinished one has done."""
    with store.hold(spec) as work:
        if (store.root / spec.hash).exists():
            store.set_aside(spec.hash)
        shutil.rmtree(work, ignore_errors=True)


def _report(comparison: Comparison, store: Store, folder: Path, workers: int) -> None:
    from supernet.harness.commands.progress import bar
    from supernet.harness.report.search.report import headline, write_search_report

    with bar("measuring picks") as progress:
        outcome = write_search_report(comparison, store, folder, workers=workers, progress=progress)
    _print(outcome)
    click.echo(headline(outcome))
    click.echo(f"Report: {folder / 'index.html'}")
    if any(state not in ("done", "diverged") for entry in outcome.entries for state in entry.states.values()):
        sys.exit(1)


def _print(outcome: Outcome) -> None:
    """Final accuracies, best first, and what is not done."""
    from supernet.harness.report.html.markup import bounds
    from supernet.harness.report.search.report import plus_minus

    main = outcome.measures[0]
    click.echo(f"{main}, best known {outcome.best:.2f} %, after {outcome.comparison.budget}:")
    for entry in outcome.best_first:
        accuracy = plus_minus(*entry.summary(main))
        rank = f"rank {entry.rank[0]:.2f}{bounds(*entry.rank[1:], '.2f')}" if entry.rank else ""
        click.echo(f"  {entry.name:18} {accuracy:14} {entry.done}/{len(entry.states)} seeds  {rank}".rstrip())
    for entry in outcome.entries:
        for problem in entry.problems:
            click.echo(problem, err=True)
