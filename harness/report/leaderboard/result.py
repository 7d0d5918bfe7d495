"""The leaderboard as an object: a frame, files, a table in a terminal or a notebook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place, write_json, write_text
from supernet.benchmarks.wording import did_you_mean, quoted
from supernet.harness.leaderboard.board import Board, Row, measure
from supernet.harness.leaderboard.find import addresses, find
from supernet.harness.leaderboard.sources import ENTRIES, Entry
from supernet.harness.report.correlation.result import check_draws
from supernet.harness.report.html.markup import table as html_table
from supernet.harness.report.latex import latex
from supernet.harness.report.leaderboard.columns import COLUMNS
from supernet.harness.report.leaderboard.figure import drawn
from supernet.harness.report.leaderboard.page import page
from supernet.harness.report.style import fitted, paper, save
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.report.whole import PAGE, writing
from supernet.harness.scoring.free import free_score
from supernet.harness.statistics.printed import with_interval

RESULT = "leaderboard.json"
TABLE = "leaderboard"
PRINTED = ("τ", "τ top 10 %", "adds to params", "adds to free-1", "params τ", "partial τ", "regret@1", "architectures")
"""Columns of the terminal's table."""


@dataclass(frozen=True)
class Leaderboard:
    """Published rankings and free baselines by one yardstick."""

    board: Board
    """All figures."""

    @property
    def notes(self) -> list[str]:
        """What was left out, and why."""
        return self.board.problems

    def frame(self) -> pd.DataFrame:
        """A row for each ranking; intervals as _low and _high."""
        return pd.DataFrame([_flat(row) for row in self.board.rows])

    def plot(self, ground: str | None = None) -> Figure:
        """A figure of every ranking against one ground truth, by default the first of `board.grounds`.

        Raises:
            UserError: there is no such ground truth.
        """
        grounds = {each.name: each for each in self.board.grounds}
        name = next(iter(grounds)) if ground is None else ground
        if name not in grounds:
            raise UserError(f"There is no ground truth {quoted(name)}; {did_you_mean(name, list(grounds))}")
        with paper():
            return fitted(drawn(self.board, grounds[name]))

    def as_json(self) -> dict[str, Any]:
        """Every figure, and the provenance of every row, for JSON."""
        return self.board.as_json()

    def write(self, out: Path | str) -> list[Path]:
        """Write leaderboard.json, .csv and .tex, the figures and the page index.html to a folder: their paths.

        Raises:
            UserError: it is a file, or must not be written to.
        """
        out = Path(out)
        check_place(out, "out", folder=True)
        with writing(out) as partial:
            write_json(partial / RESULT, self.as_json())
            csv = self.frame().to_csv(index=False, float_format="%.6g", lineterminator="\n")
            write_text(partial / f"{TABLE}.csv", csv)
            write_text(partial / f"{TABLE}.tex", latex(self._printed()))
            with paper():
                svgs = {
                    ground.name: save(fitted(drawn(self.board, ground)), partial / "figures", _stem(ground.name))[1]
                    for ground in self.board.grounds
                }
            texts = {name: path.read_text(encoding="utf-8") for name, path in svgs.items()}
            write_text(partial / PAGE, page(self.board, texts))
        return [out / name for name in (RESULT, f"{TABLE}.csv", f"{TABLE}.tex", PAGE)]

    def _printed(self) -> pd.DataFrame:
        """The rows as a paper prints them."""
        columns = [column for column in COLUMNS if column.title in PRINTED]
        return pd.DataFrame(
            [
                {"ground truth": row.ground, "method": row.method} | {c.title: c.shown(row) for c in columns}
                for row in self.board.rows
            ]
        )

    def __rich__(self) -> RenderableType:
        columns = [column for column in COLUMNS if column.title in PRINTED]
        parts: list[RenderableType] = []
        for ground in self.board.grounds:
            shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
            attainable = f"; attainable τ {ground.ceiling.attainable:.3f}" if ground.ceiling else ""
            shown.title = Text(f"{ground.space}, {ground.measure} ({ground.table}){attainable}")
            shown.add_column("method", no_wrap=True)
            for column in columns:
                shown.add_column(column.title, justify="right", no_wrap=True)
            for row in self.board.rows:
                if row.ground == ground.name:
                    shown.add_row(Text(row.method), *(column.shown(row) for column in columns))
            parts.append(shown)
        return Group(*parts)

    def _repr_html_(self) -> str:
        rows = [
            [row.method, row.ground, with_interval(row.figures.tau), with_interval(row.figures.adds, "+.3f")]
            for row in self.board.rows
        ]
        heads = ["method", "ground truth", "Kendall tau-b", "adds to the parameter count"]
        return html_table(heads, rows, "Published rankings by one yardstick", self.notes)


def _stem(name: str) -> str:
    """The file name of a ground truth's figure: nb201 cifar10/test is nb201-cifar10-test."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def _flat(row: Row) -> dict[str, object]:
    f = row.figures
    line: dict[str, object] = {"ground_truth": row.ground, "method": row.method, "kind": row.kind}
    line |= {"architectures": f.architectures, "repeats": f.repeats, "ranked_last": row.ranked_last}
    for name, value in (("tau", f.tau), ("tau_true_top_10%", f.top10), ("adds_to_params", f.adds)):
        ends = (value.value, value.low, value.high) if value else (None, None, None)
        line |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    ends = (f.adds_to_free.value, f.adds_to_free.low, f.adds_to_free.high) if f.adds_to_free else (None, None, None)
    line |= dict(zip(("adds_to_free", "adds_to_free_low", "adds_to_free_high"), ends, strict=True))
    line |= {
        "free_tau": f.free_tau,
        "params_tau": f.params_tau,
        "partial_tau_given_params": f.partial,
        "regret@1": f.regret,
    }
    line |= {"sparse_tau_binned@1": f.sparse}
    e = row.entry
    line |= {"repository": e.repository.name if e else None, "commit": e.repository.commit if e else None}
    return line | {"licence": e.repository.licence if e else None, "test_images": e.overlap if e else None}


def leaderboard(
    folders: str | Path | Iterable[str | Path],
    *,
    resamples: int | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    entries: Sequence[Entry] = ENTRIES,
    watch: Watch = SILENT,
) -> Leaderboard:
    """Measure the published score files of the registry that are in these folders, by one yardstick.

    Args:
        folders: copies of the repositories, or any folders that hold the files under their own names.
        resamples: of the bootstrap; 1,000 unless given.
        seed: of the bootstrap.
        out: folder for the page, the tables and every number; nothing is written without it.
        entries: the registry; that of the project unless given.
        watch: hears of the progress.

    Raises:
        UserError: a folder is not there, none of the files is at hand, or none can be compared with ground truth.
    """
    check_draws(resamples, seed)
    if out is not None:
        check_place(Path(out), "out", folder=True)
    named = [folders] if isinstance(folders, (str, Path)) else list(folders)
    shelf = find([Path(folder) for folder in named], entries)
    if not any(shelf.has(entry) for entry in entries):
        raise UserError(
            "\n".join(["None of the published score files is there.", *shelf.problems, how_to_get(entries)])
        )
    with watch.progress("rankings") as told:
        board = measure(shelf, entries, resamples=resamples or 1000, seed=seed, free=free_score, progress=told)
    if not board.rows:
        raise UserError("None of the files could be measured. " + " ".join(board.problems[:3]))
    found = Leaderboard(board)
    if out is not None:
        found.write(Path(out))
    return found


def how_to_get(entries: Sequence[Entry] = ENTRIES) -> str:
    """Where the files of these entries are published, on one screen."""
    head = "The score files are published at these addresses; copy them, or clone the repositories at these commits:"
    return "\n".join([head, *addresses(entries)])
