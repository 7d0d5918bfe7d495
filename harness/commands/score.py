"""`supernet score` scores architectures without training: counts, and what untrained networks say."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supernet.benchmarks.errors import UserError
from supernet.harness.commands.progress import Terminal

if TYPE_CHECKING:
    from supernet.benchmarks.truth.table import Measure


@click.command()
@click.argument("space_name", metavar="SPACE", required=False)
@click.option(
    "--with",
    "names",
    default="live-params,jacob-cov",
    show_default=True,
    metavar="NAME,…",
    help="Scores to compute; --list shows all of them.",
)
@click.option("--out", type=click.Path(path_type=Path), help="File for the scores: .parquet or .csv.")
@click.option("--draws", type=click.IntRange(1), default=1, show_default=True, help="Draws of images and weights.")
@click.option(
    "--archs", default="all", show_default=True, help="all; a number, to sample that many; or a file that lists some."
)
@click.option("--sample-seed", default=0, show_default=True, help="Seed of the sample of --archs N.")
@click.option("--task", default="cifar10", show_default=True, help="Data set whose training images are looked at.")
@click.option("--size", default=16, show_default=True, help="Pixels per side to which they are averaged down.")
@click.option("--images", default=64, show_default=True, help="Number of images.")
@click.option("--channels", default=16, show_default=True, help="Channels of the first stage of a network.")
@click.option("--cells", default=1, show_default=True, help="Cells per stage.")
@click.option(
    "--networks",
    type=click.Choice(["shared", "fresh"]),
    default="shared",
    show_default=True,
    help="shared: weights from one random super-net, which is faster for a whole space; fresh: weights drawn for each "
    "architecture, as scores are published.",
)
@click.option(
    "--dead",
    is_flag=True,
    help="Keep operations that the output does not depend on, as published code does (not on NAS-Bench-1Shot1).",
)
@click.option("--workers", type=click.IntRange(1), help="Number of processes (default: one for each CPU core).")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …")
@click.option("--list", "listing", is_flag=True, help="List the scores with their formulas and sources.")
def score(space_name: str | None, names: str, out: Path | None, listing: bool, **how: Any) -> None:
    """Score the architectures of SPACE without any training.

    Every use but --list needs --out. You can interrupt the command; the same command continues where it stopped.
    """
    from supernet.harness.report.correlation.text import wide_console

    if listing:
        wide_console(least=160).print(_listed())
        return
    if space_name is None:
        raise click.UsageError("Name a space, such as nb201; `supernet spaces` lists them.")
    if out is None:
        raise click.UsageError("Name a file for the scores: --out scores.parquet.")
    from supernet.harness.report.free.scores import free_scores

    found = free_scores(space_name, names, out=out, watch=Terminal(), **how)
    wide_console().print(found)
    click.echo(f"Scored {len(found.scored.indices):,} architectures ({found.scored.distinct:,} distinct networks).")
    click.echo(f"wrote {out}")
    if measure := _truth(space_name, how["task"]):
        parts = ["supernet", "correlate", "--space", space_name, "--scores", str(out), "--dataset", measure.dataset]
        parts += ["--split", measure.split, "--epochs", measure.epochs, "--only-measured", "--average-repeats"]
        click.echo(f"Next: {shlex.join(parts)}")


def _truth(space_name: str, dataset: str) -> Measure | None:
    """The test accuracies with which scores can be compared, if there are any at hand."""
    from supernet.benchmarks.truth.shelf import measure_for

    try:
        return measure_for(space_name, dataset, "test", None, "mean")
    except UserError:
        return None


def _listed() -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from supernet.harness.scoring.proxies.registry import COUNTS, PROXIES

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("score", "what it measures", "formula", "cost", "source"):
        table.add_column(title, no_wrap=title == "score")
    for name, what in COUNTS.items():
        table.add_row(name, what, "", "none", "")
    for proxy in PROXIES.values():  # formulas have brackets, which are no markup
        table.add_row(*map(Text, (proxy.name, proxy.what, proxy.formula, proxy.passes, proxy.source)))
    return table
