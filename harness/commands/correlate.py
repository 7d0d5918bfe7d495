"""`supernet correlate`: a file of scores to the full rank-disorder report."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from supernet.benchmarks.files import write_json
from supernet.harness.commands.progress import bar

if TYPE_CHECKING:
    from rich.console import RenderableType

    from supernet.benchmarks.truth.table import GroundTruth, Measure
    from supernet.harness.correlation.files import ScoreTable
    from supernet.harness.correlation.report import Report

STDOUT = Path("-")
"""The path that stands for standard output; the table then goes to standard error."""
ALL = ""
"""What --lower-is-better without a column means."""


@click.command()
@click.option(
    "--space", "space_name", required=True, help="Search space or benchmark, as `supernet spaces` lists them."
)
@click.option("--scores", required=True, type=click.Path(path_type=Path), help="CSV, JSON or Parquet.")
@click.option("--dataset", required=True, help="cifar10, cifar10-valid, cifar100 or imagenet16-120.")
@click.option("--split", required=True, help="test, valid, …")
@click.option("--epochs", required=True, help="Stand-alone training budget: 200, 12, 108, …")
@click.option("--seed", default="mean", show_default=True, help="Seed or repeat of the ground truth.")
@click.option("--truth", "truth_name", help="Table to use, by path or name (default: the one with most results).")
@click.option("--arch-column", help="Column with strings, indices or hashes (default: found by name).")
@click.option("--score-column", multiple=True, help="Score column, repeatable (default: all other numbers).")
@click.option(
    "--lower-is-better",
    "losses",
    multiple=True,
    is_flag=False,
    flag_value=ALL,
    metavar="[COLUMN]",
    help="Lower values of this score column are better, repeatable; without a column, of all of them.",
)
@click.option(
    "--infinite",
    type=click.Choice(["worst", "leave-out"]),
    help="What infinite scores mean: rank them worst, or leave their architectures out (default: refuse them).",
)
@click.option("--subset", help="Keep to a named part of the space (see `supernet spaces`).")
@click.option("--only-measured", is_flag=True, help="Leave out architectures without ground truth, and say how many.")
@click.option("--average-repeats", is_flag=True, help="Average the scores of an architecture that repeats.")
@click.option("--by", help="Columns (a,b,…) to group by: one line per group.")
@click.option("--repeat", help="With --by: column to average over within a group, such as a seed.")
@click.option("--top", help="Truly best fractions to report on, as 0.1,0.01 (default: a curve from 1 to 0.01).")
@click.option("--resamples", type=click.IntRange(20), help="Bootstrap resamples (default 1000; 200 above 50,000).")
@click.option("--bootstrap-seed", default=0, show_default=True)
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="Write every figure as JSON; - is standard output."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for figures (PNG, SVG) and report.json.")
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
    """Compare scores with ground truth: Kendall tau and its kin, with intervals, baseline and ceiling.

    Score columns named NAME@IMAGES are also shown as tau by number of scoring images.
    """
    from supernet.benchmarks.spaces import SPACE_NAMES
    from supernet.benchmarks.truth.shelf import measure_for, table_for
    from supernet.harness.correlation.files import read_scores

    if space_name not in (known := ("nb101", *SPACE_NAMES)):
        raise click.BadParameter(f"{space_name!r} is not one of {', '.join(known)}", param_hint="--space")
    if repeat and not by:
        raise click.UsageError("--repeat says what to average over within the groups of --by; give --by too.")
    groups = [name.strip() for name in by.split(",")] if by else []
    if top and groups:
        raise click.UsageError("--top is for score columns, and --by for groups of one column: give one of them.")
    fractions = _fractions(top)
    _check_places(json_path, out)
    measure = measure_for(space_name, dataset, split, epochs, seed, truth_name)
    truth = table_for(space_name, measure, truth_name)
    table = read_scores(
        scores,
        space_name,
        truth,
        arch_column=arch_column,
        score_columns=score_column,
        group_columns=[*groups, *([repeat] if repeat else [])],
        lower_is_better=True if ALL in losses else losses,
        infinite=infinite,
        average_repeats=average_repeats,
    )
    notes: list[str] = []
    if subset:
        table = _within(table, space_name, subset, truth, notes)
    if only_measured:
        table = _measured(table, truth, measure, notes)
    if groups:
        _grouped(table, truth, measure, groups, repeat, resamples or 1000, bootstrap_seed, notes, json_path, out)
    else:
        report_single(
            table,
            truth,
            measure,
            subset or "all",
            resamples,
            bootstrap_seed,
            notes,
            json_path,
            out,
            fractions=fractions,
        )


def _fractions(top: str | None) -> list[float] | None:
    """The fractions of --top, as numbers or percentages."""
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


def _check_places(json_path: Path | None, out: Path | None) -> None:
    """Refuse, before any work, places where results cannot be written."""
    from supernet.benchmarks.errors import UserError

    for path, folder in ((out, True), (json_path, False)):
        if path is None or (path == STDOUT and not folder):
            continue
        option = "--out" if folder else "--json"
        if path.exists() and path.is_dir() != folder:
            raise UserError(f"{option} {path} is a {'file' if folder else 'folder'}. Give another path.")
        above = path if folder and path.exists() else next(p for p in path.absolute().parents if p.exists())
        if not above.is_dir():
            raise UserError(f"Not a directory: {above}. It cannot hold {option} {path}.")
        if not os.access(above, os.W_OK | os.X_OK):
            raise UserError(f"{option} {path}: {above} may not be written to.")


def _within(table: ScoreTable, space_name: str, subset: str, truth: GroundTruth, notes: list[str]) -> ScoreTable:
    import numpy as np

    from supernet.benchmarks.errors import UserError
    from supernet.benchmarks.spaces import SPACE_NAMES, space
    from supernet.benchmarks.truth.join import truth_rows
    from supernet.benchmarks.wording import listed

    if space_name not in SPACE_NAMES:
        raise UserError(f"{space_name} has no named subsets; --subset is for {listed(SPACE_NAMES)}.")
    within = space(space_name)
    kept = np.isin(table.rows, truth_rows(within, within.subset(subset), truth))
    notes.append(f"{(~kept).sum():,} of {len(kept):,} architectures lie outside the subset {subset!r}.")
    return table.take(kept)


def _measured(table: ScoreTable, truth: GroundTruth, measure: Measure, notes: list[str]) -> ScoreTable:
    import numpy as np

    there = ~np.isnan(truth.readings(measure.dataset, measure.split, measure.epochs, measure.seed, table.rows))
    notes.append(f"{(~there).sum():,} of {len(there):,} architectures have no ground truth for {measure}: left out.")
    return table.take(there)


def report_single(
    table: ScoreTable,
    truth: GroundTruth,
    measure: Measure,
    subset: str,
    resamples: int | None,
    seed: int,
    notes: list[str],
    json_path: Path | None,
    out: Path | None,
    *,
    fractions: Sequence[float] | None = None,
) -> Report:
    """Print the report of score columns, write its JSON and, with `out`, its figures.

    Args:
        fractions: see `harness.correlation.report.correlate`.
    """
    from supernet.harness.correlation.report import correlate as compute
    from supernet.harness.report.correlation.text import render

    with bar("bootstrap") as report_progress:
        report = compute(
            table, truth, measure,
            subset=subset, resamples=resamples, seed=seed, fractions=fractions, progress=report_progress,
        )  # fmt: skip
    report.notes.extend(notes)
    _print(render(report), json_path)
    paths = _write_json(report.as_json(), json_path, out)
    if out:
        from supernet.harness.report.correlation import figures

        y = truth.accuracy(measure.dataset, measure.split, measure.epochs, measure.seed, table.rows)
        labels = [
            figures.short_label(key, row) for key, row in zip(truth.keys(table.rows), table.rows.tolist(), strict=True)
        ]
        paths += figures.draw(report, table.scores, y, labels, out)
    _say(paths, json_path)
    return report


def _grouped(
    table: ScoreTable,
    truth: GroundTruth,
    measure: Measure,
    by: list[str],
    repeat: str | None,
    resamples: int,
    seed: int,
    notes: list[str],
    json_path: Path | None,
    out: Path | None,
) -> None:
    from supernet.benchmarks.errors import UserError
    from supernet.benchmarks.wording import listed, shown
    from supernet.harness.correlation.grouped import correlate_groups
    from supernet.harness.report.correlation.text import render_groups

    if len(table.scores) != 1:
        columns = listed(map(shown, table.scores))
        raise UserError(f"--by compares groups of one score column; name it with --score-column: {columns}.")
    with bar("groups") as report_progress:
        report = correlate_groups(
            table,
            truth,
            measure,
            by=by,
            repeat=repeat,
            resamples=resamples,
            seed=seed,
            progress=report_progress,
        )
    report.notes.extend(notes)
    _print(render_groups(report), json_path)
    paths = _write_json(report.as_json(), json_path, out)
    if out:
        from supernet.harness.report.correlation import figures

        paths += figures.draw_groups(report, out)
    _say(paths, json_path)


def _print(content: RenderableType, json_path: Path | None) -> None:
    from supernet.harness.report.correlation.text import wide_console

    wide_console(stderr=json_path == STDOUT).print(content)


def _write_json(content: dict[str, Any], json_path: Path | None, out: Path | None) -> list[Path]:
    if json_path == STDOUT:
        click.echo(json.dumps(content, indent=1, allow_nan=False))
        json_path = None
    paths = [path for path in (json_path, out / "report.json" if out else None) if path]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
    return paths


def _say(paths: list[Path], json_path: Path | None) -> None:
    for path in paths:
        click.echo(f"wrote {path}", err=json_path == STDOUT)
