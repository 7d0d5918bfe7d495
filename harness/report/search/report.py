"""The report on a comparison of searches: page, figures, tables, and all numbers as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json, write_text
from supernet.benchmarks.regular import read_plain
from supernet.benchmarks.wording import encodable
from supernet.harness.measured.additions import Additions
from supernet.harness.report.search import figures as search_figures
from supernet.harness.report.search.page import page
from supernet.harness.report.search.printed_tables import printed_tables
from supernet.harness.report.search.tables import tables
from supernet.harness.report.whole import writing
from supernet.harness.runs.store import Store
from supernet.harness.search.analysis import Entry, Outcome, analyse, gather, wanted
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.findings import findings
from supernet.harness.search.truths import Truths

COMPARISON = "comparison.json"
"""Name of the file that says what a report compares, with the identity that distinguishes the comparison."""
MOST_PROBLEMS = 5
"""Most reasons that an error message lists: our choice, so that it fits on a screen."""


def write_search_report(
    comparison: Comparison, store: Store, out: Path, *, workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:  # fmt: skip
    """Analyse what is done and write comparison.json, index.html, figures/, tables/ and report.json to `out`.

    The files are written elsewhere first, and moved to `out` when all are complete.

    Args:
        store: the runs of the searches.
        workers: number of processes that measure architectures that an embedded table lacks.
        progress: called with the number of these architectures that are measured, and of all of them.

    Raises:
        UserError: no search is done, or fewer than `out` already reports on, or `out` holds the report of another
            comparison or of more seeds. Existing files stay as they are.
        OSError: the folder cannot be written to.
    """
    entries = gather(comparison, store)
    _check_worth(entries, out)
    outcome = _outcome(comparison, entries, store, workers, progress)
    frames = tables(outcome)
    with writing(out, check=lambda: _check_owner(out, comparison)) as folder:
        for name in ("figures", "tables"):
            (folder / name).mkdir()
        write_json(folder / COMPARISON, {**comparison.as_dict(), "identity": comparison.identity})
        drawn = search_figures.draw(outcome, folder / "figures")
        for name, frame in frames.items():
            frame.to_csv(folder / "tables" / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
        for name, text in printed_tables(outcome).items():
            write_text(folder / "tables" / f"{name}.tex", text)
        write_json(folder / "report.json", as_json(outcome, frames))
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
        whole = page(outcome, drawn, files)
        write_text(folder / "index.html", encodable(whole))
    return outcome


def analysed(
    comparison: Comparison, store: Store, *, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> Outcome:
    """Analyse what is done without writing a report; see `write_search_report` for the arguments.

    Raises:
        UserError: no search is done.
    """
    entries = gather(comparison, store)
    _check_done(entries)
    return _outcome(comparison, entries, store, workers, progress)


def _outcome(
    comparison: Comparison,
    entries: list[Entry],
    store: Store,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> Outcome:
    additions = Additions.to(comparison.ground_truth, store.root.parent / "measured")
    truths = [
        Truths(comparison.within, comparison.ground_truth, measure, additions)
        for measure in comparison.scene.reported
        if measure in comparison.ground_truth
    ]
    problems = [p for truth in truths for p in truth.measure_missing(wanted(entries), workers, progress)]
    outcome = analyse(comparison, entries, truths)
    outcome.notes += [f"A pick has no true accuracy: {problem}" for problem in problems]
    return outcome


# ---- whose report it is ----------------------------------------------------------------------------------------------


def _check_owner(out: Path, comparison: Comparison) -> None:
    """Check that a folder does not hold the report of another comparison.

    Raises:
        UserError: it does.
    """
    there = out / COMPARISON
    if identity_of(there) is not None and not _continues(comparison, there):
        raise UserError(
            f"{out} holds the report of another comparison and is left as it is. The searches of this one are kept: "
            "give it another --name (`name`), and the report is written there."
        )


def _check_worth(entries: Sequence[Entry], out: Path) -> None:
    """Check that a new report would be of at least as many searches as the existing one.

    Raises:
        UserError: it would be of fewer, or no search is done.
    """
    done, problems = _check_done(entries)
    try:
        runs = json.loads(read_plain(out / "report.json"))["runs"]
        before = sum(state == "done" for states in runs.values() for state in states.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if done < before:
        raise UserError(
            f"The report in {out} has {before:,} searches, but only {done:,} are done now; it stays as it is.{problems}"
        )


def _check_done(entries: Sequence[Entry]) -> tuple[int, str]:
    """How many searches are done, and why others are not, as lines of text.

    Raises:
        UserError: none is done.
    """
    done = sum(entry.done for entry in entries)
    lines = [problem for entry in entries for problem in entry.problems]
    lines[MOST_PROBLEMS:] = [f"… and {len(lines) - MOST_PROBLEMS} more"] if len(lines) > MOST_PROBLEMS else []
    problems = "".join(f"\n{line}" for line in lines)
    if not done:
        raise UserError(f"No search is done, so that there is nothing to report.{problems}")
    return done, problems


def claim(folder: Path, comparison: Comparison) -> None:
    """Check that the report of a comparison may be written to a folder.

    Raises:
        UserError: the folder holds something else.
    """
    try:
        if not any(folder.iterdir()):
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"The report cannot be written to {folder}: {error.strerror}.") from None
    there = folder / COMPARISON
    if not _continues(comparison, there):
        known = identity_of(there) is not None
        what = "another comparison, or of the same with more seeds or other code" if known else "something else"
        raise UserError(
            f"{folder} holds the report of {what}, which stays as it is. Leave --name (`name`) out or choose another; "
            "or remove the folder."
        )


def _continues(comparison: Comparison, there: Path) -> bool:
    """Whether a file describes the same comparison, with as many seeds or fewer."""
    known = identity_of(there)
    if known == comparison.identity:
        return True
    try:
        seeds = int(json.loads(read_plain(there))["seeds"])
        return seeds < comparison.seeds and dataclasses.replace(comparison, seeds=seeds).identity == known
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return False


def identity_of(path: Path) -> str | None:
    """The identity of the comparison that a file describes; None if the file does not describe one.

    Reports of earlier versions do not contain it; for these it is computed from what they compare.
    """
    try:
        content = json.loads(read_plain(path))
        return str(content["identity"]) if "identity" in content else Comparison.from_dict(content).identity
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        return None


# ---- numbers -----------------------------------------------------------------------------------------------------


def as_json(outcome: Outcome, frames: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """All numbers of the report except the curves, for JSON; what is not known is null."""
    content = {
        "comparison": outcome.comparison.as_dict(),
        "best": outcome.best,
        "omnibus": outcome.omnibus and vars(outcome.omnibus),
        "critical_difference": outcome.critical,
        "findings": findings(outcome),
        "notes": outcome.notes,
        "runs": {entry.name: entry.states for entry in outcome.entries},
        **{name: frame.to_dict("records") for name, frame in frames.items() if name != "curves"},
    }
    plain: dict[str, Any] = _plain(content)
    return plain


def _plain(value: Any) -> Any:
    """A nested value with NumPy's numbers as Python's, and null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
