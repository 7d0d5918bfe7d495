"""`supernet correlate` reports how well the scores in a file rank architectures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from supernet.benchmarks.files import write_json
from supernet.harness.commands.progress import Terminal

if TYPE_CHECKING:
    from supernet.harness.report.correlation.result import Correlation, GroupedCorrelation

STDOUT = Path("-")
"""The path that stands for standard output; the table then goes to standard error."""
ALL = ""
"""The value of --lower-is-better without a column, which stands for all score columns."""


@click.command()
@click.option(
    "--space", "space_name", required=True, help="Search space or benchmark, as `supernet spaces` lists them."
)
@click.option("--scores", required=True, type=click.Path(path_type=Path), help="CSV, JSON or Parquet.")
@click.option("--dataset", required=True, help="digits (embedded), cifar10, cifar10-valid, cifar100 or imagenet16-120.")
@click.option("--split", required=True, help="Split of the ground truth: test, valid, …")
@click.option("--epochs", required=True, help="Stand-alone training budget in epochs: 200, 12, 108, …")
@click.option("--seed", default="mean", show_default=True, help="Seed or repeat of the ground truth.")
@click.option(
    "--table", "truth_name", help="Ground-truth table, by path or name (default: the one with the most results)."
)
@click.option("--arch-column", help="Column with strings, indices or hashes (default: found by its name).")
@click.option(
    "--score-column",
    multiple=True,
    help="Score column; may be given several times (default: all other columns of numbers).",
)
@click.option(
    "--lower-is-better",
    "losses",
    multiple=True,
    is_flag=False,
    flag_value=ALL,
    metavar="[COLUMN]",
    help="Score column whose lower values are better; may be given several times. Without a column: all of them.",
)
@click.option(
    "--infinite",
    type=click.Choice(["worst", "leave-out"]),
    help="What infinite scores mean: rank them worst, or leave their architectures out (default: refuse them).",
)
@click.option("--subset", help="Use only a named subset of the space (see `supernet spaces`).")
@click.option("--only-measured", is_flag=True, help="Leave out architectures without ground truth, and say how many.")
@click.option("--average-repeats", is_flag=True, help="Average the scores of an architecture that occurs repeatedly.")
@click.option("--by", help="Columns to group by (a,b,…); the report has one line per group.")
@click.option("--repeat", help="With --by: column, such as a seed, to average over within each group.")
@click.option(
    "--top",
    help="Fractions of truly best architectures to report on, such as 0.1,0.01 (default: a curve from 1 to 0.01).",
)
@click.option(
    "--resamples",
    type=click.IntRange(20),
    help="Number of bootstrap resamples (default: 1000, or 200 for more than 50,000 architectures).",
)
@click.option("--bootstrap-seed", default=0, show_default=True, help="Seed of the bootstrap.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path),
    help="Write all numbers as JSON to this file; - is standard output.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the report: page, figures, tables, report.json."
)
def correlate(
    space_name: str,
    scores: Path,
    dataset: str,
    split: str,
    epochs: str,
    seed: str,
    truth_name: str | None,
    arch_column: str | None,
    score_column: tuple[str, ...],
    losses: tuple[str, ...],
    infinite: Literal["worst", "leave-out"] | None,
    subset: str | None,
    only_measured: bool,
    average_repeats: bool,
    by: str | None,
    repeat: str | None,
    top: str | None,
    resamples: int | None,
    bootstrap_seed: int,
    json_path: Path | None,
    out: Path | None,
) -> None:
    """Compare scores with ground truth: Kendall's tau and other rank metrics, with intervals, baseline and ceiling.

    Score columns named NAME@IMAGES are also shown as a table of tau by number of scoring images.
    """
    from supernet.benchmarks.files import check_place
    from supernet.harness.correlation.truth import SPACES, ground_truth
    from supernet.harness.report.correlation.correlate import correlate as correlated

    if space_name not in SPACES:
        raise click.BadParameter(f"{space_name!r} is not one of {', '.join(SPACES)}", param_hint="--space")
    if repeat and not by:
        raise click.UsageError("--repeat says what to average over within the groups of --by; give --by, too.")
    if top and by:
        raise click.UsageError("--top is for score columns, and --by for groups of one column: give one of them.")
    fractions = _fractions(top)
    for path, option in ((out, "--out"), (None if json_path == STDOUT else json_path, "--json")):
        if path is not None:
            check_place(path, option, folder=option == "--out", sources=[scores])
    known = ground_truth(space_name, dataset=dataset, split=split, epochs=epochs, seed=seed, table=truth_name)
    how: dict[str, Any] = {
        "table": truth_name,
        "arch_column": arch_column,
        "score_columns": score_column,
        "lower_is_better": True if ALL in losses else losses,
        "infinite": infinite,
        "subset": subset,
        "only_measured": only_measured,
        "average_repeats": average_repeats,
        "by": [name.strip() for name in by.split(",")] if by else None,
        "repeat": repeat,
        "fractions": fractions,
    }
    found = correlated(scores, truth=known, resamples=resamples, seed=bootstrap_seed, watch=Terminal(), **how)
    _show(found, json_path, out)


def _fractions(top: str | None) -> list[float] | None:
    """The fractions that --top lists as numbers or percentages; None without --top.

    Raises:
        BadParameter: one of them is not a fraction in (0, 1].
    """
    if top is None:
        return None
    found = []
    for part in map(str.strip, top.split(",")):
        try:
            fraction = float(part.removesuffix("%")) / (100 if part.endswith("%") else 1)
        except ValueError:
            fraction = 0.0
        if not 0 < fraction <= 1:
            raise click.BadParameter(f"{part[:40]!r} is not a fraction in (0, 1]", param_hint="--top")
        found.append(fraction)
    return found


def _show(found: Correlation | GroupedCorrelation, json_path: Path | None, out: Path | None) -> None:
    """Print the tables, write what was asked for, and print where it is.

    With JSON on standard output, everything else is printed to standard error.
    """
    from supernet.harness.report.correlation.text import wide_console

    json_printed = json_path == STDOUT
    wide_console(stderr=json_printed).print(found)
    if json_printed:
        click.echo(json.dumps(found.as_json(), indent=1, allow_nan=False))
    elif json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        write_json(json_path, found.as_json())
        click.echo(f"wrote {json_path}")
    if out is not None:
        click.echo(f"Report: {found.write(out)[-1]}", err=json_printed)
