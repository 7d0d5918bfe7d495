"""`supernet search` compares search algorithms under one budget."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supernet.benchmarks.errors import UserError
from supernet.harness.commands.progress import Terminal

if TYPE_CHECKING:
    from supernet.harness.search.analysis import Outcome

WIDTH = 100
"""Characters of a line of the list of algorithms."""


@click.command()
# The default is spelled out because the module that knows the spaces takes long to load.
@click.option("--space", default="nb201", show_default=True, help="Search space.")
@click.option("--dataset", default="cifar10", show_default=True, help="Data set, or digits for the embedded task.")
@click.option("--algorithms", metavar="NAME,NAME,…", help="Algorithms to compare; --list shows all.")
@click.option(
    "--budget",
    help="Budget of each search: 200q queries, 20000s simulated seconds, 5000p path passes, 60w wall-clock seconds.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=10, show_default=True, help="Number of searches of each algorithm."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Results folder, which gets runs/ and reports/NAME/.",
)
@click.option("--name", help="Name of the report (default: made from what is compared).")
@click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Python file that registers algorithms, or samplers and other methods that --set names.",
)
@click.option(
    "--fresh",
    is_flag=True,
    help="Make all runs again; existing ones are moved to runs/.damaged. Trainings of single architectures "
    "(runs/.trained) are kept.",
)
@click.option("--table", help="Ground-truth table, by path or name (default: the one with the most results).")
@click.option(
    "--epochs", help="Training epochs that single-fidelity algorithms see (default: that of the benchmark's protocol)."
)
@click.option(
    "--truth-seed",
    metavar="SEED",
    help="Seed or repeat of the table that searches observe, such as r1 (default: that of the benchmark's protocol).",
)
@click.option(
    "--fidelities",
    metavar="EPOCHS,…",
    help="Training epochs that multi-fidelity algorithms choose from (default: those of the protocol).",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change of the super-nets' base recipe; may be given several times.",
)
@click.option(
    "--rate",
    type=float,
    default=1.0,
    show_default=True,
    help="Factor on the learning rates of architecture distributions.",
)
@click.option(
    "--warm-start",
    metavar="SCORE",
    help="Also run algorithms that begin with random architectures from the best ones by this training-free score.",
)
@click.option(
    "--pool",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Number of random architectures that are scored for a warm start.",
)
@click.option(
    "--train-missing",
    is_flag=True,
    help="Train architectures that the table lacks when a search queries them, as those of the table were trained.",
)
@click.option(
    "--executor",
    type=click.Choice(["local", "process", "ray"]),
    default="local",
    show_default=True,
    help="Where searches run: in several local processes, in this process alone, or on a Ray cluster.",
)
@click.option(
    "--workers", type=click.IntRange(1), help="Number of local processes (default: one per CPU core; one per GPU)."
)
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--address", help="Address of the Ray cluster.")
@click.option("--list", "listing", is_flag=True, help="List the algorithms and exit.")
def search(
    space: str, dataset: str, algorithms: str | None, budget: str | None, seeds: int, out: Path, name: str | None,
    plugins: tuple[Path, ...], fresh: bool, table: str | None, epochs: str | None,
    truth_seed: str | None, fidelities: str | None,
    overrides: tuple[str, ...], rate: float, warm_start: str | None, pool: int, train_missing: bool, executor: str,
    workers: int | None, device: str, address: str | None, listing: bool,
) -> None:  # fmt: skip
    """Compare search algorithms under one budget: those that query a benchmark, and those that share weights.

    The command runs the searches that are missing and writes the report. You can interrupt or kill it at any moment;
    the same command continues where it stopped.
    """
    from supernet.harness.search.plugins import load_plugins

    loaded = load_plugins(plugins)
    if listing:  # before the imports below, which take seconds
        _list()
        return
    from supernet.harness.commands.overview import overview
    from supernet.harness.report.search.result import search as compared

    if not algorithms or not budget:
        raise UserError(
            "Say what to compare and what it may spend, such as --algorithms random,rea,bohb --budget 12000s; --list "
            "shows the algorithms."
        )

    found = compared(
        algorithms, budget,
        space=space, dataset=dataset, seeds=seeds, table=table, epochs=epochs, truth_seed=truth_seed,
        fidelities=None if fidelities is None else fidelities.split(","), overrides=overrides, rate=rate,
        warm_start=warm_start, pool=pool, train_missing=train_missing,
        plugins=loaded, name=name, fresh=fresh, out=out, executor=executor, workers=workers, device=device,
        address=address, watch=Terminal(), display=overview,
    )  # fmt: skip
    _print(found.outcome)
    click.echo(found.headline)
    click.echo(f"Report: {found.page}")
    if found.lacking:
        sys.exit(1)


def _list() -> None:
    """Print the algorithms: title, source, what each spends, and what it was seen to find."""
    from supernet.harness.search.algorithms.registry import ALGORITHMS
    from supernet.harness.search.algorithms.seen import SEEN, UNSEEN

    for key, algorithm in ALGORITHMS.items():
        title, source = (" ".join(text.split()) for text in (algorithm.title, algorithm.source))
        click.echo(_wrapped(f"{key:18} ", f"{title}{f' ({source})' if source else ''}; {algorithm.spends}"))
        click.echo(_wrapped(" " * 19, f"seen: {SEEN.get(key, UNSEEN)}"))


def _wrapped(first: str, text: str) -> str:
    """Return a text in lines of WIDTH characters after what the first one begins with."""
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=" " * 19, break_on_hyphens=False)


def _print(outcome: Outcome) -> None:
    """Print final accuracies, best first, and why searches are not done."""
    from supernet.harness.statistics.printed import bounds, plus_minus

    main = outcome.measures[0]
    click.echo(f"{main}, best known {outcome.best:.2f} %, after {outcome.comparison.budget}:")
    for entry in outcome.best_first:
        accuracy = plus_minus(*entry.summary(main))
        rank = f"rank {entry.rank[0]:.2f}{bounds(*entry.rank[1:], '.2f')}" if entry.rank else ""
        click.echo(f"  {entry.name:18} {accuracy:14} {entry.done}/{len(entry.states)} seeds  {rank}".rstrip())
    for entry in outcome.entries:
        for problem in entry.problems:
            click.echo(problem, err=True)
