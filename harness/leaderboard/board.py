"""The leaderboard: published rankings and free baselines against one ground truth, by one yardstick."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SPACE_NAMES, SearchSpace, space
from supernet.benchmarks.spaces.live import live_quantity
from supernet.benchmarks.truth.join import indices_of_rows, truth_rows
from supernet.harness.correlation.report import Ceiling, ceiling_of, params_of
from supernet.harness.correlation.truth import Known, ground_truth
from supernet.harness.leaderboard.figures import Figures, Part, figures
from supernet.harness.leaderboard.find import Shelf, read
from supernet.harness.leaderboard.formats import Written
from supernet.harness.leaderboard.sources import Entry
from supernet.harness.statistics.added import FreeScore
from supernet.harness.statistics.fusion import with_last
from supernet.harness.statistics.metrics import Vector

BASELINE = "baseline"
Free = Callable[[SearchSpace, NDArray[np.int64]], FreeScore | None]
"""The training-free ranking of architectures of a space, (n,) indices; None where none is known."""


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard."""

    method: str
    kind: str
    ground: str
    """Which of the board's grounds it is compared with."""
    figures: Figures
    ranked_last: int
    """Architectures whose score is minus infinity or not a number; they share the last place."""
    entry: Entry | None = None
    """Where the scores are from; None for a baseline."""


@dataclass(frozen=True)
class Ground:
    """A ground truth, and how far anything can agree with it."""

    name: str
    space: str
    measure: str
    table: str
    family: str
    architectures: int
    """That any of the rankings covers; the baselines are measured on them."""
    ceiling: Ceiling | None


@dataclass(frozen=True)
class Board:
    """All lines, and what they were made from."""

    grounds: list[Ground]
    rows: list[Row]
    """By ground truth, and by falling tau-b within each."""
    missing: list[Entry]
    """Entries of the registry whose files are not at hand."""
    problems: list[str]
    resamples: int
    seed: int
    level: float = 0.95

    def as_json(self) -> dict[str, Any]:
        """Every figure, and the provenance of every line, for JSON."""
        return {
            "resamples": self.resamples,
            "seed": self.seed,
            "level": self.level,
            "grounds": [asdict(ground) for ground in self.grounds],
            "rows": [_as_json(row) for row in self.rows],
            "missing": [f"{entry.method}: {entry.repository.name}" for entry in self.missing],
            "problems": self.problems,
        }


def _as_json(row: Row) -> dict[str, Any]:
    plain: dict[str, Any] = {"method": row.method, "kind": row.kind, "ground": row.ground}
    plain |= asdict(row.figures) | {"ranked_last": row.ranked_last}
    if e := row.entry:
        plain["source"] = asdict(e.repository) | {"files": [asdict(file) for file in e.files], "paper": e.paper}
        plain |= {
            "protocol": e.protocol,
            "images": e.images,
            "test_images": e.overlap,
            "covers": e.covers,
            "chosen": e.chosen,
        }
    return plain


def measure(
    shelf: Shelf,
    entries: Sequence[Entry],
    *,
    resamples: int = 1000,
    seed: int = 0,
    free: Free | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Board:
    """Measure every entry whose files are at hand, and the baselines on the same architectures.

    An entry is left out, with a problem, where its file is not of the stated form or its ground truth is not at hand.

    Args:
        free: the training-free ranking of architectures of a space.
        progress: called with the number of rankings measured, and of all.
    """
    problems = list(shelf.problems)
    present = [entry for entry in entries if shelf.has(entry)]
    board = Board([], [], [entry for entry in entries if not shelf.has(entry)], problems, resamples, seed)
    how: dict[str, Any] = {"resamples": resamples, "seed": seed, "shared": {}}
    done = 0
    for name in dict.fromkeys(_ground_name(entry) for entry in present):
        group = [entry for entry in present if _ground_name(entry) == name]
        rows: list[Row] = []
        covered: list[NDArray[np.int64]] = []
        try:
            known = ground_truth(group[0].space, group[0].measure)
        except UserError as error:
            problems.append(f"All rankings against {name} were left out: {error}")
            continue
        for entry in group:
            try:
                parts, last = _parts(entry, shelf, known, free)
                rows.append(Row(entry.method, entry.kind, name, figures(parts, **how), last, entry))
                covered += [part.rows for part in parts]
            except UserError as error:
                problems.append(f"{entry.method}: {error}")
            done += 1
            if progress:
                progress(done, len(present))
        if not rows:
            continue
        union = np.unique(np.concatenate(covered))
        rows += _baselines(known, name, union, how, free)
        board.grounds.append(_ground(known, name, union))
        board.rows.extend(sorted(rows, key=lambda row: -row.figures.tau.value))
    return board


def _ground_name(entry: Entry) -> str:
    return f"{entry.space} {entry.measure}"


def _ground(known: Known, name: str, rows: NDArray[np.int64]) -> Ground:
    table = known.table
    ceiling = ceiling_of(table, known.measure, rows)
    return Ground(name, known.space, str(known.measure), table.path.name, table.family, len(rows), ceiling)


# ---- scores -----------------------------------------------------------------------------------------------------


def _parts(entry: Entry, shelf: Shelf, known: Known, free: Free | None) -> tuple[list[Part], int]:
    """The repetitions of an entry, and how many scores are minus infinity or not a number."""
    parts, last = [], 0
    for file in entry.files:
        path = shelf.paths[file.sha256]
        written = read(entry, file, path)
        rows = _rows(written, known)
        if len(rows) == 0 or rows.min() < 0:
            raise UserError(
                f"{path} names {(rows < 0).sum():,} of {len(rows):,} architectures that are not in "
                f"{known.table.path.name}; {known.space} was expected."
            )
        scores, unknown = finite(written.scores)
        last += unknown
        order = np.argsort(rows, kind="stable")
        parts.append(_part(known, rows[order], scores[order], free))
    return parts, last


def _rows(written: Written, known: Known) -> NDArray[np.int64]:
    """Ground-truth rows, -1 where the table has none: (n,)."""
    named = list(written.architectures)
    if not named or not isinstance(named[0], int):
        return known.table.rows([str(name) for name in named])
    within = space(known.space)
    indices = np.array(named, dtype=np.int64)
    inside = (indices >= 0) & (indices < len(within))
    rows = np.full(len(indices), -1, dtype=np.int64)
    rows[inside] = truth_rows(within, indices[inside], known.table)
    return rows


def _part(known: Known, rows: NDArray[np.int64], scores: Vector, free: Free | None) -> Part:
    m = known.measure
    truth = known.table.accuracy(m.dataset, m.split, m.epochs, m.seed, rows)
    ranking = _free_ranking(known, rows, free)
    return Part(rows, scores, truth, params_of(known.table, m.dataset, rows).astype(np.float64), ranking)


def _free_ranking(known: Known, rows: NDArray[np.int64], free: Free | None) -> FreeScore | None:
    """The training-free ranking of the architectures in these rows; None where none is known."""
    if free is None or known.space not in SPACE_NAMES:
        return None
    within = space(known.space)
    indices = indices_of_rows(within, rows, known.table)
    return None if (indices < 0).any() else free(within, indices)


def finite(scores: Vector) -> tuple[Vector, int]:
    """The scores with minus infinity and missing numbers just below all others, and how many these are.

    Raises:
        UserError: a score is plus infinity, or none is a number.
    """
    known = np.isfinite(scores)
    if np.isposinf(scores).any() or not known.any():
        raise UserError("Its scores are infinite, or none is a number, so that they have no order.")
    return with_last(scores), int((~known).sum())


# ---- baselines --------------------------------------------------------------------------------------------------


def _baselines(
    known: Known, name: str, rows: NDArray[np.int64], how: dict[str, Any], free: Free | None
) -> Iterator[Row]:
    """Free rankings of the architectures that the entries cover."""
    for method, values in _counts(known, rows):
        yield Row(method, BASELINE, name, figures([_part(known, rows, values, free)], **how), 0)
    ranking = _free_ranking(known, rows, free)
    if ranking is not None:
        named = f"{ranking.name}: live parameters with jacob_cov at initialisation"
        yield Row(named, BASELINE, name, figures([_part(known, rows, ranking.alone, free)], **how), 0)


def _counts(known: Known, rows: NDArray[np.int64]) -> Iterator[tuple[str, Vector]]:
    table, dataset = known.table, known.measure.dataset
    yield "parameter count", params_of(table, dataset, rows).astype(np.float64)
    if f"{dataset}.flops" in table.columns:
        yield "FLOPs", table.flops(dataset, rows).astype(np.float64)
    live = _live_params(known)
    if live is not None and not np.isnan(live[rows]).any():
        yield "parameter count of live edges", live[rows]


def _live_params(known: Known) -> Vector | None:
    """Parameters of each row's architecture on live edges (`spaces.live`), 0 where the output ignores the input: (n,).

    NaN where a row is no architecture of the space. None where the space has no operation that stands for none, so that
    the table's parameter counts leave out what is dead.
    """
    if known.space not in SPACE_NAMES or space(known.space).idle_option is None:
        return None
    within, rows = space(known.space), np.arange(len(known.table))
    indices = indices_of_rows(within, rows, known.table)
    return np.where(indices >= 0, live_quantity(within, "live-params", within.archs(indices.clip(min=0))), np.nan)
