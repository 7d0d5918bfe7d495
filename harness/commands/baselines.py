"""`supernet baselines`: how well parameter count alone ranks, on every ground-truth table at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from supernet.harness.commands.progress import Terminal

if TYPE_CHECKING:
    from supernet.harness.report.correlation.baselines import Baselines


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/baselines"), show_default=True)
@click.option("--resamples", type=click.IntRange(20), help="Bootstrap resamples (default 1000; 200 above 50,000).")
def baselines(out: Path, resamples: int | None) -> None:
    """Report of parameter count against the mean test accuracies of every ground-truth table at hand."""
    from supernet.harness.report.correlation.baselines import baselines as compared
    from supernet.harness.report.correlation.text import wide_console

    found = compared(resamples=resamples, out=out, watch=Terminal(), surveyed=_say_surveyed)
    if not found.found:
        return
    wide_console(least=160).print(found)
    click.echo(
        "attainable: what a perfect ranker reaches against the mean of the table's repeats; repeats agree: tau-b "
        "between two single repeats."
    )
    click.echo(f"Figures and every number: {out}")


def _say_surveyed(found: Baselines) -> None:
    from supernet.benchmarks.truth import shelf

    for problem in found.problems:
        click.echo(f"Left out: {problem}", err=True)
    if found.only_embedded:
        click.echo(shelf.how_to_get())
