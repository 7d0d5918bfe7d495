"""`supernet baselines` reports how well rankings without training do, on every available ground-truth table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from supernet.harness.commands.progress import Terminal

if TYPE_CHECKING:
    from supernet.harness.report.correlation.baselines import Baselines


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/baselines"),
    show_default=True,
    help="Folder for figures and numbers.",
)
@click.option(
    "--resamples",
    type=click.IntRange(20),
    help="Number of bootstrap resamples (default: 1000, or 200 for more than 50,000 architectures).",
)
def baselines(out: Path, resamples: int | None) -> None:
    """Compare parameter count and other training-free rankings with every available ground-truth table.

    The truth is the mean test accuracy at the largest training budget.
    """
    from supernet.harness.report.correlation.baselines import baselines as compared
    from supernet.harness.report.correlation.text import wide_console

    found = compared(resamples=resamples, out=out, watch=Terminal(), surveyed=_print_left_out)
    if not found.found:
        return
    wide_console(least=190).print(found)
    click.echo(
        "live params, layers, depth: counted on operations between input and output alone; free-1: live params fused "
        "with jacob_cov at initialisation. attainable: what a perfect ranker reaches against the mean of the table's "
        "repeats; repeats agree: tau-b between two single repeats."
    )
    click.echo(f"Figures and all numbers are in {out}.")


def _print_left_out(found: Baselines) -> None:
    """Print which tables cannot be used, and how to get more if only the tables of the package are there."""
    from supernet.benchmarks.truth import shelf

    for problem in found.problems:
        click.echo(f"Left out: {problem}", err=True)
    if found.only_embedded:
        click.echo(shelf.how_to_get())
