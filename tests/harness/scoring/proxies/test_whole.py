"""Scores of many architectures: equal to one after the other, whatever the order, processes and interrupts."""

from dataclasses import replace

import numpy as np
import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.scoring.proxies import whole
from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.whole import measured, score

NAMES = ["live-params", "jacob-cov"]
PROBE = Probe("nb201", task="digits", images=4, channels=4, size=8)
SPACE = space("nb201")
SOME = np.concatenate([np.flatnonzero(~SPACE.connected(SPACE.archs()))[:2], [17, 4, 90, 1_000]])


@pytest.mark.parametrize("networks", ["shared", "fresh"])
@pytest.mark.parametrize("name", ["nb201", "nb1shot1-1"])
def test_scores_are_those_of_one_architecture_after_the_other(name, networks):
    probe = replace(PROBE, space=name, networks=networks, channels=8)
    within, some = space(name), np.array([6, 2, 40, 41, 6])
    found = score(probe, NAMES, some, draws=2, workers=1)
    for draw in (0, 1):
        for place, index in enumerate(some.tolist()):
            alone = Sight(probe, draw)  # nothing of another architecture is left in it
            expected = measured(alone, int(probe.first_alike(np.array([index]))[0]), "jacob-cov")
            np.testing.assert_equal(found.values["jacob-cov"][draw, place], expected)
    assert found.values["live-params"].tolist() == [within.params(within.live(within.archs(some))).tolist()]


def test_processes_give_the_same_numbers_as_one():
    one = score(PROBE, NAMES, SOME, draws=2, workers=1)
    whole_block, whole.BLOCK = whole.BLOCK, 1
    try:
        two = score(PROBE, NAMES, SOME, draws=2, workers=2)
    finally:
        whole.BLOCK = whole_block
    for name in NAMES:
        np.testing.assert_array_equal(one.values[name], two.values[name])


def test_disconnected_architectures_have_no_score_and_count_as_nothing():
    found = score(PROBE, NAMES, SOME, workers=1)
    assert np.isnan(found.values["jacob-cov"][0]).tolist() == [True, True, False, False, False, False]
    assert found.values["live-params"][0][:2].tolist() == [0, 0]
    assert found.distinct == 4
    only = score(PROBE, NAMES, SOME[:2], workers=1)
    assert np.isnan(only.values["jacob-cov"]).all()


def test_equal_computations_are_looked_at_once(monkeypatch):
    alike = np.flatnonzero(SPACE.classes("computation") == SPACE.classes("computation")[90])[:3]
    seen = []
    monkeypatch.setattr(whole, "measured", lambda sight, index, name: seen.append(index) or 1.0)
    score(PROBE, ["jacob-cov"], alike, workers=1)
    assert len(seen) == 1
    score(replace(PROBE, networks="fresh"), ["jacob-cov"], alike, workers=1)
    assert len(seen) == 1 + len(alike)


def test_an_interrupted_call_goes_on_where_it_stopped(tmp_path, monkeypatch):
    file, looked = tmp_path / "kept.npz", []

    def stop_after(count):
        def told(done, total):
            looked.append(done)
            if done >= count:
                raise KeyboardInterrupt

        return told

    monkeypatch.setattr(whole, "BLOCK", 1)
    with pytest.raises(KeyboardInterrupt):
        score(PROBE, NAMES, SOME, draws=2, workers=1, keep=file, progress=stop_after(3))
    resumed = score(PROBE, NAMES, SOME, draws=2, workers=1, keep=file, progress=lambda done, _: looked.append(done))
    assert looked == [1, 2, 3, 4, 5, 6, 7, 8]
    expected = score(PROBE, NAMES, SOME, draws=2, workers=1)
    np.testing.assert_array_equal(resumed.values["jacob-cov"], expected.values["jacob-cov"])


def test_an_unknown_score_is_named_with_one_that_exists():
    with pytest.raises(UserError, match="jacob-cov"):
        score(PROBE, ["jacob-cv"], SOME)
