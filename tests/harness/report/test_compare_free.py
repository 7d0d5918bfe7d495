"""Training-free scores beside each other, against plain computations from the scores themselves."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import kendalltau

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.harness.commands.proxies import proxies
from supernet.harness.correlation.truth import ground_truth
from supernet.harness.statistics.metrics import partial_tau

SMALL = {"archs": 14, "draws": 2, "images": 4, "channels": 4, "workers": 1, "resamples": 40}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    out = tmp_path_factory.mktemp("compared")
    return sn.compare_free("nb201", "jacob-cov,grad-norm", out=out, **SMALL), out


def test_each_score_is_judged_by_its_mean_over_draws(found):
    result, _ = found
    scored = {
        kind: sn.free_scores("nb201", "live-params,jacob-cov,grad-norm", _sampled(), draws=2, task="digits",
                             networks=kind, images=4, channels=4, workers=1).scored.values
        for kind in ("shared", "fresh")
    }  # fmt: skip
    y = _truth()
    live = scored["shared"]["live-params"][0]
    rows = {(each.name, each.networks): each for each in result.scores}
    assert rows.keys() == {("live-params", ""), *((n, k) for n in ("jacob-cov", "grad-norm") for k in scored)}
    for kind in scored:
        x = np.nan_to_num(scored[kind]["grad-norm"], nan=-1e9)
        row = rows["grad-norm", kind]
        assert row.tau == pytest.approx(np.mean([kendalltau(each, y)[0] for each in x]))
        assert row.partial == pytest.approx(np.mean([partial_tau(each, y, live) for each in x]))
        assert row.agreement == pytest.approx(kendalltau(*x)[0])
        assert row.low <= row.tau <= row.high
    shared, fresh = (np.nan_to_num(scored[kind]["grad-norm"], nan=-1e9) for kind in ("shared", "fresh"))
    expected = np.mean([kendalltau(a, b)[0] for a, b in zip(shared, fresh, strict=True)])
    assert rows["grad-norm", "shared"].like_fresh == pytest.approx(expected)
    assert rows["grad-norm", "fresh"].like_fresh is None
    assert rows["live-params", ""].partial is None
    pairs = result.frame("pairs")
    assert pairs.loc["grad-norm", "live-params"] == pytest.approx(partial_tau(shared[0], y, live))


def _sampled():
    """The architectures of the comparison."""
    from supernet.benchmarks.spaces import space
    from supernet.harness.scoring.selection import selected

    return selected(space("nb201"), 14, 0, ground_truth("nb201", "digits"))


def _truth():
    from supernet.benchmarks.spaces import space
    from supernet.benchmarks.truth.join import truth_rows

    known = ground_truth("nb201", "digits")
    return known.accuracy()[truth_rows(space("nb201"), _sampled(), known.table)]


def test_files_hold_every_number(found):
    result, out = found
    assert {p.name for p in out.iterdir()} == {"scores.csv", "pairs.csv", "comparison.json", "taus.svg", "taus.png"}
    assert json.loads((out / "comparison.json").read_text())["draws"] == 2
    frame = pd.read_csv(out / "scores.csv")
    np.testing.assert_allclose(frame["tau"], [each.tau for each in result.scores], rtol=1e-4)
    assert frame["tau"].is_monotonic_decreasing


def test_the_command_prints_the_table(tmp_path):
    arguments = ["nb201", "--with", "jacob-cov", "--archs", "12", "--draws", "1", "--images", "4", "--channels", "4"]
    said = CliRunner().invoke(
        proxies, [*arguments, "--networks", "shared", "--workers", "1", "--out", str(tmp_path)], catch_exceptions=False
    )
    assert "jacob-cov" in said.output
    assert "12 architectures of nb201 against digits test" in said.output


def test_architectures_without_ground_truth_are_left_out_and_counted():
    counts = {**SMALL, "scores": "params", "networks": "shared", "draws": 1}
    every = sn.compare_free("nb201", **{**counts, "archs": "all"})
    assert every.architectures == 400
    (note,) = every.notes
    assert "15,225 of 15,625 architectures have no ground truth" in note
    assert note in every._repr_html_()
    sampled = sn.compare_free("nb201", **{**counts, "archs": 400})
    assert sampled.notes == []
    (one,), (other,) = (
        [each.tau for each in found.scores if each.name == "params"] for found in (every, sampled)
    )  # fmt: skip
    assert one == other
    listed = sn.compare_free("nb201", **{**counts, "archs": [0, 1, *_sampled().tolist()]})
    assert listed.architectures == 14


def test_one_kind_of_networks_may_be_a_text():
    found = sn.compare_free("nb201", "params", **{**SMALL, "networks": "fresh"})
    assert found.probe["networks"] == "fresh"


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"scores": "jacob"}, "jacob-cov"),
        ({"archs": 5}, "10 or more"),
        ({"archs": [0, 1, 2]}, "ranking of 0 architectures"),
        ({"draws": 0}, "draws"),
        ({"networks": "Fresh"}, "no networks 'Fresh'; did you mean fresh"),
        ({"networks": ()}, "`networks` is empty"),
        ({"resamples": 0}, "20 resamples or more"),
        ({"image": 8}, "no setting 'image'; did you mean images"),
    ],
)
def test_what_cannot_be_compared_is_said(how, word):
    with pytest.raises(UserError, match=word):
        sn.compare_free("nb201", **{**SMALL, **how})
