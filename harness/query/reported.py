"""What the reports of studies say about their settings, for questions about finished runs.

Effects are analysed once, for the report. Questions read that analysis instead of repeating it, so that a question and
a report never differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supernet.benchmarks.regular import read_plain

EFFECTS = {
    "study": str, "space": str, "truth_dataset": str, "heuristic": str, "value": str,
    "setting_label": str, "seeds": int, "base_seeds": int, "diverged": int, "collapsed": int,
    "tau": float, "tau_low": float, "tau_high": float,
    "effect": float, "low": float, "high": float, "p": float, "p_dunnett": float, "q": float, "verdict": str,
}  # fmt: skip
"""Column of the table of effects -> its type."""
LABELS = {"study": str, "setting_label": str, "hash": str}
"""Column -> type, for the table that says which setting of which study a run belongs to."""


@dataclass
class Reported:
    """The settings of all reports in a results folder."""

    effects: list[dict[str, Any]] = field(default_factory=list)
    """A row for each setting of each study, with the columns EFFECTS."""
    labels: list[dict[str, Any]] = field(default_factory=list)
    """A row for each run of each study, with the columns LABELS."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each report that cannot be read, or that lacks runs that are done by now."""


def reported(results: Path, done: set[str]) -> Reported:
    """Read the report.json of every study in `results`/reports.

    Args:
        done: hashes of the runs that are finished by now.
    """
    found = Reported()
    for path in sorted((results / "reports").glob("*/report.json")):
        try:
            content = json.loads(read_plain(path))
            if not isinstance(content, dict) or "base_seeds" not in content:
                continue  # the report of a comparison of searches, or of an earlier version
            # A study that was changed has a folder of its own, under the same name in its report.
            rows, study = content["rows"], path.parent.name
            lines = [_effect(study, content, row) for row in rows]
            labels = [
                {"study": study, "setting_label": row["label"], "hash": str(run)}
                for row in rows
                for run in row["hashes"].values()
            ]
            late = {
                str(row["hashes"][seed])
                for row in rows
                for seed, state in row["states"].items()
                if state not in ("done", "diverged")
            }
        except OSError as error:
            found.problems.append(f"The report {path} cannot be read: {error.strerror}.")
            continue
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            found.problems.append(f"The report {path} is damaged; `supernet study report` writes it again.")
            continue
        found.effects += lines
        found.labels += labels
        if missing := len(late & done):
            are, them = ("run that is", "it") if missing == 1 else ("runs that are", "them")
            again = content.get("command") or content["name"]
            found.problems.append(
                f"The report of {study} lacks {missing} {are} done by now: `supernet study report {again}` adds {them}."
            )
    return found


def _effect(study: str, content: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    tau, d = row["tau"] or {}, row["difference"] or {}
    states = list(row["states"].values())
    return {
        "study": study,
        "space": content["space"],
        "truth_dataset": content["measure"]["dataset"],
        "heuristic": row["heuristic"],
        "value": row["value"],
        "setting_label": row["label"],
        "seeds": len(row["taus"]),
        "base_seeds": len(content["rows"][0]["taus"]),
        "diverged": states.count("diverged"),
        "collapsed": len(row["collapsed"]),
        "tau": tau.get("value"),
        "tau_low": tau.get("low"),
        "tau_high": tau.get("high"),
        "effect": d.get("value"),
        "low": d.get("low"),
        "high": d.get("high"),
        "p": d.get("p"),
        "p_dunnett": d.get("p_corrected"),
        "q": d.get("q"),
        "verdict": _verdict(row, d, content.get("margin", 0.0)),
    }


def _verdict(row: Mapping[str, Any], d: Mapping[str, Any], margin: float) -> str:
    if row["heuristic"] == "base":
        return "base"
    if d.get("p_corrected") is None:
        return "not tested"
    if d["p_corrected"] >= 0.05:
        within = d.get("within")
        return "negligible" if within is not None and within < margin else "undecided"
    return "up" if d["value"] > 0 else "down"
