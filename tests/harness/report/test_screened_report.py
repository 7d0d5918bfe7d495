"""The report of a screen."""

import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from made_up_results import publish_scores
from tiny import write_study

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth import shelf
from supernet.harness.report.study.report import write_report
from supernet.harness.report.study.result import StudyResult
from supernet.harness.runs.store import Store
from supernet.harness.study.reading import load_study
from supernet.harness.study.running import States

HEURISTICS = {"path-dropout": [0.2], "channels": [8], "layers": [2], "schedule": ["constant"]}


@pytest.fixture(scope="module")
def load(tables, tmp_path_factory):
    """Load the tiny study with other values of its keys."""
    folder = tmp_path_factory.mktemp("studies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(shelf.ENVIRONMENT, str(tables))
        yield lambda **changes: load_study(write_study(folder / "tiny.yaml", **changes))


@pytest.fixture(scope="module")
def screen(load):
    return load(
        plan="screen", heuristics=HEURISTICS, sample="all", seeds={"base": 4, "others": 1}, last_epochs=1, title="<b>&"
    )


@pytest.fixture(scope="module")
def report(screen, tmp_path_factory):
    """The folder of a report, and its analysis."""
    folder = tmp_path_factory.mktemp("results")
    store = Store(folder / "runs")
    store.prepare()
    for setting, spec in screen.plan():
        noise = 12 if "channels" in dict(setting.changes) else 2
        rng = np.random.default_rng(spec.recipe.seed)
        publish_scores(store, spec, lambda y: y + noise * rng.normal(size=len(y)))  # noqa: B023
    return folder / "report", write_report(screen, store, folder / "report", resamples=30)


def text_of(html):
    html = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_effects_on_average_are_on_the_page_and_no_comparison_with_the_base_is(report):
    out, analysis = report
    html = (out / "index.html").read_text()
    page = text_of(html)
    assert "<b>&" not in html
    assert "Effects on average over the other heuristics, from 8 of 8 settings" in page
    for effect in analysis.factors.main:
        value = f"{effect.value:+.3f} [{effect.low:+.3f}, {effect.high:+.3f}]".replace("-", "−")
        assert f"{effect.label} the base's {value}" in page
    assert "Interactions that this design does not tell apart path-dropout × channels = layers × schedule" in page
    assert "One by one, they are not compared with the base" in page
    assert "Seeds 0, 1, 2, 3" in page or "Seeds 0 to 3" in page
    assert "plus 1,000 times the number of its row" in page
    assert "Dunnett" not in page
    assert "Holm-corrected p-values" in page


def test_figures_and_tables_hold_the_effects(report):
    out, analysis = report
    figures = {path.stem for path in (out / "figures").iterdir()}
    assert figures == {"factors", "operations", "seeds", "proxy", "structure"}
    svg = (out / "figures" / "factors.svg").read_text()
    assert "channels = 8" in svg
    assert "Holm" in svg
    table = pd.read_csv(out / "tables" / "factors.csv")
    assert list(table["effect"]) == [effect.label for effect in analysis.factors.main]
    assert table["value"].to_numpy() == pytest.approx([e.value for e in analysis.factors.main], rel=1e-5)
    assert set(table["aliased"]) == {"clear of interactions of two heuristics"}
    latex = (out / "tables" / "factors.tex").read_text()
    assert r"$\Delta$$\tau$ [95 \%] & p (Holm)" in latex
    content = json.loads((out / "report.json").read_text())
    assert content["factors"]["main"][0]["label"] == "path-dropout=0.2"


def test_a_notebook_asks_for_the_effects_by_name(report, screen):
    out, analysis = report
    result = StudyResult(screen, States([]), analysis, out)
    assert list(result.frame("factors")["heuristics"]) == [1] * 4
    labels = [tick.get_text() for tick in result.plot("factors").axes[0].get_yticklabels()]
    assert sorted(labels) == sorted(effect.label.replace("=", " = ") for effect in analysis.factors.main)
    with pytest.raises(UserError, match="not compared with the base one by one; plot its `factors`"):
        result.plot("effects")


def test_plans_of_one_heuristic_at_a_time_have_no_such_part(load, store, tmp_path):
    chosen = load(heuristics={"channels": [8]}, sample="all", last_epochs=1)
    for _, spec in chosen.plan():
        publish_scores(store, spec, lambda y: y + np.arange(len(y)) % 7)
    analysis = write_report(chosen, store, tmp_path / "report", resamples=30)
    assert not (tmp_path / "report" / "tables" / "factors.csv").exists()
    page = text_of((tmp_path / "report" / "index.html").read_text())
    assert "All settings, each against the base. ▲ and ▼ are clear effects on τ (p below 0.05 after Dunnett's" in page
    assert "on average over the other" not in page
    with pytest.raises(UserError, match="plan: screen and plan: grid have them"):
        StudyResult(chosen, States([]), analysis).frame("factors")
