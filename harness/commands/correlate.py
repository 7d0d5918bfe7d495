"""`supernet correlate`: a file of scores to the full rank-disorder report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.files import write_json
from harness.commands.progress import bar

if TYPE_CHECKING:
    from benchmarks.truth.table import GroundTruth, Measure
    from harness.correlation import Report
    from harness.scores import ScoreTable


@click.command()
@click.option("--space", "space_name", required=True, help="nb201, nb101, nb1shot1-1, nb1shot1-2 or nb1shot1-3.")
@click.option("--scores", required=True, type=click.Path(path_type=Path), help="CSV, JSON or Parquet.")
@click.option("--dataset", required=True, help="cifar10, cifar10-valid, cifar100 or imagenet16-120.")
@click.option("--split", required=True, help="test, valid, …")
@click.option("--epochs", required=True, help="Stand-alone training budget: 200, 12, 108, …")
@click.option("--seed", default="mean", show_default=True, help="Seed or repeat of the ground truth.")
@click.option("--truth", "truth_name", help="Table to use, by path or name (default: the one with most results).")
@click.option("--arch-column", help="Column with strings, indices or hashes (default: found by name).")
@click.option("--score-column", multiple=True, help="Score column, repeatable (default: all other numbers).")
@click.option("--lower-is-better", is_flag=True, help="The scores are losses.")
@click.option("--subset", help="Keep to a named part of the space (see `supernet spaces`).")
@click.option("--only-measured", is_flag=True, help="Leave out architectures without ground truth, and say how many.")
@click.option("--average-repeats", is_flag=True, help="Average the scores of an architecture that repeats.")
@click.option("--by", help="Columns (a,b,…) to group by: one line per group.")
@click.option("--repeat", help="With --by: column to average over within a group, such as a seed.")
@click.option("--resamples", type=click.IntRange(20), help="Bootstrap resamples (default 1000; 200 above 50,000).")
@click.option("--bootstrap-seed", default=0, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write every figure as JSON.")
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
    lower_is_better: bool,
    subset: str | None,
    only_measured: bool,
    average_repeats: bool,
    by: str | None,
    repeat: str | None,
    resamples: int | None,
    bootstrap_seed: int,
    json_path: Path | None,
    out: Path | None,
) -> None:
    """Compare scores with ground truth: Kendall tau and its kin, with intervals, baseline and ceiling.

    Score columns named NAME@IMAGES are also shown as tau by number of scoring images.
    """
    from benchmarks.spaces import SPACE_NAMES
    from benchmarks.truth.shelf import measure_for, table_for
    from harness.scores import read_scores

    if space_name not in (known := ("nb101", *SPACE_NAMES)):
        raise click.BadParameter(f"{space_name!r} is not one of {', '.join(known)}", param_hint="--space")
    if repeat and not by:
        raise click.UsageError("--repeat says what to average over within the groups of --by; give --by too.")
    groups = by.split(",") if by else []
    measure = measure_for(space_name, dataset, split, epochs, seed, truth_name)
    truth = table_for(space_name, measure, truth_name)
    table = read_scores(
        scores,
        space_name,
        truth,
        arch_column=arch_column,
        score_columns=score_column,
        group_columns=[*groups, *([repeat] if repeat else [])],
        lower_is_better=lower_is_better,
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
        report_single(table, truth, measure, subset or "all", resamples, bootstrap_seed, notes, json_path, out)


def _within(table: ScoreTable, space_name: str, subset: str, truth: GroundTruth, notes: list[str]) -> ScoreTable:
    import numpy as np

    from benchmarks.errors import UserError
    from benchmarks.spaces import space
    from harness.scores import truth_rows

    if space_name == "nb101":
        raise UserError("nb101 has no named subsets; --subset is for nb201 and nb1shot1-1, -2, -3.")
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
) -> Report:
    """Print the report of score columns, write its JSON and, with `out`, its figures."""
    from harness.correlation import correlate as compute
    from harness.report.text import render, wide_console

    with bar("bootstrap") as report_progress:
        report = compute(table, truth, measure, subset=subset, resamples=resamples, seed=seed, progress=report_progress)
    report.notes.extend(notes)
    wide_console().print(render(report))
    paths = _write_json(report.as_json(), json_path, out)
    if out:
        from harness.report import figures

        y = truth.accuracy(measure.dataset, measure.split, measure.epochs, measure.seed, table.rows)
        labels = [
            figures.short_label(key, row) for key, row in zip(truth.keys(table.rows), table.rows.tolist(), strict=True)
        ]
        paths += figures.draw(report, table.scores, y, labels, out)
    _say(paths)
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
    from benchmarks.errors import UserError
    from harness.grouped import correlate_groups
    from harness.report.text import render_groups, wide_console

    if len(table.scores) != 1:
        raise UserError(
            f"--by compares groups of one score column; name it with --score-column: {', '.join(table.scores)}."
        )
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
    wide_console().print(render_groups(report))
    paths = _write_json(report.as_json(), json_path, out)
    if out:
        from harness.report import figures

        paths += figures.draw_groups(report, out)
    _say(paths)


def _write_json(content: dict[str, Any], json_path: Path | None, out: Path | None) -> list[Path]:
    paths = [path for path in (json_path, out / "report.json" if out else None) if path]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
    return paths


def _say(paths: list[Path]) -> None:
    for path in paths:
        click.echo(f"wrote {path}")
