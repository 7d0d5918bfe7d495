"""The page of a comparison of searches: its verdict obeys the tests, and all of it is in the text."""

import re
from html.parser import HTMLParser

import made_up_comparison
import numpy as np
import pytest
from made_up_comparison import SEVENTEEN

from supernet.harness.report.latex import latex
from supernet.harness.report.search import panels
from supernet.harness.report.search.amounts import ticks
from supernet.harness.report.search.matrix import turned
from supernet.harness.report.search.page import page
from supernet.harness.report.search.printed_tables import printed_tables
from supernet.harness.search import verdict

FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 500 300"><text>0.46</text></svg>'


class Reader(HTMLParser):
    """Ids, references, and whether elements are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.references, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.ids += [value for key, value in attrs if key == "id"]
        self.references += [value for key, value in attrs if key in ("src", "href")]
        if tag not in ("meta", "link", "wbr", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def many():
    return made_up_comparison.outcome(SEVENTEEN, seeds=20)


@pytest.fixture(scope="module")
def text(many):
    return page(many, {"regret": ("Regret", FIGURE), "cells": ("Picked cells", FIGURE)}, ["tables/final.csv"])


def test_the_page_is_whole_and_loads_nothing(text):
    read = Reader(text)
    assert read.open == []
    assert len(set(read.ids)) == len(read.ids)
    assert {value[1:] for value in read.references if value.startswith("#")} <= set(read.ids)
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "<!--=" not in text
    assert '<a href="tables/final.csv" download="">' in text


def test_the_headline_names_what_the_tests_call_clear_and_nothing_else(many):
    said = verdict.headline(many)
    better = [c for c in many.versus if c.clear and c.difference > 0]
    worse = [c for c in many.versus if c.clear and c.difference < 0]
    assert {c.first for c in better} >= {"rea", "local"}
    assert {c.first for c in worse} >= {"enas", "darts"}
    assert re.match(r"Regularised evolution.* clearly better, and .* clearly worse than random search", said)
    assert f"{16 - len(better) - len(worse)} of 16 algorithms are not distinguishable from it." in said
    for name in ("SETN", "PC-DARTS", "BOHB"):
        assert name not in said


def test_nothing_is_called_better_that_is_not(text):
    equal = made_up_comparison.outcome({"random": 1, "setn": 1, "bohb": 1}, seeds=9)
    assert not any(c.clear for c in equal.versus)
    assert verdict.headline(equal) == "None of 2 algorithms is distinguishable from random search."
    assert "Not distinguishable does not mean equal." in verdict.certainty(equal)
    drawn = page(equal, {}).partition("<body>")[2]
    assert not re.search('class="(gain|loss)"|ends best|clearly (better|worse)', drawn)
    assert 'class="gain"' in text


def test_few_seeds_are_described_and_the_next_step_is_enough_seeds():
    few = made_up_comparison.outcome({"random": 1, "rea": 40, "local": 40}, seeds=3)
    assert "cannot give a p-value below 0.1" in verdict.headline(few)
    step = verdict.steps(few)[0]
    assert step.command == "supernet search --dataset digits --algorithms random,rea,local --budget 12000s --seeds 8"
    assert "undecided" not in page(few, {})


@pytest.mark.parametrize("tests", [1, 16, 500, 100_000])
def test_the_proposed_seeds_are_the_fewest_that_can_be_significant(tests):
    seeds = verdict.seeds_for_tests(tests)
    assert verdict.smallest_p(seeds, seeds) * tests < 0.05
    assert seeds == verdict.LEAST or verdict.smallest_p(seeds - 1, seeds - 1) * tests >= 0.05


def test_steps_ask_for_what_is_missing():
    broken = made_up_comparison.outcome({"random": 1, "rea": 1}, states={"rea": "failed"})
    assert verdict.steps(broken)[0].why == "12 searches are not done. This makes what is missing:"
    assert "not done" in page(broken, {})
    alone = made_up_comparison.outcome({"rea": 1, "local": 20})
    assert "--algorithms random,rea,local" in verdict.steps(alone)[0].command
    assert verdict.certainty(alone) is None


def test_four_times_the_seeds_halve_what_is_detectable(many):
    assert verdict.detectable(many, 4) == pytest.approx(verdict.detectable(many) / 2, rel=0.1)


def test_the_matrix_has_every_pair_from_both_sides(many, text):
    drawn = re.search(r'<table id="matrix">.*?</table>', text, re.DOTALL)[0]
    marked = re.findall(r"<td title=\"([^\"]*)\" class=\"(gain|loss)\">(▲|▼)", drawn)
    assert drawn.count("<td title=") == 17 * 16
    assert len(marked) == 2 * sum(c.clear for c in many.pairs)
    assert all((kind == "gain") == (arrow == "▲") for _, kind, arrow in marked)
    c = many.pairs[0]
    back = turned(c)
    assert (back.difference, back.low, back.high) == (-c.difference, -c.high, -c.low)
    assert turned(back) == c
    assert back.clear == c.clear


def test_a_far_value_does_not_squash_the_others(text):
    assert float(re.search(r'data-name="enas".*?--at:([\d.]+)%', text)[1]) < 10
    near = [float(re.search(rf'data-name="{name}".*?--at:([\d.]+)%', text)[1]) for name in ("rea", "random")]
    assert near[0] - near[1] > 8


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        ("wall", 12, 42, ["20 s", "30 s"]),
        ("seconds", 25, 12_000, ["2 min", "20 min", "3 h"]),
        ("queries", 1, 500, ["1", "10", "100"]),
        ("passes", 900, 2_000_000, ["10,000", "100,000", "1,000,000"]),
    ],
)
def test_ticks_are_read_as_times_or_counts(kind, low, high, expected):
    found = ticks(kind, low, high)
    assert list(found.values()) == expected
    assert all(low <= place <= high for place in found)
    assert 2 <= len(found) <= 3
    unit = "^[0-9]+ (s|min|h|d)$" if kind in ("wall", "seconds") else "^[0-9,]+$"
    assert all(re.match(unit, label) for label in found.values())
    assert list(found) == sorted(found)


def test_latex_is_ready_to_paste(many):
    found = printed_tables(many)
    assert set(found) == {"final", "versus", "reached", "picks"}
    final = found["final"]
    assert final.startswith(r"% Needs \usepackage{booktabs}")
    for part in (r"\begin{table}", r"\caption{Searches on nb201, digits", r"\label{tab:nb201-digits-12000s-"):
        assert part in final
    assert r"\begin{tabular}{lrrrr}" in final
    row = next(line for line in final.splitlines() if line.startswith("Regularised evolution"))
    assert re.search(r"\$\\pm\$ 0\.\d\d\\rlap\{\$\^\{\*\}\$\}", row)
    assert r"\footnotesize $^{*}$ Clearly different from random search: p \textless{} 0.05" in final
    assert "p (Holm)" in found["versus"]
    assert r"$-$3." in found["versus"]


def test_numbers_of_a_column_have_equal_decimals():
    import pandas as pd

    frame = pd.DataFrame(
        {"name": ["a-1_b", "c"], "x": [84.5, 0.776], "n": [3, np.nan], "d": ["-0.10 [-0.20, 0.00]*", ""]}
    )
    assert latex(frame).splitlines()[1:] == [
        r"\begin{tabular}{lrrr}", r"\toprule", r"name & x & n & d \\", r"\midrule",
        r"a-1\_b & 84.50 & 3 & $-$0.10 [$-$0.20, 0.00]\rlap{$^{*}$} \\", r"c & 0.78 &  &  \\", r"\bottomrule",
        r"\end{tabular}",
    ]  # fmt: skip


def test_one_search_of_each_algorithm_is_drawn_without_intervals():
    once = made_up_comparison.outcome({"random": 1, "rea": 1}, seeds=1)
    figure = panels.regret(once, once.entries)
    (axis,) = (axis for axis in figure.axes if axis.get_title())
    regrets = np.concatenate([entry.curve.mean for entry in once.entries])
    assert axis.get_ylim()[1] >= regrets.max()
