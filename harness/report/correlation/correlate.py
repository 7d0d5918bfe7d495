"""Compares scores from a file or from memory with ground truth."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, overload

import numpy as np
import pandas as pd

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place
from supernet.benchmarks.spaces import DEFAULT_SPACE, SPACE_NAMES
from supernet.benchmarks.spaces import space as space_of
from supernet.benchmarks.truth.join import truth_rows
from supernet.benchmarks.truth.table import Measure
from supernet.benchmarks.wording import listed, quoted, shown
from supernet.harness.correlation.files import ScoreTable, join_scores, read_scores
from supernet.harness.correlation.formats import frame_table
from supernet.harness.correlation.grouped import correlate_groups
from supernet.harness.correlation.truth import Known, check_agreement, ground_truth
from supernet.harness.report.correlation.command import Command
from supernet.harness.report.correlation.ranked import Ranked, without_truth
from supernet.harness.report.correlation.result import Correlation, GroupedCorrelation, check_draws, compared, names_of
from supernet.harness.report.correlation.verdict import Origin
from supernet.harness.report.watch import SILENT, Watch

Given = Union[Path, str, pd.DataFrame, "pd.Series[float]", Mapping[str, float], Ranked]
"""A file of scores; a frame with a column of architectures and columns of scores; architecture -> score; a ranking."""
GROUP_RESAMPLES = 1000
"""Number of bootstrap resamples in comparisons of groups, where none is given."""


@overload
def correlate(
    scores: Given, space: str | None = ..., truth: str | Measure | Known | None = ..., *, by: None = ...,
    table: str | None = ..., arch_column: str | None = ..., score_columns: str | Sequence[str] = ...,
    lower_is_better: bool | str | Collection[str] = ..., infinite: Literal["worst", "leave-out"] | None = ...,
    subset: str | None = ..., only_measured: bool = ..., average_repeats: bool = ..., repeat: None = ...,
    fractions: Sequence[float] | None = ..., resamples: int | None = ..., seed: int = ...,
    out: Path | str | None = ..., watch: Watch = ...,
) -> Correlation: ...  # fmt: skip
@overload
def correlate(
    scores: Given, space: str | None = ..., truth: str | Measure | Known | None = ..., *, by: str | Sequence[str],
    table: str | None = ..., arch_column: str | None = ..., score_columns: str | Sequence[str] = ...,
    lower_is_better: bool | str | Collection[str] = ..., infinite: Literal["worst", "leave-out"] | None = ...,
    subset: str | None = ..., only_measured: bool = ..., average_repeats: bool = ..., repeat: str | None = ...,
    fractions: None = ..., resamples: int | None = ..., seed: int = ...,
    out: Path | str | None = ..., watch: Watch = ...,
) -> GroupedCorrelation: ...  # fmt: skip
def correlate(
    scores: Given,
    space: str | None = None,
    truth: str | Measure | Known | None = None,
    *,
    by: str | Sequence[str] | None = None,
    table: str | None = None,
    arch_column: str | None = None,
    score_columns: str | Sequence[str] = (),
    lower_is_better: bool | str | Collection[str] = (),
    infinite: Literal["worst", "leave-out"] | None = None,
    subset: str | None = None,
    only_measured: bool = False,
    average_repeats: bool = False,
    repeat: str | None = None,
    fractions: Sequence[float] | None = None,
    resamples: int | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    watch: Watch = SILENT,
) -> Correlation | GroupedCorrelation:
    """Compare scores with ground truth: Kendall's tau and other metrics, with intervals, baseline and ceiling.

    Nothing is written without `out`.

    Args:
        scores: a file (CSV, JSON, Parquet), a frame, a mapping of architectures to scores, or a ranking.
        space: a search space, or a benchmark whose official files can be imported; by default that of the ranking.
        truth: the measure, such as `cifar10/test@200` (see `ground_truth`); by default that of the ranking.
        by: columns to group by; each group gets a comparison of its own.
        table: path or name of the ground-truth table; by default the one with the most results.
        arch_column, score_columns, lower_is_better, infinite, average_repeats: see `read_scores`. They say how to read
            scores, and cannot be given with a ranking; nor can `by`.
        subset: a named subset of the space; other architectures are left out.
        only_measured: leave out architectures without ground truth, which may be missing from the table or have no
            result for this measure, and say how many in the notes.
        repeat: with `by`, the column to average over within a group, such as a seed.
        fractions: truly best fractions, in (0, 1], to report on.
        resamples: number of bootstrap resamples; by default 1,000, or 200 above 50,000 architectures without `by`.
        seed: seed of the bootstrap.
        out: folder for report.json and figures.
        watch: receives messages and progress.

    Raises:
        UserError: the scores cannot be read or joined, or there are too few to compare.
    """
    if repeat and not by:
        raise UserError("`repeat` says what to average over within the groups of `by`; give `by`, too.")
    if fractions and by:
        raise UserError("`fractions` is for score columns, and `by` for groups of one column: give one of them.")
    if fractions is not None and not isinstance(fractions, Iterable):
        raise UserError(f"`fractions` is a list of numbers above 0 and up to 1, not {quoted(fractions)}.")
    if out is not None:
        check_place(Path(out), "--out (`out`)", folder=True)
    check_draws(resamples, seed)
    if isinstance(scores, Ranked):
        _check_ranking(
            arch_column=arch_column, score_columns=score_columns, lower_is_better=lower_is_better, infinite=infinite,
            average_repeats=average_repeats, by=by,
        )  # fmt: skip
    known = _known(scores, space, truth, table)
    groups = names_of(by or ())
    scored = _read(
        scores,
        known,
        arch_column=arch_column,
        score_columns=names_of(score_columns),
        group_columns=[*groups, *([repeat] if repeat else [])],
        lower_is_better=lower_is_better if isinstance(lower_is_better, bool) else names_of(lower_is_better),
        average_repeats=average_repeats,
        infinite=infinite,
        unmeasured="leave-out" if only_measured else None,
    )
    notes = _notes_of(scores, scored) if isinstance(scores, Ranked) else []
    asked: dict[str, Sequence[str]] = {
        "--table": [table] if table else [],
        "--arch-column": [arch_column] if arch_column else [],
        "--score-column": names_of(score_columns),
        "--lower-is-better": [] if isinstance(lower_is_better, bool) else names_of(lower_is_better),
        "--infinite": [infinite] if infinite else [],
        "--subset": [subset] if subset else [],
        "--by": [",".join(groups)] if groups else [],
        "--repeat": [repeat] if repeat else [],
    }
    marked = {
        "--lower-is-better": lower_is_better is True,
        "--only-measured": only_measured,
        "--average-repeats": average_repeats,
    }
    origin = scores.origin if isinstance(scores, Ranked) else Origin(_command(scores, known, asked, marked))
    if subset:
        scored = _within(scored, known, subset, notes)
    if only_measured:
        scored = _measured(scored, known, notes)
    found: Correlation | GroupedCorrelation
    if groups:
        found = _grouped(scored, known, groups, repeat, resamples, seed, notes, origin.command, watch)
    else:
        found = compared(
            scored, known,
            subset=subset or "all", resamples=resamples, seed=seed, notes=notes, fractions=fractions,
            origin=origin, watch=watch,
        )  # fmt: skip
    if out is not None:
        found.write(Path(out))
    return found


def _known(scores: Given, space: str | None, truth: str | Measure | Known | None, table: str | None) -> Known:
    """The ground truth that scores are compared with.

    Raises:
        UserError: it is not named, or not available, or the arguments contradict each other.
    """
    if isinstance(truth, Known):
        check_agreement(truth, table, space=space)
        return truth
    ranked = scores if isinstance(scores, Ranked) else None
    if ranked is not None and space is not None and space != ranked.space:
        raise UserError(f"The ranking is of {ranked.space}, not of {quoted(space)}: leave `space` out.")
    if ranked is not None and truth is None:
        if ranked.truth is None:
            raise UserError(ranked.problem)
        return ground_truth(ranked.space, ranked.truth.measure, table=table) if table else ranked.truth
    space = space or (ranked.space if ranked else None)
    if space is None or truth is None:
        raise UserError(
            "Name the space of the scores and the ground truth that they are compared with, as in "
            f'correlate("scores.csv", "{DEFAULT_SPACE}", "cifar10/test@200").'
        )
    return ground_truth(space, truth, table=table)


def _check_ranking(**given: object) -> None:
    """Check that no argument is given which says how to read scores: those of a ranking are known.

    Raises:
        UserError: one is given.
    """
    names = [f"`{name}`" for name, value in given.items() if value]
    if names:
        raise UserError(
            f"A ranking cannot be compared with {listed(names)}: its scores and their direction are known, and it is "
            "one group. Give columns of its frame instead, with the space and the ground truth, as in "
            'correlate(ranking.frame()[["arch", "accuracy"]], ranking.space, ranking.truth).'
        )


def _notes_of(ranked: Ranked, scored: ScoreTable) -> list[str]:
    """The notes of a ranking, and how many of its architectures have this ground truth."""
    left_out = len(ranked.scores.indices) - len(scored.rows)
    return [*ranked.notes, *([without_truth(len(scored.rows), len(ranked.scores.indices))] if left_out else [])]


def _read(scores: Given, known: Known, **how: Any) -> ScoreTable:
    """The scores, joined to ground truth; see `read_scores` for the arguments.

    Raises:
        UserError: they cannot be read or joined.
    """
    if isinstance(scores, Ranked):
        return scores.joined(known)
    if isinstance(scores, Path | str):
        return read_scores(Path(scores), known.space, known.table, **how)
    if isinstance(scores, pd.Series):
        scores = pd.DataFrame({"arch": scores.index.tolist(), "score": scores.tolist()})
    elif isinstance(scores, Mapping):
        scores = pd.DataFrame({"arch": list(scores), "score": list(scores.values())})
    if not isinstance(scores, pd.DataFrame):
        raise UserError(
            f"Scores are a file, a data frame, a mapping of architectures to scores or a ranking, not {quoted(scores)}."
        )
    return join_scores(frame_table(scores), "the frame", known.space, known.table, **how)


def _within(table: ScoreTable, known: Known, subset: str, notes: list[str]) -> ScoreTable:
    """The scores of the architectures in a subset; a note says how many there are outside.

    Raises:
        UserError: there is no such subset.
    """
    if known.space not in SPACE_NAMES:
        raise UserError(f"{known.space} has no named subsets; --subset (`subset`) is for {listed(SPACE_NAMES)}.")
    within = space_of(known.space)
    kept = np.isin(table.rows, truth_rows(within, within.subset(subset), known.table))
    notes.append(f"{(~kept).sum():,} of {len(kept):,} architectures lie outside the subset {subset!r}.")
    return table.take(kept)


def _measured(table: ScoreTable, known: Known, notes: list[str]) -> ScoreTable:
    """The scores of the architectures with ground truth; a note says how many there are without."""
    there = ~np.isnan(known.accuracy()[table.rows])
    notes.append(
        f"{(~there).sum():,} of {len(there):,} architectures have no ground truth for {known.measure}: left out."
    )
    return table.take(there)


def _grouped(
    table: ScoreTable,
    known: Known,
    by: list[str],
    repeat: str | None,
    resamples: int | None,
    seed: int,
    notes: list[str],
    command: Command | None,
    watch: Watch,
) -> GroupedCorrelation:
    if len(table.scores) != 1:
        columns = listed(map(shown, table.scores))
        raise UserError(
            f"--by (`by`) compares groups of one score column; name it with --score-column "
            f"(`score_columns`): {columns}."
        )
    with watch.progress("groups") as told:
        report = correlate_groups(
            table, known.table, known.measure,
            by=by, repeat=repeat, resamples=resamples or GROUP_RESAMPLES, seed=seed, progress=told,
        )  # fmt: skip
    report.notes.extend(notes)
    return GroupedCorrelation(report, command)


def _command(
    scores: Given, known: Known, asked: Mapping[str, Sequence[str]], marked: Mapping[str, bool]
) -> Command | None:
    """The command that compares a file of scores in this way; None for scores from memory.

    Args:
        asked: option -> its values.
        marked: option without a value -> whether it is given.
    """
    if not isinstance(scores, Path | str):
        return None
    m = known.measure
    parts = ["supernet", "correlate", "--space", known.space, "--scores", str(scores)]
    parts += ["--dataset", m.dataset, "--split", m.split, "--epochs", str(m.epochs)]
    parts += ["--seed", str(m.seed)] if m.seed != "mean" else []
    return Command(tuple(parts), asked, frozenset(option for option, given in marked.items() if given))
