"""The report of a comparison and the command that writes it."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.table import Measure
from supernet.harness.commands.cli import supernet
from supernet.harness.query.database import query
from supernet.harness.report.search import report
from supernet.harness.runs.store import Store
from supernet.harness.search.algorithms.evolution import RandomSearch
from supernet.harness.search.algorithms.registry import ALGORITHMS, forget, register
from supernet.harness.search.analysis import Entry, Outcome, gather
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.contrasts import contrast, omnibus, with_holm, with_q
from supernet.harness.search.findings import findings
from supernet.harness.search.ledger import Budget

MAIN = Measure("digits", "test", "1", "s0")


def outcome_of(entries, best=90.0):
    """What a report says of entries with final accuracies of MAIN."""
    finals = {entry.name: entry.final[str(MAIN)] for entry in entries}
    names = [name for name in finals if name != "random"] if "random" in finals else []
    pairs = [contrast(a, b, finals[a], finals[b]) for a, b in itertools.combinations(finals, 2)]
    versus = with_holm([contrast(name, "random", finals[name], finals["random"]) for name in names])
    chosen = Comparison("nb201", "digits", tuple(finals), Budget("queries", 10), 3)
    return Outcome(chosen, (MAIN,), best, entries, [], versus, with_q(pairs), omnibus(finals), None, None, [])


@pytest.fixture(scope="module")
def reported(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    arguments = [
        "search", "--algorithms", "random,rea,local,bohb", "--budget", "3000s", "--seeds", "7", "--table", str(table),
        "--out", str(folder), "--name", "made", "--executor", "process",
    ]  # fmt: skip
    result = CliRunner().invoke(supernet, arguments, catch_exceptions=False)
    return folder, result, arguments


def test_the_command_prints_the_best_first_and_where_the_report_is(reported):
    folder, result, _ = reported
    lines = result.stdout.splitlines()
    assert lines[0].startswith("cifar10 test, 200 epochs, mean, best known")
    accuracies = [float(line.split()[1]) for line in lines[1:5]]
    assert accuracies == sorted(accuracies, reverse=True)
    said = (
        "No algorithm could be tested against random search with 7 seeds each: tests need 8 seeds of both algorithms."
    )
    assert lines[5] == said
    assert lines[6] == f"Report: {folder / 'reports' / 'made' / 'index.html'}"


def test_the_report_has_all_that_it_promises(reported):
    folder = reported[0] / "reports" / "made"
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert figures == {f"{name}.{kind}" for name in ("regret", "cells") for kind in ("png", "svg")}
    assert {path.name for path in (folder / "tables").iterdir()} == {
        *(f"{name}.{kind}" for name in ("final", "reached", "versus", "picks") for kind in ("csv", "tex")),
        "curves.csv",
        "pairs.csv",
    }
    content = json.loads((folder / "report.json").read_text())
    assert content["runs"] == {a: dict.fromkeys(map(str, range(7)), "done") for a in ("random", "rea", "local", "bohb")}
    final = pd.read_csv(folder / "tables" / "final.csv").set_index("algorithm")
    picks = pd.read_csv(folder / "tables" / "picks.csv")
    for name, group in picks.groupby("algorithm"):
        assert final.loc[name, "cifar10 test"] == pytest.approx(group["cifar10 test"].mean(), rel=1e-4)
        assert final.loc[name, "cifar10 test sd"] == pytest.approx(group["cifar10 test"].std(), rel=1e-3)
    curves = pd.read_csv(folder / "tables" / "curves.csv").groupby("algorithm")
    assert set(curves.groups) == {"random", "rea", "local", "bohb", "random, expected"}
    for name in final.index:
        curve = curves.get_group(name)
        assert curve["mean"].between(curve["low"] - 1e-6, curve["high"] + 1e-6).all()
        assert curve["mean"].iloc[-1] == pytest.approx(content["best"] - final.loc[name, "cifar10 test"], abs=1e-3)
    page = (folder / "index.html").read_text()
    assert "12/200" in page  # how the seconds of 12 epochs were found
    assert "93.92 ± 0.30" in page
    assert "taken from secondary sources" in page
    assert "http" not in page.split("</style>")[1].replace("http://www.w3.org", "")
    assert "<!--=" not in page


def test_the_same_runs_give_the_same_report(reported, table, tmp_path):
    folder, _, arguments = reported
    before = {path: path.read_bytes() for path in (folder / "reports").rglob("*") if path.is_file()}
    again = CliRunner().invoke(supernet, arguments, catch_exceptions=False)
    assert again.stderr == ""  # nothing was searched
    assert {path: path.read_bytes() for path in before} == before


def test_searches_can_be_queried_in_sql(reported):
    folder, _, _ = reported
    frame = query(
        Store(folder / "runs"), "SELECT algorithm, count(*) AS n, max(seconds) AS most FROM searches GROUP BY ALL"
    ).set_index("algorithm")
    assert frame["n"].to_dict() == dict.fromkeys(("random", "rea", "local", "bohb"), 7)
    assert frame["most"].max() <= 3000
    steps = query(Store(folder / "runs"), "SELECT max(step) AS most FROM search_steps WHERE algorithm = 'rea'")
    trace = next(e for e in gather(comparison_of(folder), Store(folder / "runs")) if e.name == "rea").trace
    assert steps["most"][0] == trace["step"].max()
    assert query(Store(folder / "runs"), "SELECT count(*) AS n FROM runs")["n"][0] == 0


def comparison_of(folder):
    content = json.loads((folder / "reports" / "made" / "comparison.json").read_text())
    return Comparison.from_dict(content)


class Broken(RandomSearch):
    def ask(self):
        raise RuntimeError("it is broken")


@pytest.fixture
def broken():
    register("broken", Broken)
    yield
    forget("broken")


def test_failed_searches_are_named_and_stop_no_others(table, tmp_path, broken):
    arguments = [
        "search", "--algorithms", "random,broken", "--budget", "20q", "--seeds", "30", "--table", str(table), "--out",
        str(tmp_path), "--executor", "process", "--name", "made",
    ]  # fmt: skip
    result = CliRunner().invoke(supernet, arguments, catch_exceptions=False)
    assert "broken, seeds 0 to 29: RuntimeError: it is broken\n" in result.stderr
    assert "random" in result.stdout
    assert result.exit_code == 1
    page = (tmp_path / "reports" / "made" / "index.html").read_text()
    assert "0 of 30 (failed)" in page


def test_findings_name_the_distributions_that_are_near_uniform():
    def entry(name, entropies):
        rows = [(seed, step, h) for seed, last in enumerate(entropies) for step, h in ((2, last), (1, last and 1.0))]
        trace = pd.DataFrame(rows, columns=["seed", "step", "entropy"])
        trace["mixture_accuracy"], trace["pick_accuracy"], trace["skips"] = 50.0, 40.0, None
        return Entry(name, name.upper(), "", True, picks={0: 1}, trace=trace, final={str(MAIN): np.array([80.0, 81.0])})

    entries = [entry("open", (0.99, 0.97)), entry("half", (0.97, 0.9)), entry("none", (None, None))]
    found = findings(outcome_of(entries))
    assert (
        "Of 2 distributions over architectures, 1 is near-uniform at the end (mean entropy at least 95 % of the "
        "largest), so that their picks say little: OPEN."
    ) in found
    assert not any("highest mean" in sentence for sentence in found)


def test_algorithms_are_listed():
    result = CliRunner().invoke(supernet, ["search", "--list"])
    names = [line.split()[0] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert names == list(ALGORITHMS)


def test_without_a_budget_the_command_says_what_to_give():
    result = CliRunner().invoke(supernet, ["search", "--algorithms", "random"])
    assert isinstance(result.exception, UserError)
    assert "--budget 12000s" in str(result.exception)


def test_an_error_lists_a_screen_of_reasons():
    entries = [SimpleNamespace(done=0, problems=[f"darts, seed {seed}: It failed."]) for seed in range(7)]
    with pytest.raises(UserError) as error:
        report._check_done(entries)
    assert str(error.value).splitlines()[-2:] == ["darts, seed 4: It failed.", "… and 2 more"]
