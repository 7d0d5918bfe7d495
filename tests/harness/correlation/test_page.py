"""The pages of comparisons: what they say in words, and that they are whole."""

import dataclasses
import json
import re
import shlex
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import Measure
from supernet.harness.correlation.files import ScoreTable
from supernet.harness.correlation.truth import Known
from supernet.harness.report.correlation import figures, verdict
from supernet.harness.report.correlation.architectures import Architectures
from supernet.harness.report.correlation.command import Command
from supernet.harness.report.correlation.correlate import correlate
from supernet.harness.report.correlation.grouped_page import _headline
from supernet.harness.report.correlation.result import compared, scatter_of
from supernet.harness.report.correlation.verdict import Origin
from supernet.harness.statistics import metrics

TEST = Measure("cifar10", "test", "200", "mean")
EVIL = "<b>&amp;</script>"


class Reader(HTMLParser):
    """The text of a page, its ids and references, and whether its elements are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.references, self.open, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in ("meta", "link", "wbr", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for key, value in attrs if key == "id"]
        self.references += [value for key, value in attrs if key in ("src", "href")]

    def handle_data(self, data):
        self.text += data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def known(truth201):
    return Known("nb201", truth201, TEST)


def made_up(known, count=300, **noise):
    """A comparison of scores that are the truth with this much noise."""
    rows, rng = np.arange(count) * (15625 // count), np.random.default_rng(0)
    y = known.table.accuracy("cifar10", "test", 200, "mean", rows)
    scores = {name: y + size * rng.normal(size=count) for name, size in noise.items()}
    return compared(ScoreTable("nb201", rows, scores, pd.DataFrame(index=range(count))), known, resamples=100)


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr("supernet.harness.report.correlation.figures.draw", lambda *_: [])


def written(found, out):
    paths = found.write(out)
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in paths)
    assert paths[-1] == out / "index.html"
    return paths[-1].read_text(encoding="utf-8")


def test_the_page_is_whole_and_refers_to_files_beside_it_alone(known, tmp_path):
    text = written(made_up(known, **{"a": 0.1, EVIL: 30.0}), tmp_path / "report")
    read = Reader(text)
    assert read.open == []
    assert len(set(read.ids)) == len(read.ids)
    own = {value[1:] for value in read.references if value.startswith("#")}
    assert own <= set(read.ids)
    for value in read.references:
        assert value.startswith(("#", "data:")) or (tmp_path / "report" / value).is_file()
    assert EVIL in read.text
    assert "<b>" not in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert [run["label"] for run in data["runs"]] == ["a", EVIL, "parameter count"]
    assert all(len(run["scores"]) == len(data["archs"]) == len(data["cells"]) == 300 for run in data["runs"])


def test_the_table_and_the_text_have_the_numbers_of_the_report(known, tmp_path, no_figures):
    found = made_up(known, good=0.5)
    text = Reader(written(found, tmp_path / "r")).text
    tau = found.report.ranked[0].estimates["kendall_tau"]
    assert f"{tau.value:.3f} [{tau.low:.3f}, {tau.high:.3f}]" in text
    assert "good ranks 300 architectures with a Kendall τ of" in text
    assert "clearly better than the parameter count" in text
    frame = pd.read_csv(tmp_path / "r" / "metrics.csv", index_col="score")
    assert frame.loc["good", "kendall_tau"] == pytest.approx(tau.value, rel=1e-5)
    differences = pd.read_csv(tmp_path / "r" / "differences.csv")
    assert differences["p_holm"][0] == pytest.approx(found.report.adjusted["good", "params"], rel=1e-5)
    assert (tmp_path / "r" / "metrics.tex").read_text(encoding="utf-8").splitlines()[1].startswith(r"\begin{tabular}{l")


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        ({"x": 0.1}, "x ranks 300 architectures with a Kendall tau of .*, clearly better than the parameter count"),
        ({"x": 300.0}, "not clearly above zero, clearly worse than the parameter count"),
        ({"x": 0.1, "y": 30.0, "z": 40.0}, "Of 3 score columns, x has .* clearly better than every other column and "
         "the parameter count"),
        ({"x": 1.0, "y": 1.0}, "but not clearly different from"),
    ],
)  # fmt: skip
def test_the_headline_obeys_the_p_values(known, noise, said):
    assert re.search(said, verdict.headline(made_up(known, **noise).report, Origin()))


def test_no_claim_of_the_headline_lacks_its_p_value(known):
    for size in (0.5, 2.0, 6.0, 12.0):
        report = made_up(known, x=size).report
        clear = report.adjusted["x", "params"] < 0.05
        assert clear == ("clearly better" in (text := verdict.headline(report, Origin())) or "clearly worse" in text)


def test_one_super_net_is_said_to_be_one_set_of_weights(known):
    report = made_up(known, accuracy=0.1, loss=0.01).report
    assert verdict.headline(report, Origin(weights=True)).startswith(
        "This super-net, one set of weights, ranks 300 architectures by accuracy"
    )
    assert "no better than chance" in verdict.headline(report, Origin(weights=True, at_chance=True))
    commands = [step.command for step in verdict.steps(report, Origin(weights=True, another_seed="supernet train x"))]
    assert "supernet train x" in commands


def test_ties_and_few_architectures_are_warned_of(known):
    found = made_up(known, 40, x=0.1)
    scores = {"x": np.repeat([0.0, 1.0], 20)}
    text = " ".join(verdict.warnings(found.report, scores))
    assert "fewer than 50 architectures" in text
    assert "49 % of the pairs" in text
    assert "20 architectures share the highest score of x" in text
    assert "pairs" not in " ".join(verdict.warnings(found.report, found.scores))


def test_a_score_that_ranks_backwards_is_told_the_option(known):
    report = made_up(known, x=0.1).report
    ranked = [dataclasses.replace(report.ranked[0], estimates={
        name: dataclasses.replace(e, value=-e.value, low=-e.high, high=-e.low)
        for name, e in report.ranked[0].estimates.items()}), report.ranked[1]]  # fmt: skip
    report = dataclasses.replace(report, ranked=ranked)
    assert "backwards" in verdict.headline(report, Origin())

    def commands(**given):
        command = Command(("supernet", "correlate"), **given)
        return [step.command for step in verdict.steps(report, Origin(command)) if step.command]

    assert "supernet correlate --lower-is-better x" in commands()
    lower = {"--lower-is-better": ["x", "y"]}
    assert "supernet correlate" in commands(options=lower)
    assert "supernet correlate" in commands(flags=frozenset(["--lower-is-better"]))


def test_a_super_net_that_ranks_backwards_is_not_told_an_option_that_it_cannot_take(known):
    rows, y = np.arange(60), known.accuracy()[:60]
    table = ScoreTable("nb201", rows, {"accuracy": -y}, pd.DataFrame(index=range(60)), directed=True)
    report = compared(table, known, resamples=20, origin=Origin(weights=True)).report
    (note,) = [note for note in report.notes if "backwards" in note]
    assert note == "accuracy ranks backwards (tau -1.00)."
    assert "backwards" in verdict.headline(report, Origin(weights=True))
    assert not [step for step in verdict.steps(report, Origin(weights=True)) if "lower" in step.why.lower()]
    assert [step for step in verdict.steps(report, Origin()) if "If lower values" in step.why]


def scored(known, **columns):
    rows = np.arange(len(next(iter(columns.values()))))
    return compared(ScoreTable("nb201", rows, columns, pd.DataFrame(index=rows)), known, resamples=20)


def test_constant_scores_rank_nothing_and_are_compared_with_nothing(known):
    y = known.accuracy()[:60]
    found = scored(known, same=np.ones(60))
    assert verdict.headline(found.report, Origin()) == "The scores of same are constant: they rank nothing."
    certainty = verdict.certainty(found.report, Origin(), found.scores)
    assert certainty == "All architectures have the same score: none is ranked first."
    assert [step.why for step in verdict.steps(found.report, Origin())] == [
        "Look at what gave the scores: all of them are equal."
    ]
    beside = scored(known, same=np.ones(60), bad=-y)
    assert verdict.leading(beside.report, Origin()).name == "bad"
    assert verdict.headline(beside.report, Origin()).startswith("bad ranks 60 architectures backwards")
    assert "same" not in verdict.headline(beside.report, Origin())
    more = scored(known, same=np.ones(60), bad=-y, good=y)
    assert verdict.headline(more.report, Origin()).startswith(
        "Of 2 score columns that are not constant, good has the highest Kendall tau"
    )


def test_architectures_that_share_the_first_place_are_counted(known):
    y = known.accuracy()[:60]
    found = scored(known, half=(y > np.median(y)).astype(float), all=y)
    said = verdict.certainty(scored(known, half=found.scores["half"]).report, Origin(), found.scores)
    assert "The 30 architectures that share the first place are" in said
    assert "The architecture that it ranks first is 0.00 points" in verdict.certainty(
        found.report, Origin(), found.scores
    )


@pytest.mark.parametrize(
    ("low", "p", "said"),
    [
        (0.001, 0.08, "does not clearly change tau: +0.013 [+0.001, +0.032] (judged by the corrected p-value, 0.08; "
         "the interval by itself leaves zero out)."),
        (-0.001, 0.04, "(judged by the corrected p-value, 0.04; the interval by itself reaches zero)."),
        (0.001, 0.04, "raises tau by +0.013 [+0.001, +0.032]."),
        (-0.001, 0.08, "does not clearly change tau: +0.013 [−0.001, +0.032]."),
    ],
)  # fmt: skip
def test_what_a_score_adds_says_so_where_interval_and_p_value_differ(low, p, said):
    gain = SimpleNamespace(tau=SimpleNamespace(value=0.013, low=low, high=0.032), p_holm=p)
    added = SimpleNamespace(rule="free-1", tau=SimpleNamespace(value=0.76), gains={"x": gain})
    assert verdict.adds(added, "x").endswith(said)


def test_groups_with_constant_scores_are_not_the_lowest(known):
    y = known.accuracy()[:40]
    frame = pd.DataFrame({"arch": [*known.table.keys(np.arange(40))] * 3, "score": [*y, *-y, *np.ones(40)]})
    frame["m"] = ["a"] * 40 + ["b"] * 40 + ["c"] * 40

    def headline(*names):
        return _headline(correlate(frame[frame["m"].isin(names)], truth=known, by="m", resamples=20).report)

    assert "that of b: −1.00" in headline("a", "b", "c")
    assert headline("a", "b", "c").startswith("Of 2 groups, beside 1 group with constant scores, the highest")
    assert "in the one group, a, beside 1 group" in headline("a", "c")
    assert headline("c") == "The scores of score are constant in the one group: they rank nothing."
    twin = pd.concat([frame[frame["m"] == "a"], frame[frame["m"] == "a"].assign(m="d")])
    found = correlate(twin, truth=known, by="m", resamples=20).report
    assert _headline(found) == "Of 2 groups, the highest Kendall tau is that of all of them: 1.00 in each."


def test_the_next_command_for_seeds_names_one_of_several_columns(known):
    origin = Origin(Command(("supernet", "correlate"), {"--score-column": ["a", "b"]}))
    commands = [step.command for step in verdict.steps(made_up(known, a=0.1, b=0.5).report, origin) if step.command]
    assert "supernet correlate --score-column a --by method --repeat seed" in commands
    origin = Origin(Command(("supernet", "correlate"), {"--lower-is-better": ["b"]}))
    commands = [step.command for step in verdict.steps(made_up(known, a=0.1, b=0.5).report, origin) if step.command]
    assert "supernet correlate --by method --repeat seed --score-column a" in commands
    commands = [step.command for step in verdict.steps(made_up(known, **{"a\nb": 0.1, "b": 0.9}).report, origin)]
    assert not any(commands)


def test_parameter_count_alone_has_a_page(known, tmp_path, no_figures):
    text = Reader(written(made_up(known), tmp_path / "r")).text
    assert "The parameter count ranks 300 architectures with a Kendall τ of" in text
    assert "There are no score columns to compare" in text


def test_many_columns_have_a_row_each_and_a_matrix(known, tmp_path, no_figures):
    found = made_up(known, **{f"s{k}": 0.5 * k + 0.1 for k in range(6)})
    text = written(found, tmp_path / "r")
    assert len(re.findall(r'<th scope="row" class="text" data-v="s\d"', text)) == 6
    matrix = re.search(r'class="matrix">(.*?)</table>', text, re.DOTALL)[1]
    for a, b in (("s0", "s5"), ("s5", "s0")):
        d, _, p = verdict.difference(found.report, a, b)
        assert f"{abs(d.value):.2f}" in matrix
        assert d.value == found.report.ranked[int(a[1])].estimates["kendall_tau"].value - (
            found.report.ranked[int(b[1])].estimates["kendall_tau"].value
        )
        assert p == found.report.adjusted["s0", "s5"]


def test_the_scatter_shows_a_part_of_many_architectures(known):
    scatter = scatter_of(made_up(known, 2500, x=1.0))
    assert len(scatter.archs) == len(scatter.true) == 2000
    assert "2,000 of the 2,500" in scatter.note


def test_architectures_are_named_by_index_and_words(known):
    shown = Architectures(known, np.array([0, 8834]))
    within = space("nb201")
    names = known.table.keys(np.array([0, 8834]))
    titles = shown.titles(np.array([0, 1]))
    for name, title in zip(names, titles, strict=True):
        assert title.startswith(f"#{within.index(within.parse(name))}: ")
        for op, words in (("nor_conv_3x3", "conv 3×3"), ("skip_connect", "skip")):
            count = name.count(op)
            assert (f"{count} {words}" in title) == (count > 0)
    assert Architectures(Known("nb101", known.table, TEST), np.array([0])).cells(np.array([0])) == [[]]


def test_the_best_are_those_with_the_highest_truth():
    truth = np.random.default_rng(0).permutation(100.0 * np.arange(50))
    assert truth[figures.truly_best(truth)].tolist() == sorted(truth.tolist(), reverse=True)[: figures.BEST]


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_groups_have_a_page_with_the_command_that_goes_on(known, tmp_path):
    keys = known.table.keys(np.arange(60))
    y = known.table.accuracy("cifar10", "test", 200, "mean", np.arange(60))
    frame = pd.DataFrame({"arch": keys * 2, "s": [*y, *-y], "m e": [EVIL] * 60 + ["down"] * 60})
    path = tmp_path / "scores of mine.csv"
    frame.to_csv(path, index=False)
    found = correlate(path, truth=known, by="m e", resamples=20)
    text = written(found, tmp_path / "r")
    read = Reader(text)
    assert read.open == []
    assert f"the highest Kendall τ is that of {EVIL}: 1.00" in read.text
    assert "<b>" not in text
    command = re.search(r"supernet correlate --space[^\n]*?--repeat seed", read.text)[0]
    assert str(path) in shlex.split(command)
    assert shlex.split(command)[-4:-2] == ["--by", "m e"]
    groups = pd.read_csv(tmp_path / "r" / "groups.csv")
    assert groups["kendall_tau"].tolist() == pytest.approx([metrics.kendall_tau(s * y, y) for s in (1, -1)])


def test_a_report_goes_to_no_file(known, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UserError, match="is a file"):
        correlate({0: 1.0}, truth=known, out=tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
