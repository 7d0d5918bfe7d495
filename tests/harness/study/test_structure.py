"""What a study says of displaced ranks, of sizes, and of what costs no training; all scores are made up."""

import copy
import dataclasses
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import rankdata

from supernet.benchmarks.spaces import space
from supernet.harness.report.study import structure_figure, structure_tables
from supernet.harness.report.study.tables import write_tables
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics
from supernet.harness.statistics.seeds import Difference, compare
from supernet.harness.study import structure_findings as findings
from supernet.harness.study.free import ensemble, free_of, mean_ranks_tau
from supernet.harness.study.results import Analysis, Row
from supernet.harness.study.sizes import by_size, given_size
from supernet.harness.study.structure import structure_of
from supernet.heuristics.recipe import Recipe

SETTINGS = {"base": 12, "sees-more": 3, "sees-size": 3, "skips": 3}
SKIP, EDGE = 1, 3


@pytest.fixture(scope="module")
def made_up():
    """Three settings against a base: one knows more, one only more of size, one likes a skip connection."""
    within, rng = space("nb201"), np.random.default_rng(0)
    indices = np.sort(within.sample(rng, 300))
    archs = within.archs(indices)
    params = within.params(archs).astype(np.float64)
    size = (params - params.mean()) / params.std()
    y = size + rng.normal(size=300)
    signal = {
        "base": 0.5 * y, "sees-more": 3 * y, "sees-size": 0.5 * y + 3 * size,
        "skips": 0.5 * y + 2 * (archs[:, EDGE] == SKIP),
    }  # fmt: skip
    scores = {
        label: {seed: signal[label] + rng.normal(size=300) for seed in range(count)}
        for label, count in SETTINGS.items()
    }
    draws = {
        label: {s: stats.bootstrap({"": stats.kendall_statistic(x, y)}, 300, count=60)[""] for s, x in of.items()}
        for label, of in scores.items()
    }
    given = given_size(scores, draws, list(SETTINGS), params, y)
    return SimpleNamespace(
        within=within, indices=indices, y=y, params=params, scores=scores, draws=draws, given=given,
        structure=structure_of(within, indices, y, params, scores, given),
    )  # fmt: skip


def other_taus(x, y, rng):
    """Metrics of a run that is scored worse on a quarter of its images, and better with recalibrated batch norm."""
    tau = metrics.kendall_tau(x, y)
    quarter, recalibrated = tau - 0.1 + 0.01 * rng.normal(), tau + 0.05 + 0.01 * rng.normal()
    return {"kendall_tau": tau, "quarter_tau": quarter, "bn_batch_tau": tau, "bn_recalibrate_tau": recalibrated}


@pytest.fixture(scope="module")
def free(made_up):
    """Runs of which loss and accuracy are scores of different noise, after two epochs, with metrics of other scores."""
    rng = np.random.default_rng(1)
    done = {
        label: {
            seed: SimpleNamespace(
                loss=x,
                accuracy=x + rng.normal(size=300),
                scores=np.stack([x + rng.normal(size=300), x]),
                metrics=other_taus(x, made_up.y, rng) if label != "skips" else {},
            )
            for seed, x in of.items()
        }
        for label, of in made_up.scores.items()
    }
    gathered = SimpleNamespace(
        settings=[SimpleNamespace(label=label, recipe=Recipe()) for label in SETTINGS], done=done,
        study=SimpleNamespace(last_epochs=2),
    )  # fmt: skip
    return gathered, free_of(gathered, made_up.y)


@pytest.fixture(scope="module")
def analysis(made_up, free):
    """An analysis with these numbers alone."""
    taus = {
        label: np.array([metrics.kendall_tau(x, made_up.y) for x in of.values()])
        for label, of in made_up.scores.items()
    }
    found = compare(taus["base"], [taus[label] for label in list(SETTINGS)[1:]])
    rows = [Row("base", "as given", "base", "", dict.fromkeys(range(12), "done"))]
    for label, d, p in zip(list(SETTINGS)[1:], found.differences, made_up.given.comparisons.differences, strict=True):
        rows.append(Row(label, "on", label, "", dict.fromkeys(range(3), "done"), difference=d, partial_difference=p))
    empty = dict.fromkeys(field.name for field in dataclasses.fields(Analysis))
    return Analysis(
        **{**empty, "architectures": 300, "rows": rows, "findings": [], "structure": made_up.structure, "free": free[1]}
    )


# ---- sizes -----------------------------------------------------------------------------------------------------------


def test_partial_taus_are_compared_as_taus_are(made_up):
    values = {
        label: np.array([metrics.partial_tau(x, made_up.y, made_up.params) for x in of.values()])
        for label, of in made_up.scores.items()
    }
    for label, mean in made_up.given.means.items():
        assert mean.value == pytest.approx(values[label].mean())
        assert mean.low < mean.value < mean.high
    plain = compare(values["base"], [values[label] for label in list(SETTINGS)[1:]])
    for found, expected in zip(made_up.given.comparisons.differences, plain.differences, strict=True):
        assert found.value == pytest.approx(expected.value)
        assert found.p >= expected.p, "the choice of architectures comes on top"
    more, size, _ = made_up.given.comparisons.differences
    assert more.clear
    assert more.value > 0
    assert not size.clear, "what follows size more says no more beside it"


def test_the_error_of_a_partial_tau_is_that_of_resampled_architectures(made_up):
    rng, x = np.random.default_rng(0), made_up.scores["base"][0]
    plain = []
    for _ in range(300):
        rows = rng.integers(300, size=300)
        plain.append(metrics.partial_tau(x[rows], made_up.y[rows], made_up.params[rows]))
    counts = {
        "st": stats.kendall_statistic(x, made_up.y), "sc": stats.kendall_statistic(x, made_up.params),
        "tc": stats.kendall_statistic(made_up.y, made_up.params),
    }  # fmt: skip
    draws = stats.bootstrap(counts, 300, count=300)
    assert np.std(metrics.partial_of(draws["st"], draws["sc"], draws["tc"])) == pytest.approx(np.std(plain), rel=0.15)


def test_tau_by_size_adds_up_and_is_that_of_pairs(made_up):
    strata, sizes = by_size(made_up.scores, made_up.given, made_up.params, made_up.y)
    assert strata.equal
    assert strata.count == len(np.unique(made_up.params))
    for one in sizes:
        taus = [metrics.kendall_tau(x, made_up.y) for x in made_up.scores[one.label].values()]
        assert one.from_within + one.from_between == pytest.approx(np.mean(taus))
    pairs = [(i, j) for i, j in itertools.combinations(range(300), 2) if made_up.params[i] == made_up.params[j]]
    assert strata.pairs == pytest.approx(len(pairs) / (300 * 299 / 2))
    first, second = np.array(pairs).T
    signs = [
        np.sign(x[first] - x[second]) * np.sign(made_up.y[first] - made_up.y[second])
        for x in made_up.scores["base"].values()
    ]
    assert sizes[0].within.value == pytest.approx(np.mean(signs))


# ---- what is free ----------------------------------------------------------------------------------------------------


def test_free_factors_are_paired_by_run(made_up, free):
    gathered, found = free
    y = made_up.y
    metric, epochs = [], []
    for of in gathered.done.values():
        metric.append([metrics.kendall_tau(r.loss, y) - metrics.kendall_tau(r.accuracy, y) for r in of.values()])
        ranks = [rankdata(r.scores[0]) + rankdata(r.scores[1]) for r in of.values()]
        epochs.append(
            [
                metrics.kendall_tau(x, y) - metrics.kendall_tau(r.loss, y)
                for x, r in zip(ranks, of.values(), strict=True)
            ]
        )
    assert found.metric.value == pytest.approx(np.mean([np.mean(v) for v in metric]))
    assert found.epochs.value == pytest.approx(np.mean([np.mean(v) for v in epochs]))
    assert found.metric.low > 0
    assert found.epochs.high < 0, "the earlier epoch is noisier"
    assert (found.metric.runs, found.metric.blocks) == (21, 4)
    assert [(e.label, e.seeds) for e in found.ensembles] == list(SETTINGS.items())


def test_more_images_and_other_statistics_are_paired_in_runs_that_have_them(free):
    _, found = free
    assert found.images.value == pytest.approx(0.1, abs=0.01)
    assert (found.images.runs, found.images.blocks) == (18, 3), "one setting has runs of an earlier version"
    (one,) = found.statistics
    assert (one.own, one.other) == ("batch", "recalibrate")
    assert one.difference.value == pytest.approx(0.05, abs=0.01)
    assert one.difference.low < one.difference.value < one.difference.high


def test_own_statistics_are_those_of_a_setting(made_up, free):
    gathered = copy.deepcopy(free[0])
    gathered.settings[1].recipe = Recipe().override(["evaluation.bn=recalibrate"])
    pairs = {(s.own, s.other): s.difference for s in free_of(gathered, made_up.y).statistics}
    assert list(pairs) == [("batch", "recalibrate"), ("recalibrate", "batch")]
    assert pairs["recalibrate", "batch"].value == pytest.approx(-0.05, abs=0.02)
    assert [pairs[key].blocks for key in pairs] == [2, 1]


def test_one_scored_epoch_has_nothing_to_average(made_up, free):
    gathered = SimpleNamespace(**{**vars(free[0]), "study": SimpleNamespace(last_epochs=1)})
    assert free_of(gathered, made_up.y).epochs is None


def test_an_ensemble_is_the_ranking_by_mean_rank(made_up):
    scores = list(made_up.scores["base"].values())
    found = ensemble("base", scores, made_up.y)
    taus = [metrics.kendall_tau(x, made_up.y) for x in scores]
    assert found.single == pytest.approx(np.mean(taus))
    averaged = metrics.kendall_tau(sum(rankdata(x) for x in scores), made_up.y)
    assert found.gain.value == pytest.approx(averaged - np.mean(taus))
    assert found.gain.low > 0, "averaging noise of twelve seeds helps"
    assert ensemble("few", scores[:3], made_up.y).gain.low is None
    assert mean_ranks_tau([scores[0], scores[0]], made_up.y) == pytest.approx(taus[0])


# ---- words, tables, figure -------------------------------------------------------------------------------------------


def test_the_findings_say_what_the_numbers_are(analysis):
    words = [sentence for rule in findings.RULES if (sentence := rule(analysis))]
    assert len(words) == len(findings.RULES)
    base = analysis.structure.displaced[0]
    assert f"displaces architectures by {base.sd:.0f} percentile points" in words[0]
    assert "these shares are explained: operations " in words[0]
    assert words[3].startswith("1 of 3 changes clearly changes the partial tau")
    assert "sees-more" not in words[3], "it is clear in both"
    assert "clear in tau alone: sees-size (+0.00 [" in words[3]
    assert "clearly raises tau: +0." in words[4]
    assert words[5].startswith("Scoring on all images instead of the first quarter of them clearly raises tau")
    assert "18 runs of 3 settings" in words[5]
    assert words[6].startswith(
        "Scoring with recalibrated statistics of batch norm instead of the statistics of each batch"
    )
    assert "on 100 of the architectures" in words[6]
    assert "last 2 epochs instead of the last clearly lowers tau" in words[7]
    assert "base's 12 seeds reach a tau of" in words[8]


def test_noise_and_missing_numbers_are_not_made_into_claims(analysis):
    bare = dataclasses.replace(analysis, structure=None, free=None, rows=analysis.rows[:1])
    assert [rule(bare) for rule in findings.RULES] == [None] * len(findings.RULES)
    assert "no single choice clearly too high or too low" in findings.choices(analysis)
    untested = Difference(0.1, None, None, None, None, None)
    rows = [analysis.rows[0], dataclasses.replace(analysis.rows[1], difference=untested, partial_difference=untested)]
    assert findings.given_size(dataclasses.replace(analysis, rows=rows)) is None


def test_a_setting_that_likes_a_skip_shows_it(made_up):
    given = dataclasses.replace(made_up.given, means={"skips": made_up.given.means["skips"]})
    found = structure_of(made_up.within, made_up.indices, made_up.y, made_up.params, made_up.scores, given)
    top = max(found.effects, key=lambda e: e.mean.value)
    assert (top.decision, top.option) == ("e3<-0", "skip_connect")
    shares = {one.label: one.common.value for one in made_up.structure.displaced}
    assert shares["skips"] > shares["base"] + 0.1


def test_tables_and_figure_have_every_setting(analysis, tmp_path):
    frame = structure_tables.structure(analysis)
    assert frame["heuristic"].tolist() == list(SETTINGS)
    assert frame["p_dunnett"].isna().tolist() == [True, False, False, False]
    assert len(structure_tables.short_structure(analysis)) == 4
    assert len(structure_tables.displaced(analysis)) == 30
    changes = structure_tables.free(analysis)["change"].tolist()
    assert changes[:5] == [
        "loss minus accuracy", "all images minus the first quarter", "batch norm in scoring: recalibrate minus batch",
        "mean ranks of 2 epochs minus the last", "mean ranks of 12 seeds minus one seed",
    ]  # fmt: skip
    write_tables(analysis, tmp_path)
    assert "depth and layers, \\%" in (tmp_path / "structure.tex").read_text()
    assert (tmp_path / "free.csv").exists()
    figure = structure_figure.structure(analysis, analysis.rows)
    left, right = figure.axes
    assert [text.get_text() for text in left.get_yticklabels()] == list(SETTINGS)
    assert len(right.get_yticklabels()) == structure_figure.MOST_EFFECTS
    assert structure_figure.known(analysis)
    assert not structure_figure.known(dataclasses.replace(analysis, structure=None))
    json.dumps(dataclasses.asdict(analysis), allow_nan=False)
