"""Ready questions agree with the reports, with the analysis of a study, and with a computation by hand."""

import json

import numpy as np
import pytest
from made_up_runs import publish, random_scores, scores_of
from made_up_scores import over_uses
from scipy import stats

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json
from supernet.benchmarks.spaces import NB201, space
from supernet.harness.query.database import Database, query
from supernet.harness.query.questions import QUESTIONS, question


def reports(store, **changes):
    """Write the report of a study of learning rates over the runs of the store."""
    runs = {
        rate: query(
            store,
            f"SELECT hash, seed FROM runs WHERE space = 'nb201' AND training_learning_rate = {rate} "
            "AND NOT network_bn_track",
        )
        for rate in (0.025, 0.1)
    }

    def row(heuristic, rate, difference, states=None):
        hashes = dict(zip(runs[rate]["seed"].astype(str), runs[rate]["hash"], strict=True))
        return {
            "heuristic": heuristic, "value": str(rate), "label": f"{heuristic}={rate}" if difference else "base",
            "states": states or dict.fromkeys(hashes, "done"), "hashes": hashes, "taus": dict.fromkeys(hashes, 0.5),
            "tau": {"value": 0.6, "low": 0.5, "high": 0.7, "seeds": 3}, "difference": difference, "collapsed": [],
        }  # fmt: skip

    difference = {"value": 0.12, "low": 0.01, "high": 0.23, "p": 0.01, "p_corrected": 0.02, "q": 0.015}
    content = {
        "name": "rates", "space": "nb201", "measure": {"dataset": "cifar10"}, "base_seeds": [0, 1, 2],
        "rows": [row("base", 0.025, None), row("learning-rate", 0.1, difference, changes.pop("states", None))],
    }  # fmt: skip
    path = store.root.parent / "reports" / "rates" / "report.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content | changes)
    return path


def test_effects_are_those_of_the_report(study):
    reports(study)
    (row,) = query(study, question("effects").sql).itertuples()
    assert (row.study, row.heuristic, row.value, row.seeds, row.base_seeds) == ("rates", "learning-rate", "0.1", 3, 3)
    assert (row.effect, row.low, row.high, row.p_dunnett, row.q) == (0.12, 0.01, 0.23, 0.02, 0.015)
    assert row.verdict == "up"


@pytest.mark.parametrize(("within", "word"), [(0.04, "negligible"), (0.06, "undecided"), (None, "undecided")])
def test_a_change_that_is_not_clear_is_negligible_within_the_margin_of_its_study(study, within, word):
    path = reports(study, margin=0.05)
    content = json.loads(path.read_text())
    content["rows"][1]["difference"] |= {"p_corrected": 0.5, "within": within}
    write_json(path, content)
    assert query(study, question("effects").sql)["verdict"].tolist() == [word]


def test_changes_are_called_as_the_reports_call_them(study):
    reports(study)
    frame = query(study, "SELECT DISTINCT change FROM changes JOIN runs USING (hash) WHERE space = 'nb201' ORDER BY 1")
    assert frame["change"].tolist() == ["base", "evaluation.bn=running, network.bn_track=true", "learning-rate=0.1"]


def test_a_report_that_lacks_finished_runs_is_named(study):
    states = dict.fromkeys(("0", "1", "2"), "missing")
    reports(study, states=states)
    with Database(study) as database:
        (problem,) = (text for text in database.problems if "report of rates" in text)
        assert "lacks 3 runs that are done by now" in problem


def test_two_reports_of_one_study_are_told_apart_and_the_next_command_is_its_own(study):
    """A study whose file was changed keeps its name, and has a folder of its own."""
    path = reports(study, states={"0": "missing", "1": "done", "2": "done"}, command="rates.yaml --set seed=1")
    other = path.parent.with_name("rates-3654c2")
    other.mkdir()
    (other / "report.json").write_bytes(path.read_bytes())
    with Database(study) as database:
        assert database.query(question("effects").sql)["study"].tolist() == ["rates", "rates-3654c2"]
        problems = [text for text in database.problems if "The report of rates" in text]
    assert [text.split(" lacks ")[1] for text in problems] == [
        "1 run that is done by now: `supernet study report rates.yaml --set seed=1` adds it."
    ] * 2


def test_a_training_that_is_also_scored_in_other_ways_is_not_a_second_seed(store):
    within = NB201()
    frame = scores_of("nb201", within.sample(np.random.default_rng(0), 12), np.arange(12), np.arange(12))
    publish(store, frame=frame)
    publish(store, frame=frame, free=("batch-norm",))
    assert query(store, question("seeds").sql)["seeds"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "content", ["[]", "{", "null", '{"base_seeds": 1}', '{"base_seeds": 1, "rows": [1]}', "[" * 100_000, "1" * 5000]
)
def test_a_report_of_another_shape_stops_no_question(study, content):
    reports(study).write_text(content)
    with Database(study) as database:
        assert len(database.query("SELECT * FROM effects")) == 0
        assert len(database.query("SELECT * FROM runs"))


def test_operations_agree_with_a_computation_by_hand(store):
    within = NB201()
    all_of = [within.indices([[op] * 6])[0] for op in range(5)]
    frame = scores_of("nb201", all_of, [1, 5, 3, 3, 3], [80, 81, 82, 83, 84])
    publish(store, frame=frame)
    publish(store, "training.momentum=0.8", frame=frame)
    result = query(store, question("operations").sql).set_index("operation")
    names = [str(option) for option in within.decisions[0].options]
    assert result.loc[names, "uses"].tolist() == [12] * 5
    assert result.loc[names, "mean_points"].tolist() == [0, 75, 0, -25, -50]
    assert result.loc[names, "over_ranked_percent"].tolist() == [0, 100, 0, 0, 0]
    by_change = query(store, question("operations-by-change").sql)
    assert len(by_change) == 10
    assert by_change["uses"].tolist() == [6] * 10
    most = query(store, question("architectures").sql)
    assert most["arch"][0] == within.string(within.arch(all_of[1]))
    assert most["mean_points"].tolist() == [75, 0, 0, -25, -50]
    assert most["runs"].tolist() == [2] * 5


@pytest.mark.parametrize("name", ["nb201", "nb1shot1-1", "nb1shot1-3", "darts"])
def test_operations_agree_with_the_analysis_of_a_study(store, name):
    frame = random_scores(name, 300, seed=3)
    publish(store, within=name, frame=frame)
    found = query(store, question("operations").sql).set_index("operation")
    ranks = (stats.rankdata(frame["negative_loss"]) - 1) / 299
    expected = over_uses(space(name), frame["index"].to_numpy(), frame["true"].to_numpy(), ranks)
    assert set(found.index) == set(expected)
    for operation, points in expected.items():
        assert tuple(found.loc[operation, ["mean_points", "excess_points"]]) == pytest.approx(points, abs=1e-9)


def test_every_ready_question_answers_for_both_benchmarks(study):
    study.fail("0123456789abcdef", "The disk is full.")
    with Database(study) as database:
        for ready in QUESTIONS.values():
            frame = database.query(ready.sql)
            assert len(frame) or ready.name == "effects", ready.name
            assert ready.what.endswith(".")
            if ready.name not in ("effects", "lost"):
                assert set(frame["space"]) == {"nb201", "nb1shot1-1"}, ready.name


def test_other_ready_questions_give_the_right_numbers(study):
    study.fail("0123456789abcdef", "The disk is full.")
    ask = {name: query(study, ready.sql) for name, ready in QUESTIONS.items()}
    assert ask["best"].query("space == 'nb201'")["kendall_tau"].tolist() == [0.8, 0.75, 0.7, 0.6, 0.6, 0.5, 0.3, 0.2]
    assert ask["cost"]["seconds"].tolist()[:3] == [92 + 5.25, 91 + 5.25, 90 + 5.25]
    assert len(ask["cost"]) == 11
    base = ask["seeds"].query("space == 'nb201' and change == 'base'").iloc[0]
    np.testing.assert_allclose(
        base[["seeds", "mean_tau", "sd", "min_tau", "max_tau"]].astype(float), [3, 0.6, 0.1, 0.5, 0.7]
    )
    places = ask["accuracy"].query("space == 'nb201'")[["place_by_accuracy", "place_by_tau"]]
    assert places.to_numpy().tolist() == [[1, 1], [2, 3], [3, 2]]
    proxy = ask["proxy"].set_index("space")
    x, y = [51, 70, 60], [0.6, 2.15 / 3, 0.25]
    assert proxy.loc["nb201", "pearson"] == pytest.approx(stats.pearsonr(x, y)[0])
    assert proxy.loc["nb201", "spearman"] == pytest.approx(stats.spearmanr(x, y)[0])
    assert np.isnan(proxy.loc["nb1shot1-1", "pearson"])
    against = ask["params"].query("space == 'nb201' and change == 'base'").iloc[0]
    assert against["difference"] == pytest.approx(0.05)
    assert against["better"] == 2
    assert against["score_with_params"] == pytest.approx(stats.spearmanr([-1.0, -0.5, -2.0], [0, 1, 2])[0])
    lost = ask["lost"][["state", "problem"]].to_numpy().tolist()
    assert lost == [["diverged", "The loss is not finite."], ["failed", "The disk is full."]]


def test_an_unknown_ready_question_is_named_with_the_nearest():
    with pytest.raises(UserError, match=r"no ready question 'efects'.*Did you mean effects"):
        question("efects")
