"""The report of a study: page, figures, tables, and every number as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.files import write_json, write_text
from benchmarks.spaces import space
from harness.report import study_figures, tables
from harness.report.methods import methods
from harness.report.page import page
from harness.study.analysis import Analysis, analyse
from harness.study.overview import mean_tau, state_of
from harness.study.plan import Study
from harness.study.run import MEASURES
from harness.study.store import Store

SHOWN = 2000
"""Architectures at most in the page's scatter."""


def write_report(study: Study, store: Store, out: Path, *, resamples: int | None = None) -> Analysis:
    """Analyse what is done and write index.html, figures/, tables/ and report.json to `out`.

    The same runs give the same bytes, but for the times that they took.
    """
    analysis = analyse(study, store, resamples=resamples)
    for folder in (out, out / "figures", out / "tables"):
        folder.mkdir(parents=True, exist_ok=True)
    svgs = study_figures.draw(analysis, out / "figures")
    tables.write_tables(analysis, out / "tables")
    write_json(out / "report.json", analysis.as_json())
    figures = {caption: path.read_text(encoding="utf-8") for caption, path in svgs.items()}
    text = page(analysis.as_json(), _scatter(study, store), figures, methods(study, store, analysis))
    write_text(out / "index.html", text)
    return analysis


def _scatter(study: Study, store: Store) -> dict[str, Any]:
    """What the page needs to plot any run's scores against the truth."""
    table = study.truth.open(study.base.space)
    settings = study.settings(mean_tau(store))
    specs = study.runs(settings[0])
    indices = specs[0].architectures(table)
    kept = np.arange(len(indices))
    note = ""
    if len(kept) > SHOWN:
        kept = np.sort(np.random.default_rng(0).choice(len(indices), SHOWN, replace=False))
        note = f"{SHOWN:,} of the {len(indices):,} architectures, drawn at random; ranks are among those shown."
    runs = []
    true: list[float] = []
    for setting in settings:
        for spec in study.runs(setting):
            if state_of(spec, store)[0] != "done":
                continue
            result = store.read(spec.hash)
            frame = result.scores()
            last = frame[frame["epoch"] == frame["epoch"].max()].iloc[kept]
            true = true or [round(value, 3) for value in last["true"].tolist()]
            scores = last[MEASURES[setting.recipe.evaluation.metric]].to_numpy()
            runs.append(
                {
                    "label": setting.label,
                    "seed": spec.recipe.seed,
                    "tau": result.metrics["kendall_tau"],
                    "hash": result.hash,
                    "scores": [float(f"{value:.6g}") for value in scores.tolist()],
                }
            )
    within = space(study.base.space)
    archs = [within.string(arch) for arch in within.archs(indices[kept]).tolist()]
    return {"archs": archs, "true": true, "runs": runs, "note": note}
