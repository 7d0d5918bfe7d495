"""The next steps of a comparison of searches, the command that makes one, and what a page says of what was compared."""

import dataclasses

import made_up_comparison
import numpy as np
import pytest
from click.testing import CliRunner

from supernet.harness.commands.cli import supernet
from supernet.harness.report.search import result as results
from supernet.harness.report.search.first_screen import first_screen
from supernet.harness.report.search.page import page
from supernet.harness.search import findings, verdict
from supernet.harness.search.analysis import analyse
from supernet.harness.search.comparison import MOST_SEEDS, Comparison
from supernet.harness.search.ledger import Budget
from supernet.harness.search.plugins import load_plugins

OPEN = {"random": 1, "rea": 1}
DECIDED = {"random": 1, "rea": 400}


def again(outcome, **changes):
    """The outcome of the same searches as if the comparison had been another one."""
    return dataclasses.replace(outcome, comparison=dataclasses.replace(outcome.comparison, **changes))


def with_searches(outcome, counts, seeds=12):
    """The analysis of only the first searches of some algorithms; the others diverged."""
    for entry in outcome.entries:
        kept = range(counts.get(entry.name, seeds))
        entry.states = {seed: "done" if seed in kept else "diverged" for seed in entry.states}
        entry.picks = {seed: pick for seed, pick in entry.picks.items() if seed in kept}
        entry.trace = entry.trace[entry.trace["seed"].isin(kept)]
    return analyse(outcome.comparison, outcome.entries, [made_up_comparison.MadeUpTruths()])


# ---- commands ----------------------------------------------------------------------------------------------------


class Compared(Exception):
    """Carries a comparison out of the command."""


def test_the_command_makes_the_same_comparison(tmp_path, monkeypatch):
    def stop(comparison):
        raise Compared(comparison)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("")
    monkeypatch.setattr(results.Comparison, "check", stop)
    chosen = Comparison(
        "nb201-topology", "digits", ("random", "rea@live-params:50"), Budget("queries", 7.0), 3, "some table.parquet",
        "4", ("1", "4"), ("network.channels=4", "training.epochs=2"), 2.5, load_plugins(["own.py"]), True, "s1",
    )  # fmt: skip
    with_default = {f.name: f.default for f in dataclasses.fields(Comparison) if f.default is not dataclasses.MISSING}
    assert not {name for name, default in with_default.items() if getattr(chosen, name) == default}
    words = verdict.command(chosen).split(" ", 1)
    assert words[0] == "supernet"
    found = CliRunner().invoke(supernet, words[1]).exception
    assert isinstance(found, Compared), found
    assert found.args[0].as_dict() == chosen.as_dict()


# ---- next steps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seeds", "proposed"), [(12, 48), (25_001, MOST_SEEDS), (MOST_SEEDS // 4, MOST_SEEDS), (MOST_SEEDS, None)]
)
def test_no_more_seeds_are_proposed_than_a_comparison_may_have(seeds, proposed):
    outcome = again(made_up_comparison.outcome(OPEN), seeds=seeds)
    commands = [step.command for step in verdict.steps(outcome)]
    assert [f"--seeds {proposed}" in command for command in commands] == ([True] if proposed else [])
    assert "is decided" not in first_screen(outcome)["steps"]


def test_no_learning_rate_is_proposed_that_is_not_finite(monkeypatch):
    outcome = made_up_comparison.outcome({"random": 1, "darts": 1})
    monkeypatch.setattr(findings, "near_uniform", lambda outcome: outcome.entries[1:])
    assert "--rate 20" in verdict.steps(again(outcome, rate=2.0))[-1].command
    last = verdict.steps(again(outcome, rate=1e308))[-1]
    assert last.command is None
    assert last.why.endswith("Give a larger budget.")


def test_all_is_called_decided_only_where_every_algorithm_is_clear_of_random_search():
    said = "Every comparison with random search is decided."
    decided = made_up_comparison.outcome(DECIDED)
    assert decided.versus[0].clear
    assert said in first_screen(decided)["steps"]
    few = with_searches(made_up_comparison.outcome(DECIDED), {"rea": 5})
    without = made_up_comparison.outcome({"darts": 0, "gdas": 400}, kind="passes")
    gone = with_searches(made_up_comparison.outcome({**DECIDED, "tpe": 1}), {"tpe": 0})
    for outcome in (few, without, gone):
        assert said not in first_screen(outcome)["steps"]


def test_the_hidden_caption_says_what_is_drawn():
    assert "Every algorithm against random search" in first_screen(made_up_comparison.outcome(OPEN))["forest"]
    without = first_screen(made_up_comparison.outcome({"darts": 0, "gdas": 2}, kind="passes"))["forest"]
    assert "random search" not in without
    assert "Final regret of every algorithm" in without


# ---- what is said of the design ----------------------------------------------------------------------------------


def test_one_search_of_each_algorithm_is_counted_as_one():
    assert "describes 1 search of each" in verdict.certainty(made_up_comparison.outcome(OPEN, seeds=1))
    assert "describes 2 searches of each" in verdict.certainty(made_up_comparison.outcome(OPEN, seeds=2))


def test_what_equal_accuracies_could_detect_is_left_out():
    outcome = made_up_comparison.outcome(OPEN)
    assert "detects differences of about" in verdict.certainty(outcome)
    assert "then detects differences" in verdict.steps(outcome)[0].why
    for entry in outcome.entries:
        entry.final = {key: np.full(12, 86.69) + 1e-14 * np.arange(12) for key in entry.final}
    assert verdict.detectable(outcome) < 1e-12
    assert "detects differences" not in verdict.certainty(outcome) + verdict.steps(outcome)[0].why


def test_comparisons_that_are_not_tested_are_not_counted():
    text = page(with_searches(made_up_comparison.outcome({**OPEN, "tpe": 1}), {"tpe": 5}), {})
    assert "The p-values are corrected for 1 comparison by Holm's" in text.replace("&#x27;", "'").replace("&#39;", "'")


def compared(algorithms, only=None):
    """The outcome of a comparison on a table with two fidelities."""
    chosen = made_up_comparison.outcome(dict.fromkeys(algorithms, 1))
    return again(chosen, space="nb201-topology", algorithms=tuple(algorithms), only=only)


@pytest.mark.parametrize(
    ("algorithms", "only", "said"),
    [
        (["random"], None, "see digits valid, 4 epochs, s0 of nb201-topology-digits.parquet ·"),
        (["random", "hyperband", "bohb"], None, "parquet (hyperband, bohb: digits valid, 1 and 4 epochs, s0) ·"),
        (["hyperband"], None, "see digits valid, 1 and 4 epochs, s0 of nb201-topology-digits.parquet ·"),
        (["random", "bohb"], ("4",), "see digits valid, 4 epochs, s0 of nb201-topology-digits.parquet ·"),
    ],
)
def test_the_page_names_what_each_kind_of_search_sees(algorithms, only, said):
    assert said in page(compared(algorithms, only), {})
