"""The report of a comparison of searches: page, figures, tables, and every number as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json, write_text
from supernet.benchmarks.regular import read_plain
from supernet.harness.measured.additions import Additions
from supernet.harness.report.search import figures as search_figures
from supernet.harness.report.search.numbers import as_json, tables
from supernet.harness.report.search.page import page
from supernet.harness.report.study.tables import latex
from supernet.harness.report.whole import writing
from supernet.harness.runs.store import Store
from supernet.harness.search.analysis import Entry, Outcome, analyse, gather, wanted
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.truths import Truths

COMPARISON = "comparison.json"
"""What a report compares, with the identity that tells it from other comparisons."""


def write_search_report(
    comparison: Comparison, store: Store, out: Path, *, workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:  # fmt: skip
    """Analyse what is done and write comparison.json, index.html, figures/, tables/ and report.json to `out`.

    The files are built aside and put in place when all are complete.

    Args:
        workers: processes that measure architectures which an embedded table lacks.
        progress: told how many of these are measured, and how many there are.

    Raises:
        UserError: no search is done, or fewer than `out` already reports on, or `out` holds the report of another
            comparison; what is there stays.
        OSError: the folder cannot be written to.
    """
    entries = gather(comparison, store)
    _check_worth(entries, out)
    additions = Additions.to(comparison.ground_truth, store.root.parent / "measured")
    truths = [
        Truths(comparison.within, comparison.ground_truth, measure, additions)
        for measure in comparison.scene.reported
        if measure in comparison.ground_truth
    ]
    problems = [p for truth in truths for p in truth.measure_missing(wanted(entries), workers, progress)]
    outcome = analyse(comparison, entries, truths)
    outcome.notes += [f"A pick has no true accuracy: {problem}" for problem in problems]
    frames = tables(outcome)
    with writing(out, check=lambda: _check_owner(out, comparison)) as folder:
        for name in ("figures", "tables"):
            (folder / name).mkdir()
        write_json(folder / COMPARISON, {**comparison.as_dict(), "identity": comparison.identity})
        svgs = search_figures.draw(outcome, folder / "figures")
        for name, frame in frames.items():
            frame.to_csv(folder / "tables" / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
            if name != "curves":  # which no paper prints
                write_text(folder / "tables" / f"{name}.tex", latex(frame.round(3)))
        write_json(folder / "report.json", as_json(outcome, frames))
        write_text(folder / "index.html", page(outcome, svgs).encode("utf-8", "backslashreplace").decode("utf-8"))
    return outcome


def _check_owner(out: Path, comparison: Comparison) -> None:
    """Refuse to replace the report of another comparison.

    Raises:
        UserError: it is another one.
    """
    if identity_of(out / COMPARISON) not in (None, comparison.identity):
        raise UserError(
            f"{out} holds the report of another comparison and is left as it is. The searches of this one are kept: "
            "give it another --name, and the report is written there."
        )


def _check_worth(entries: Sequence[Entry], out: Path) -> None:
    """That a report of these would say as much as the one that is there.

    Raises:
        UserError: it would not.
    """
    done = sum(entry.done for entry in entries)
    problems = "".join(f"\n{problem}" for entry in entries for problem in entry.problems)
    if not done:
        raise UserError(f"No search is done, so that there is nothing to report.{problems}")
    try:
        runs = json.loads(read_plain(out / "report.json"))["runs"]
        before = sum(state == "done" for states in runs.values() for state in states.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if done < before:
        raise UserError(
            f"The report in {out} has {before:,} searches, but only {done:,} are done now; it stays as it is.{problems}"
        )


def identity_of(path: Path) -> str | None:
    """The identity of the comparison that a file describes; None where the file does not tell.

    Reports of earlier versions do not hold it; it follows from what they compare.
    """
    try:
        content = json.loads(read_plain(path))
        return str(content["identity"]) if "identity" in content else Comparison.from_dict(content).identity
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        return None
