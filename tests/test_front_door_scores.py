"""`import supernet as sn` with scores from elsewhere, and the ground truth that they are compared with."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.harness.correlation.truth import check_agreement, ground_truth
from supernet.harness.statistics.metrics import kendall_tau

pytestmark = pytest.mark.usefixtures("embedded_alone")

EVIL = "<script>alert(1)</script>"


def scores_file(path, count=40):
    truth = sn.ground_truth("nb201", "digits").frame().head(count)
    truth.assign(mine=np.arange(count) % 7, **{EVIL: np.arange(count)}).to_csv(path, index=False)
    return path


# ---- scores from elsewhere -----------------------------------------------------------------------------------------


def test_scores_come_from_files_frames_and_mappings_alike(tmp_path):
    path = scores_file(tmp_path / "scores.csv")
    frame = pd.read_csv(path)[["arch", "mine"]]
    found = [
        sn.correlate(given, "nb201", "digits/test@1", score_columns=columns, resamples=20).frame().iloc[0]
        for given, columns in (
            (path, ["mine"]),
            (str(path), ["mine"]),
            (frame, []),
            (frame.set_index("arch"), []),
            (frame.set_index("arch")["mine"], []),
            (path, "mine"),
            (dict(zip(frame["arch"], frame["mine"].tolist(), strict=True)), []),
        )
    ]
    assert all(one.tolist() == found[0].tolist() for one in found)


def test_names_from_a_file_are_no_markup(tmp_path):
    report = sn.correlate(scores_file(tmp_path / "scores.csv"), "nb201", "digits", resamples=20)
    assert EVIL in report.frame().index
    assert "<script>" not in report._repr_html_()
    assert "&lt;script&gt;" in report._repr_html_()
    report.plot("ranks", EVIL).savefig(tmp_path / "ranks.png")


def test_names_that_are_no_text_come_escaped(tmp_path):
    keys = sn.ground_truth("nb201", "digits").frame()["arch"].tolist()
    records = [{"arch": key, "\udcff": k, "of": "a\ud800"} for k, key in enumerate(keys[:20])]
    (tmp_path / "scores.json").write_text(json.dumps(records))
    asked = {"score_columns": "\udcff", "resamples": 20}
    assert "\\udcff" in sn.correlate(tmp_path / "scores.json", "nb201", "digits", **asked).frame().index
    groups = sn.correlate(tmp_path / "scores.json", "nb201", "digits", by="of", **asked)
    assert groups.frame()["of"].tolist() == ["a\\ud800"]
    for found in (groups, sn.correlate(tmp_path / "scores.json", "nb201", "digits", **asked)):
        found._repr_html_().encode("utf-8")
        found.plot().savefig(tmp_path / "figure.png")


def test_architectures_that_the_table_lacks_are_left_out_where_only_measured_ones_are_asked_for():
    there = sn.ground_truth("nb201", "digits").frame()["arch"].head(20)
    within = sn.space("nb201")
    there = [within.index(within.parse(arch)) for arch in there]
    given = {**{index: float(k % 7) for k, index in enumerate(there)}, 0: 1.0, 1: 2.0}
    with pytest.raises(UserError, match="architecture 0 is not in nb201-digits"):
        sn.correlate(given, "nb201", "digits", resamples=20)
    found = sn.correlate(given, "nb201", "digits", resamples=20, only_measured=True)
    assert found.report.architectures == 20
    assert "2 of 22 rows name architectures that are not in nb201-digits.parquet: left out." in found.notes
    alone = sn.correlate({index: given[index] for index in there}, "nb201", "digits", resamples=20)
    assert found.tau == alone.tau
    with pytest.raises(UserError, match="index 20000 is outside"):
        sn.correlate({**given, 20000: 1.0}, "nb201", "digits", resamples=20, only_measured=True)
    empty = sn.correlate({**given, 0: float("nan")}, "nb201", "digits", resamples=20, only_measured=True)
    assert empty.tau == alone.tau, "a line that is left out needs no score"
    repeated = pd.DataFrame({"arch": [*there, *there, 0, 0], "score": np.arange(42) % 5})
    merged = sn.correlate(repeated, "nb201", "digits", resamples=20, only_measured=True, average_repeats=True)
    assert merged.report.architectures == 20


def test_groups_are_compared_one_by_one(tmp_path):
    frame = pd.concat([pd.read_csv(scores_file(tmp_path / "scores.csv"))[["arch", "mine"]].assign(method=name)
                       for name in ("a", EVIL)])  # fmt: skip
    found = sn.correlate(frame, "nb201", "digits", by=["method"], resamples=20, out=tmp_path / "report")
    assert sorted(found.frame()["method"]) == sorted(["a", EVIL])
    assert isinstance(found.plot(), Figure)
    assert "<script>" not in found._repr_html_()
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == json.loads(json.dumps(found.as_json()))
    with pytest.raises(UserError, match="`repeat`"):
        sn.correlate(frame, "nb201", "digits", repeat="method")


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"score": [1.0, 2.0]}), "no architecture column"),
        (pd.DataFrame({"arch": [0, 1], "score": [1.0, np.nan]}), "row 1: score is nan"),
        (pd.DataFrame({"arch": [16, 16, 44], "score": [1.0, 2.0, 3.0]}), "repeats an architecture"),
        (pd.DataFrame({"arch": [0, 1], "score": [1.0, 2.0]}), "architecture 0 is not in nb201-digits"),
        (pd.DataFrame([[1, 2, 3]], columns=["arch", "s", "s"]), "more than one column"),
        (pd.DataFrame(), "no architecture column"),
        ({}, "no numeric score column|cannot be used|needs"),
    ],
)
def test_frames_that_cannot_be_used_are_one_sentence(frame, said):
    with pytest.raises(UserError, match=said):
        sn.correlate(frame, "nb201", "digits")


@pytest.mark.parametrize(
    ("space", "measure", "said"),
    [("nb200", "digits", "did you mean nb201"), ("nb201", "a/b/c/d", "names no ground truth"), ("nb201", "", "names"),
     ("nb201", "digits@7", "digits"), ("nb201", None, "Name the data set")],
)  # fmt: skip
def test_ground_truth_that_is_not_there(space, measure, said):
    with pytest.raises(UserError, match=said):
        sn.ground_truth(space, measure)


def test_the_tau_of_darts_cells_that_the_documentation_leaves_out_is_that_of_the_embedded_table():
    known = sn.ground_truth("darts", "digits")
    tau = kendall_tau(known.table.params("digits"), known.accuracy())
    text = (Path(__file__).parents[1] / "docs" / "scores.md").read_text(encoding="utf-8")
    assert f"DARTS cells (where the tau of\nparameter count is {tau:.2f})" in text


def test_ground_truth_is_spelled_in_one_text_or_in_parts():
    known = sn.ground_truth("nb201", "digits/test@1/mean")
    assert known.measure == sn.ground_truth("nb201", dataset="digits", epochs=1).measure
    assert known.measure == sn.ground_truth("nb201", "digits").measure
    assert known.accuracy().shape == (len(known.table),)
    with pytest.raises(UserError, match="Name the space"):
        sn.correlate({0: 1.0}, "nb201")


# ---- ground truth that is an object ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"space": "nb101"}, "of nb201, but space='nb101' asks for another"),
        ({"table": "nb201_nats"}, "table='nb201_nats' asks for another"),
        ({"space": "nb101", "table": "/data/other.parquet"}, "space='nb101', table='/data/other.parquet' asks"),
    ],
)
def test_arguments_that_contradict_a_ground_truth_are_refused(about, message, tmp_path):
    truth = sn.ground_truth("nb201", "digits/test@1")
    path = scores_file(tmp_path / "scores.csv")
    with pytest.raises(UserError, match=message):
        sn.correlate(path, truth=truth, resamples=20, **about)
    for agreeing in ({}, {"space": "nb201", "table": "nb201-digits"}, {"table": str(truth.table.path)}):
        assert sn.correlate(path, truth=truth, score_columns="mine", resamples=20, **agreeing).known is truth


def test_ground_truth_that_is_given_may_be_named_in_the_benchmarks_own_spelling():
    known = ground_truth("nb201", "digits")
    check_agreement(known, space="nb201", dataset="Digits", split="test", epochs=1)
    for other in ({"epochs": "-1"}, {"dataset": "CIFAR-10"}, {"space": "NB-201"}):
        with pytest.raises(UserError, match="asks for another"):
            check_agreement(known, **other)
