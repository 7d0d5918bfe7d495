"""The report of a study: page, figures, tables, and every number as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json, write_text
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.join import truth_rows
from supernet.benchmarks.wording import encodable, quoted
from supernet.harness.report.html.points import Scatter, Scores
from supernet.harness.report.study import figures as study_figures
from supernet.harness.report.study import tables
from supernet.harness.report.study.methods import methods
from supernet.harness.report.study.page import page
from supernet.harness.report.whole import writing
from supernet.harness.runs.compared import ComparedStore
from supernet.harness.runs.integrity import read_json
from supernet.harness.runs.store import Store
from supernet.harness.study.analysis import analyse
from supernet.harness.study.gathered import Gathered, gather
from supernet.harness.study.plan import Study
from supernet.harness.study.results import Analysis

ON_PAGE = ("factors", "seeds", "structure", "proxy")
"""Figures that the page shows; it draws the effects itself, and has the operations as a table."""
SHOWN = 2000
"""Architectures at most in the page's scatter."""


def write_report(study: Study, store: Store, out: Path, *, resamples: int | None = None) -> Analysis:
    """Analyse what is done and write index.html, figures/, tables/ and report.json to `out`.

    The files are built aside and put in place when all are complete. The same runs give the same bytes, but for the
    times that they took. Runs whose metrics do not follow from their scores count as damaged.

    Raises:
        UserError: no run of the base is done, or `out` holds the report of another study.
        OSError: the folder cannot be written to.
    """
    gathered = gather(study, ComparedStore(store.root))
    analysis = analyse(gathered, resamples=resamples)
    recipe = {key: value for key, value in study.base.as_dict().items() if key != "seed"}
    content = {**analysis.as_json(), "study": identity(study), "recipe": recipe}
    with writing(out, check=lambda: _check_owner(out, study)) as folder:
        for name in ("figures", "tables"):
            (folder / name).mkdir()
        svgs = study_figures.draw(analysis, folder / "figures")
        tables.write_tables(analysis, folder / "tables")
        write_json(folder / "report.json", content)
        figures = {caption: path.read_text(encoding="utf-8") for caption, path in svgs.items() if path.stem in ON_PAGE}
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        text = page(analysis, _scatter(gathered), figures, methods(gathered, analysis), files)
        # A title or file name may hold what UTF-8 cannot write, such as a byte that was never text.
        write_text(folder / "index.html", encodable(text))
    return analysis


# ---- whose report it is ----------------------------------------------------------------------------------------------


def folder_for(study: Study, reports: Path) -> Path:
    """Where the report of a study goes: the folder of its name, unless that holds the report of another study.

    Then it is a folder of this name and a few digits that tell the study from others.
    """
    for out in (reports / study.name, reports / f"{study.name}-{_digits(study)}"):
        if other_study(out, study) is None:
            return out
    return out


def identity(study: Study) -> dict[str, Any]:
    """What tells a study from others of its name; seeds and values may be added without making it another one."""
    base = replace(study.base, seed=0)
    truth = str(study.truth.measure), study.truth.digest
    protocol = [base.hash, *truth, study.sample, study.last_epochs, [plugin.sha256 for plugin in study.plugins]]
    return {
        "title": study.title,
        "protocol": hashlib.sha256(json.dumps(protocol).encode()).hexdigest()[:12],
        "heuristics": sorted(heuristic.name for heuristic, _ in study.factors),
    }


def other_study(out: Path, study: Study) -> str | None:
    """The title of the study whose report `out` holds, if that is not this one's or an earlier version of it."""
    try:
        content = read_json(out / "report.json")
    except (OSError, ValueError):  # no report, or one that nobody can read
        return None
    own, there = identity(study), content.get("study")
    if not isinstance(there, dict):  # written by an earlier version, which did not say
        return None
    same = there.get("protocol") == own["protocol"] and there.get("title") == own["title"]
    names = there.get("heuristics")
    known = {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
    if same and (not known or not own["heuristics"] or known & set(own["heuristics"])):
        return None
    return str(there.get("title"))


def _digits(study: Study) -> str:
    return hashlib.sha256(json.dumps(identity(study), sort_keys=True).encode()).hexdigest()[:6]


def _check_owner(out: Path, study: Study) -> None:
    if (other := other_study(out, study)) is not None:
        raise UserError(
            f"{out} holds the report of another study, {quoted(other)}, and is left as it is. Rename this study's "
            "file, or move that report to another folder."
        )


# ---- the page's data -------------------------------------------------------------------------------------------------


def _scatter(gathered: Gathered) -> Scatter:
    """What the page needs to plot any run's scores against the truth."""
    study, m = gathered.study, gathered.study.truth.measure
    table, within = study.truth.open(study.base.space), space(study.base.space)
    assert gathered.indices is not None, "the analysis found runs"
    indices = gathered.indices
    kept = np.arange(len(indices))
    note = ""
    if len(kept) > SHOWN:
        kept = np.sort(np.random.default_rng(0).choice(len(indices), SHOWN, replace=False))
        note = f"{SHOWN:,} of the {len(indices):,} architectures, drawn at random; ranks are among those shown."
    true = table.accuracy(m.dataset, m.split, m.epochs, m.seed, truth_rows(within, indices[kept], table))
    runs = [
        Scores(
            setting.label, seed, run.metrics["kendall_tau"], run.result.hash,
            [float(f"{value:.6g}") for value in run.scores[-1][kept].tolist()],
        )
        for setting, seed, run in gathered.each()
    ]  # fmt: skip
    shown = within.archs(indices[kept])
    cells = [[graph.as_json() for graph in within.layout(arch)] for arch in shown.tolist()]
    return Scatter(within.strings(shown), cells, [round(value, 3) for value in true.tolist()], runs, note)
