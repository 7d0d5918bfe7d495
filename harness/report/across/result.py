"""A comparison of studies as an object: a frame, files, a table in a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.console import RenderableType

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json, write_text
from supernet.benchmarks.wording import encodable, listed, nearest, quoted
from supernet.harness.report.across import figure, tables
from supernet.harness.report.across.page import page
from supernet.harness.report.html.markup import table as html_table
from supernet.harness.report.latex import latex
from supernet.harness.report.style import fitted, paper, save
from supernet.harness.report.whole import PAGE, writing
from supernet.harness.study.across import Across, compared
from supernet.harness.study.kept import REPORT, read_kept

RESULT = "comparison.json"


@dataclass(frozen=True)
class StudyComparison:
    """Several studies beside each other."""

    across: Across = field(repr=False)
    """All numbers."""
    out: Path | None = None
    """The folder of the report, if one is written."""

    @property
    def findings(self) -> list[str]:
        """What the numbers say, by rule."""
        return self.across.findings

    @property
    def notes(self) -> list[str]:
        """What was left out or limits the comparison."""
        return self.across.notes

    def frame(self, what: str = "changes") -> pd.DataFrame:
        """A table: `changes` (a row for each effect and summary), `bases` (a row per study) or `protocols`.

        Raises:
            UserError: there is no such table.
        """
        if what not in tables.FRAMES:
            raise UserError(f"There is no table {quoted(what)}; there is {listed(tables.FRAMES)}.")
        return tables.FRAMES[what](self.across)

    def plot(self) -> Figure:
        """The forest figure: every change in every study, and its summary."""
        with paper():
            return fitted(figure.forest(self.across))

    def as_json(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        return self.across.as_json()

    def write(self, out: Path) -> Path:
        """Write the page, comparison.json, tables/ (CSV and LaTeX) and figures/ to a folder: the path of the page.

        The files are built aside and put in place when all are complete; the same reports give the same bytes.

        Raises:
            UserError: the folder cannot be written to.
        """
        try:
            with writing(out) as folder:
                self._write(folder)
        except OSError as error:
            raise UserError(f"The comparison cannot be written to {out}: {error.strerror or error}.") from None
        return out / PAGE

    def _write(self, folder: Path) -> None:
        (folder / "tables").mkdir()
        for name, make in tables.FRAMES.items():
            frame = make(self.across)
            if len(frame):
                csv = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
                _write(folder / "tables" / f"{name}.csv", csv)
                _write(folder / "tables" / f"{name}.tex", latex(tables.PRINTED.get(name, make)(self.across)))
        with paper():
            save(figure.forest(self.across), folder / "figures", "changes")
        write_json(folder / RESULT, self.as_json())
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        _write(folder / PAGE, page(self.across, files))

    def __rich__(self) -> RenderableType:
        return tables.terminal(self.across)

    def _repr_html_(self) -> str:
        frame = tables.printed_changes(self.across)
        title = f"{len(self.across.studies)} studies beside each other"
        return html_table(list(frame.columns), frame.to_numpy().tolist(), title, [*self.findings, *self.notes])


def _write(path: Path, text: str) -> None:
    # A name from a report may hold what UTF-8 cannot write, such as a byte that was never text.
    write_text(path, encodable(text))


def compare_studies(
    named: Iterable[str | Path], *, results: Path | str = "results", out: Path | str | None = None
) -> StudyComparison:
    """Put the reports of several studies beside each other, and summarise each change that two or more of them have.

    Args:
        named: report folders, their report.json, or names of reports in `results`/reports.
        results: results folder that holds the reports that are given by name.
        out: folder for the page, tables, figure and JSON; none is written without it.

    Raises:
        UserError: a report is not found or cannot be used, there are fewer than two, no change is in two of them, or
            the folder cannot be written to.
    """
    chosen = [named] if isinstance(named, str | Path) else list(named)
    paths = [report_of(name, Path(results)) for name in chosen]
    resolved = [path.resolve() for path in paths]
    twice = [str(name) for name, path in zip(chosen, resolved, strict=True) if resolved.count(path) > 1]
    if twice:
        raise UserError(f"The same report is given twice: {listed(map(quoted, twice), 4)}. Name each once.")
    found = StudyComparison(compared([read_kept(path) for path in paths]), Path(out) if out is not None else None)
    if found.out is not None:
        found.write(found.out)
    return found


def report_of(named: str | Path, results: Path) -> Path:
    """The report.json that is meant: a file, a report's folder, or the name of a report in `results`/reports.

    Raises:
        UserError: there is none.
    """
    given, reports = Path(named), results / "reports"
    try:
        if given.is_file():
            return given
        for folder in (given, reports / given):
            if (folder / REPORT).is_file():
                return folder / REPORT
        known = sorted(path.parent.name for path in reports.glob(f"*/{REPORT}"))
    except (OSError, ValueError):  # a name that no file can have
        known = []
    near = nearest(named, known)
    hint = f"Did you mean {near}?" if near else f"{reports} has {listed(known) or 'none'}."
    raise UserError(
        f"There is no report {quoted(str(named), 300)}: neither a report.json, nor a folder with one, nor the name of "
        f"a report in {reports}. {hint} `supernet study report NAME` writes one."
    )
