import io
import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from supernet.benchmarks.errors import NoSuchResult, UserError
from supernet.benchmarks.truth.table import GroundTruth, Measure, write_table
from supernet.benchmarks.wording import shown
from supernet.harness.correlation import report as correlation
from supernet.harness.correlation.files import ScoreTable
from supernet.harness.correlation.grouped import correlate_groups
from supernet.harness.correlation.report import correlate
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics
from supernet.harness.statistics.metrics import MetricError

TEST = Measure("cifar10", "test", "200", "mean")


def table(rows, scores, groups=None):
    groups = pd.DataFrame(index=range(len(rows))) if groups is None else groups
    return ScoreTable("nb201", np.asarray(rows), scores, groups)


@pytest.fixture(scope="module")
def report(truth201):
    rows = np.arange(0, 15625, 25)
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    rng = np.random.default_rng(0)
    scores = {"good": y + rng.normal(size=len(y)), "noise": rng.normal(size=len(y)), "flat": np.zeros(len(y))}
    return correlate(table(rows, scores), truth201, TEST, resamples=200), scores, y, rows


def test_the_baseline_and_the_ceiling_stand_beside_the_scores(report, truth201):
    found, _, y, rows = report
    assert [r.name for r in found.ranked] == ["good", "noise", "flat", "params"]
    params = truth201.params("cifar10", rows)
    assert found.ranked[-1].estimates["kendall_tau"].value == metrics.kendall_tau(params, y)
    seeds = [truth201.accuracy("cifar10", "test", 200, seed, rows) for seed in ("s1", "s2")]
    assert found.ceiling.tau == metrics.kendall_tau(*seeds)
    assert found.ceiling.source == "cifar10 test, 200 epochs"
    assert found.ceiling.repeats == 2
    assert found.ceiling.attainable == stats.attainable_tau(found.ceiling.tau, 2) > found.ceiling.tau
    assert found.ceiling.attainable_top10 == stats.attainable_in_top(np.stack(seeds), 2) > found.ceiling.top10


def test_values_are_the_metrics_and_lie_in_their_intervals(report):
    found, scores, y, _ = report
    good = found.ranked[0]
    assert good.estimates["kendall_tau"].value == scipy.stats.kendalltau(scores["good"], y).statistic
    for estimate in good.estimates.values():
        assert estimate.low < estimate.value < estimate.high
    assert good.values["regret@10"] == metrics.regret_at(scores["good"], y, 10)
    assert good.curve[0] == good.estimates["kendall_tau"]


def test_paired_differences_tell_good_from_noise(report):
    found, *_ = report
    difference = found.differences["good", "noise"]
    assert difference.low > 0
    assert difference.p < 1e-10
    assert found.adjusted["good", "noise"] >= difference.p
    assert len(found.differences) == 6


def test_constant_scores_are_reported_not_hidden(report):
    found, *_ = report
    assert found.ranked[2].estimates["kendall_tau"].value == 0
    assert any("flat are constant" in note for note in found.notes)


def test_the_report_is_plain_json_without_nan(report):
    found, *_ = report
    text = json.dumps(found.as_json(), allow_nan=False)
    assert json.loads(text)["ranked"][0]["name"] == "good"


def test_the_same_seed_gives_the_same_report(report, truth201):
    found, scores, _, rows = report
    again = correlate(table(rows, scores), truth201, TEST, resamples=200)
    assert again.as_json() == found.as_json()


def test_missing_ground_truth_is_an_error(truth201):
    with pytest.raises(NoSuchResult, match="no result for cifar10 test, 12 epochs, mean of 100 of the 15,625"):
        correlate(
            table(np.arange(15625), {"a": np.arange(15625.0)}), truth201, Measure("cifar10", "test", "12", "mean")
        )


def test_scoring_images_in_column_names_make_a_curve(truth201):
    rows = np.arange(200)
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    rng = np.random.default_rng(0)
    scores = {f"acc@{n}": y + 100 / np.sqrt(n) * rng.normal(size=200) for n in (1000, 10, 100)}
    curve = correlate(table(rows, scores), truth201, TEST, resamples=20).image_curve
    assert [(name, images) for name, images, _ in curve] == [("acc", 10), ("acc", 100), ("acc", 1000)]
    assert curve[-1][2] == metrics.kendall_tau(scores["acc@1000"], y)


def test_groups_average_over_repeats_with_an_interval_over_both(truth201):
    rng = np.random.default_rng(0)
    parts, rows, scores = [], [], []
    for method, noise in (("sharp", 1.0), ("dull", 10.0)):
        for seed in range(3):
            chosen = rng.choice(15625, 300, replace=False)
            y = truth201.accuracy("cifar10", "test", 200, "mean", chosen)
            parts += [(method, seed)] * 300
            rows.append(chosen)
            scores.append(y + noise * rng.normal(size=300))
    groups = pd.DataFrame(parts, columns=["method", "seed"])
    found = correlate_groups(
        table(np.concatenate(rows), {"acc": np.concatenate(scores)}, groups),
        truth201,
        TEST,
        by=["method"],
        repeat="seed",
        resamples=200,
    )
    dull, sharp = found.groups
    assert (dull.key, sharp.key) == (("dull",), ("sharp",))
    assert (dull.repeats, dull.architectures) == (3, 900)
    expected = [
        metrics.kendall_tau(s, truth201.accuracy("cifar10", "test", 200, "mean", r))
        for s, r in zip(scores[3:], rows[3:], strict=True)
    ]
    assert dull.tau.value == pytest.approx(np.mean(expected))
    assert dull.tau_sd == pytest.approx(np.std(expected, ddof=1))
    assert dull.tau.low < dull.tau.value < dull.tau.high < sharp.tau.low
    json.dumps(found.as_json(), allow_nan=False)


def test_repeats_that_hardly_differ_in_their_architectures_are_resampled_together(truth201):
    rng = np.random.default_rng(1)
    chosen = rng.choice(15625, 300, replace=False)
    y = truth201.accuracy("cifar10", "test", 200, "mean", chosen)
    x = y + 5 * rng.normal(size=300)

    def width(sizes):
        groups = pd.DataFrame([("m", s) for s, n in enumerate(sizes) for _ in range(n)], columns=["method", "seed"])
        scores = np.concatenate([x[:n] + 1e-6 * rng.normal(size=n) for n in sizes])
        given = table(np.concatenate([chosen[:n] for n in sizes]), {"acc": scores}, groups)
        (group,) = correlate_groups(given, truth201, TEST, by=["method"], repeat="seed", resamples=400).groups
        return group.tau.high - group.tau.low

    assert width([300, 299, 298]) == pytest.approx(width([300, 300, 300]), rel=0.25)


def test_two_repeats_show_their_values_and_no_interval(truth201):
    from supernet.harness.report.correlation.text import render_groups

    rows = np.tile(np.arange(60), 3)
    groups = pd.DataFrame({"method": ["m"] * 180, "seed": np.repeat([10, 9, 8], 60)})
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    scores = y + np.random.default_rng(0).normal(size=180)
    given = table(rows, {"acc": scores}, groups)
    first = groups["seed"] != 8
    found = correlate_groups(given.take(first.to_numpy()), truth201, TEST, by=["method"], repeat="seed", resamples=50)
    (group,) = found.groups
    assert (group.tau.low, group.tau.high) == (None, None)
    # Seeds are in the order of their numbers, not of their texts.
    assert group.taus == [metrics.kendall_tau(scores[60:120], y[60:120]), metrics.kendall_tau(scores[:60], y[:60])]
    assert any("Two repeats are too few for an interval of their mean: m" in note for note in found.notes)
    assert f"({group.taus[0]:.3f}, {group.taus[1]:.3f})" in printed(render_groups(found))
    json.dumps(found.as_json(), allow_nan=False)


def test_groups_that_cannot_be_judged_are_named_and_the_others_reported(truth201):
    groups = pd.DataFrame({"m": ["good"] * 60 + ["few"] * 9 + ["one"]})
    given = table(np.arange(70), {"acc": np.arange(70.0)}, groups)
    found = correlate_groups(given, truth201, TEST, by=["m"], resamples=20)
    assert [group.key for group in found.groups] == [("good",)]
    assert any(note.startswith("Left out: few: A ranking of 9 architectures") for note in found.notes)
    assert any(note.startswith("Left out: one: A ranking of 1 architecture ") for note in found.notes)
    with pytest.raises(MetricError, match=r"No group can be judged. few: A ranking of 9 architectures"):
        correlate_groups(given.take(groups["m"].to_numpy() != "good"), truth201, TEST, by=["m"], resamples=20)


def test_few_architectures_are_refused_and_some_noted_as_rough(truth201):
    def run(n):
        return correlate(table(np.arange(n), {"a": np.arange(float(n))}), truth201, TEST, resamples=20)

    with pytest.raises(MetricError, match="9 architectures cannot be judged"):
        run(9)
    assert any("fewer than 50 architectures (10), the intervals are rough" in note for note in run(10).notes)
    assert not any("rough" in note for note in run(50).notes)


def test_comparisons_with_params_and_among_scores_are_corrected_apart(truth201):
    rng = np.random.default_rng(0)
    rows = np.arange(0, 15625, 100)
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    scores = {f"s{n}": y + (3 + n / 4) * rng.normal(size=len(y)) for n in range(8)}
    found = correlate(table(rows, scores), truth201, TEST, resamples=100)
    for family, size in ((correlation.AGAINST_PARAMS, 8), (correlation.AMONG_SCORES, 28)):
        mine = [d for d in found.as_json()["differences"] if d["family"] == family]
        assert len(mine) == size
        assert [d["p_holm"] for d in mine] == stats.holm([d["p"] for d in mine])
    # Eight scores and few resamples do not keep a plain difference from being told.
    assert min(found.adjusted.values()) < 0.01


def test_differences_stay_within_what_is_possible(truth201):
    rows = np.arange(40)
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    found = correlate(table(rows, {"best": y, "worst": -y}), truth201, TEST, resamples=50)
    taus = {r.name: r.estimates["kendall_tau"].value for r in found.ranked}
    for (_, b), d in found.differences.items():
        assert -1 - taus[b] <= d.low <= d.high <= 1 - taus[b]


def test_a_score_that_ranks_backwards_is_noted(truth201):
    rows = np.arange(200)
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    found = correlate(table(rows, {"loss": -y, "acc": y}), truth201, TEST, resamples=20)
    backwards = [note for note in found.notes if "backwards" in note]
    assert backwards == [
        "loss ranks backwards (tau -1.00): if lower values are better, give --lower-is-better loss (`lower_is_better`)."
    ]
    given = ScoreTable("nb201", rows, {"acc": -y}, pd.DataFrame(index=rows), negated=frozenset(["acc"]))
    (note,) = correlate(given, truth201, TEST, resamples=20).notes
    assert "leave it out of --lower-is-better" in note


def test_fractions_can_be_chosen(truth201):
    rows = np.arange(4000)
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    scores = {"a": y + np.random.default_rng(0).normal(size=4000)}
    found = correlate(table(rows, scores), truth201, TEST, resamples=20, fractions=[0.004, 0.3, 0.001])
    assert found.fractions == (1.0, 0.3, 0.1, 0.004, 0.001)
    curve = dict(zip(found.fractions, found.ranked[0].curve, strict=True))
    assert curve[0.004].value == metrics.tau_in_true_top(scores["a"], y, 0.004)
    assert curve[0.001] is None
    assert any("The best 0.1 % are fewer than 10 architectures" in note for note in found.notes)
    rho = found.ranked[0].values["spearman_true_top_0.4%"]
    assert rho == metrics.spearman_in_true_top(scores["a"], y, 0.004)
    from supernet.harness.report.correlation.text import render

    assert f"{rho:.3f}" in printed(render(found))


def test_a_reading_without_a_number_is_no_repeat(tmp_path):
    """One reading copies r0; taking it for a repeat would raise the ceiling."""
    rng = np.random.default_rng(0)
    keys = [f"{n:032x}" for n in range(200)]
    repeats = {f"r{n}": 90 + np.arange(200) / 40 + rng.normal(size=200) for n in range(3)}
    columns = {"hash": keys, "cifar10.params": rng.integers(1000, size=200)}
    columns |= {f"cifar10.valid.e108.{name}": values for name, values in (repeats | {"one": repeats["r0"]}).items()}
    about = {"space": "nb101", "family": "made up", "accuracy_unit": "percent"}
    write_table(tmp_path / "t.parquet", columns, about)
    for seed in ("r0", "one"):
        ceiling = correlation.ceiling_of(
            GroundTruth(tmp_path / "t.parquet"), Measure("cifar10", "valid", "108", seed), np.arange(200)
        )
        assert [(a, b) for a, b, _, _ in ceiling.pairs] == [("r0", "r1"), ("r0", "r2"), ("r1", "r2")]
        assert ceiling.tau == stats.ceiling(repeats)[0]
        assert ceiling.repeats == 1
        assert ceiling.attainable == stats.attainable_tau(ceiling.tau, 1)


HOSTILE = [
    *("acc [%]", "time [s]", "acc[/]", "[/b]", "[bold red]x", ":smile:", "a$b$c", "\\frac{$", "_hidden", "\x1b[31mred"),
    *("new\nline", "\ud800", "{0}%s", "<b>&amp;", "漢字", "n" * 300),
]


def printed(content):
    from rich.console import Console

    console = Console(width=400, file=io.StringIO(), color_system=None)
    console.print(content)
    return console.file.getvalue()


@pytest.mark.parametrize("at_once", [1, len(HOSTILE)])
def test_names_are_printed_as_they_are(truth201, at_once):
    from supernet.harness.report.correlation.text import render, render_groups

    rows = np.arange(60)
    names = HOSTILE[:at_once] if at_once > 1 else HOSTILE
    parts = [names] if at_once > 1 else [[name] for name in names]
    for part in parts:
        found = correlate(table(rows, {n: np.arange(60.0) for n in part}), truth201, TEST, resamples=20)
        text = printed(render(found))
        for name in part:
            assert shown(name, 40) in text
        assert "\x1b" not in text
    if at_once == 1:
        groups = pd.DataFrame({"[b]by": HOSTILE * 60}, dtype=object)
        given = table(np.repeat(rows, len(HOSTILE)), {"[/x]": np.arange(60.0 * len(HOSTILE))}, groups)
        text = printed(render_groups(correlate_groups(given, truth201, TEST, by=["[b]by"], resamples=20)))
        for name in [*HOSTILE, "[b]by", "[/x]"]:
            assert shown(name, 40) in text


def test_figures_take_names_as_they_are(truth201, tmp_path):
    from supernet.harness.report.correlation import figures

    rows = np.arange(60)
    names = [*HOSTILE, "a_b_c", "top1/val", "../up"]
    scores = {name: np.arange(60.0) for name in names}
    found = correlate(table(rows, scores), truth201, TEST, resamples=20)
    with figures.style():
        figure = figures.tau_by_fraction(found)
        texts = {text.get_text() for text in figure.axes[0].get_legend().get_texts()}
        assert {figures.label_of(name) for name in names} <= texts
        figures.save(figure, tmp_path, "all")
    few = {name: scores[name] for name in ("a$b$c", "a_b_c", "\ud800")}
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    paths = figures.draw(found, few, y, [f"#{row} $x" for row in rows[:20]], tmp_path / "figures")
    assert len(paths) == len(set(paths)) == 2 + 4 * len(few)
    for path in paths:
        assert path.is_file()
        assert path.parent == tmp_path / "figures"
    assert "a$b$c" in next(p for p in paths if p.name == "ranks-a_b_c.svg").read_text("utf-8")


@pytest.mark.parametrize("columns", [["[b]$by$"], ["[b]$by$", "_more"]])
def test_figures_of_groups_take_names_as_they_are(truth201, tmp_path, columns):
    from supernet.harness.report.correlation import figures

    groups = pd.DataFrame({name: np.repeat(HOSTILE, 20) for name in columns}, dtype=object)
    given = table(np.tile(np.arange(20), len(HOSTILE)), {"s": np.arange(20.0 * len(HOSTILE))}, groups)
    found = correlate_groups(given, truth201, TEST, by=columns, resamples=20)
    assert [path.name for path in figures.draw_groups(found, tmp_path)] == ["tau-by-group.png", "tau-by-group.svg"]
    assert "[b]$by$" in (tmp_path / "tau-by-group.svg").read_text("utf-8")


def test_file_stems_are_safe_and_distinct():
    from supernet.harness.report.correlation.figures import file_stems

    names = [*HOSTILE, "a/b", "a:b", "A_B", "a_b-2", "a?b", "..", "", "x" * 300, "x" * 301]
    stems = list(file_stems(names).values())
    assert len({stem.lower() for stem in stems}) == len(names)
    assert all(len(stem) < 70 and stem.isascii() and "/" not in stem for stem in stems)


def test_a_score_called_like_the_parameter_counts_is_refused(truth201):
    with pytest.raises(UserError, match="'params', the name of the parameter counts"):
        correlate(table(np.arange(50), {"params": np.arange(50.0)}), truth201, TEST)


# ---- real ground truth ----


def test_reference_report_of_nas_bench_201(nb201_truth):
    rows = np.arange(15625)
    e12 = nb201_truth.accuracy("cifar10", "test", 12, "mean")
    found = correlate(table(rows, {"e12": e12}), nb201_truth, TEST, resamples=50)
    assert found.ranked[0].estimates["kendall_tau"].value == pytest.approx(0.700, abs=5e-4)
    assert found.ranked[1].estimates["kendall_tau"].value == pytest.approx(0.5778, abs=5e-5)
    assert found.ceiling.source == "cifar10-valid valid, 200 epochs"
    pairs = {(a, b): tau for a, b, tau, _ in found.ceiling.pairs}
    assert pairs["s777", "s888"] == pytest.approx(0.9105, abs=5e-5)
    assert found.ceiling.top10 == pytest.approx(0.67, abs=0.005)
    assert found.ceiling.repeats == 3
    assert found.ceiling.attainable == pytest.approx(0.965, abs=0.001)
    assert found.ceiling.attainable_top10 == pytest.approx(0.81, abs=0.02)


def test_third_party_supernet_scores_of_nas_bench_101(nb101_truth, data_dir):
    from supernet.harness.correlation.files import read_scores

    path = data_dir / "nb101_supernet_scores.parquet"
    if not path.exists():
        pytest.skip(f"no third-party scores at {path}")
    options = {"arch_column": "nb101_index", "score_columns": ["supernet_valid_acc"]}
    by = ["method", "subset", "seed"]
    scores = read_scores(path, "nb101", nb101_truth, **options, group_columns=by, average_repeats=True)
    assert len(scores.rows) + scores.merged == 210_000
    wanted = (scores.groups["method"] == "baseline_ft_bn") & (scores.groups["subset"] == "full")
    measure = Measure("cifar10", "test", "108", "mean")
    found = correlate_groups(
        scores.take(wanted.to_numpy()), nb101_truth, measure, by=["method"], repeat="seed", resamples=20
    )
    y = nb101_truth.accuracy("cifar10", "test", 108, "mean")
    frame = pd.read_parquet(path).query("method == 'baseline_ft_bn' and subset == 'full'")
    frame = frame.groupby(["seed", "nb101_index"], as_index=False)["supernet_valid_acc"].mean()
    taus = [scipy.stats.kendalltau(f.supernet_valid_acc, y[f.nb101_index]).statistic for _, f in frame.groupby("seed")]
    assert found.groups[0].tau.value == pytest.approx(np.mean(taus))


def test_top_fractions_smaller_than_ten_architectures_are_left_out(truth201):
    found = correlate(table(np.arange(50), {"a": np.arange(50.0)}), truth201, TEST, resamples=20)
    assert [e is not None for e in found.ranked[0].curve] == [f >= 0.25 for f in correlation.FRACTIONS]
    assert "tau_true_top_10%" not in found.ranked[0].estimates
