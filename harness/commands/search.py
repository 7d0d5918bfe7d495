"""`supernet search`: search algorithms compared under one budget."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.errors import UserError

if TYPE_CHECKING:
    from harness.search.analysis import Outcome
    from harness.search.comparison import Comparison
    from harness.study.store import Store

COMPARISON = "comparison.json"


@click.command()
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
@click.option("--name", default="search", show_default=True, help="Name of the report.")
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
    space: str, dataset: str, algorithms: str | None, budget: str | None, seeds: int, out: Path, name: str,
    table: str | None, epochs: str | None, fidelities: str | None, overrides: tuple[str, ...], rate: float,
    executor: str, workers: int | None, device: str, address: str | None, listing: bool,
) -> None:  # fmt: skip
    """Compare search algorithms that query a benchmark and that share weights, under one budget.

    Makes the searches that are missing, then the report. Can be interrupted or killed at any moment; the same command
    goes on where it stopped.
    """
    from benchmarks.files import write_json
    from harness.commands.study import executor_of, make_runs
    from harness.search.algorithms import ALGORITHMS, QueryAlgorithm, named
    from harness.search.comparison import Comparison
    from harness.search.ledger import Budget
    from harness.study.store import Store

    if listing:
        for key, algorithm in ALGORITHMS.items():
            kind = "queries" if isinstance(algorithm, QueryAlgorithm) else "shares weights"
            click.echo(f"{key:18} {algorithm.title:32} {kind:15} {algorithm.source}")
        return
    if not algorithms or not budget:
        raise UserError(
            "Say what to compare and what it may spend, such as --algorithms random,rea,bohb --budget 12000s; --list "
            "shows the algorithms."
        )
    comparison = Comparison(
        space,
        dataset,
        tuple(named(algorithms)),
        Budget.parse(budget),
        seeds,
        table,
        epochs,
        tuple(part.strip() for part in fidelities.split(",")) if fidelities else None,
        overrides,
        rate,
    )
    store = Store(out / "runs")
    store.prepare()
    specs = comparison.specs()
    missing = {spec.hash: spec for spec in specs if not store.whole(spec.hash)}
    workers = workers or (1 if device != "cpu" else os.cpu_count() or 1)
    if missing:
        labels = {spec.hash: spec.label for spec in specs}
        maker = executor_of(executor, workers, device, address, cpus=1, gpus=0)
        make_runs(name, store, maker, list(missing.values()), labels)
    folder = out / "reports" / name
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / COMPARISON, comparison.as_dict())
    _report(comparison, store, folder, workers)


def _report(comparison: Comparison, store: Store, folder: Path, workers: int) -> None:
    from harness.commands.progress import bar
    from harness.report.search import write_search_report

    with bar("measuring picks") as progress:
        outcome = write_search_report(comparison, store, folder, workers=workers, progress=progress)
    _print(outcome)
    click.echo(f"Report: {folder / 'index.html'}")
    if any(state not in ("done", "diverged") for entry in outcome.entries for state in entry.states.values()):
        sys.exit(1)


def _print(outcome: Outcome) -> None:
    """Final accuracies, best first, and what is not done."""
    from harness.report.markup import bounds
    from harness.report.search import plus_minus

    main = outcome.measures[0]
    click.echo(f"{main}, best known {outcome.best:.2f} %, after {outcome.comparison.budget}:")
    for entry in outcome.best_first:
        accuracy = plus_minus(*entry.summary(main))
        rank = f"rank {entry.rank[0]:.2f}{bounds(*entry.rank[1:], '.2f')}" if entry.rank else ""
        click.echo(f"  {entry.name:18} {accuracy:14} {entry.done}/{len(entry.states)} seeds  {rank}".rstrip())
    for entry in outcome.entries:
        for problem in entry.problems:
            click.echo(problem, err=True)
