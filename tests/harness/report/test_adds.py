"""The report on what super-nets add to training-free scores."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.correlation.truth import ground_truth
from supernet.harness.report.adds import made as making
from supernet.harness.report.adds import result
from supernet.harness.report.adds.stages import Scores, measured, rankings, variants
from supernet.harness.report.correlation import ranked
from supernet.harness.statistics.fusion import fuse, mean_of_ranks, over_classes

WITHIN = space("nb201")
KNOWN = ground_truth("nb201", "digits")


def made_up(n=200, nets=3, draws=2, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    noisy = lambda sd, *shape: y + sd * rng.normal(size=(*shape, n))  # noqa: E731
    scores = Scores(noisy(2.0), noisy(1.5), noisy(2.0, draws), noisy(1.0, nets), rng.integers(60, size=n))
    return scores, y


def test_stages_are_the_rankings_that_they_name():
    scores, y = made_up()
    stages, _ = measured(scores, y, {"free-1": 5.0}, resamples=30)
    by_name = {stage.name: stage for stage in stages}
    free = {"live-params": scores.live, "jacob-cov": scores.draws}
    alone = kendalltau(fuse(free), y)[0]
    assert by_name["free-1"].tau.value == pytest.approx(alone)
    assert by_name["free-1"].seconds == 5
    assert by_name["free-1"].gain is None
    singles = [kendalltau(fuse({**free, "net": net}, {"net": 0.25}), y)[0] for net in scores.nets]
    assert by_name["free-1 + one super-net"].tau.value == pytest.approx(np.mean(singles))
    assert by_name["free-1 + one super-net"].gain.value == pytest.approx(np.mean(singles) - alone)
    assert by_name["free-1 + one super-net"].gain.seeds == 3
    every = kendalltau(fuse({**free, "net": scores.nets}, {"net": 0.25}), y)[0]
    assert by_name["free-1 + 3 super-nets"].gain.value == pytest.approx(every - alone)
    assert by_name["jacob_cov alone"].tau.value == pytest.approx(kendalltau(mean_of_ranks(scores.draws), y)[0])
    best = y >= np.sort(y)[-20]
    assert by_name["parameter count"].top10.value == pytest.approx(kendalltau(scores.params[best], y[best])[0])
    assert all(stage.tau.low < stage.tau.value < stage.tau.high for stage in stages)


def test_one_draw_and_one_super_net_have_no_stage_of_several():
    scores, _ = made_up(nets=1, draws=1)
    names = list(rankings(scores))
    assert "free-1 with one draw" not in names
    assert names[-1] == "free-1 + one super-net"


def test_variants_fuse_the_same_scores_in_other_ways():
    scores, _ = made_up()
    found = variants(scores)
    twins = {"live-params": scores.live, "jacob-cov": over_classes(mean_of_ranks(scores.draws), scores.twins)}
    twins["net"] = over_classes(mean_of_ranks(scores.nets), scores.twins)
    np.testing.assert_allclose(found["averaged over equal functions"], fuse(twins, {"net": 0.25}))
    assert len({tuple(np.argsort(x)) for x in found.values()}) == len(found)


def test_the_report_is_written_with_every_number(without_computing, tmp_path):
    found = sn.adds(task="digits", channels=4, cells=1, seeds=2, draws=2, resamples=20, out=tmp_path)
    folder = tmp_path / "report"
    assert found.write(str(folder)) == folder / "index.html"
    assert {path.name for path in folder.iterdir()} == {
        "index.html", "adds.json", "stages.csv", "stages-1.tex", "stages.svg", "stages.png",
    }  # fmt: skip
    frame = pd.read_csv(folder / "stages.csv")
    assert frame["stage"].tolist() == [stage.name for stage in found.grounds[0].stages]
    assert frame["architectures"].eq(400).all()
    seconds = dict(zip(frame["stage"], frame["seconds"], strict=True))
    assert seconds["free-1"] == 100.5
    assert seconds["free-1 + 2 super-nets"] == 114.5
    page = (folder / "index.html").read_text()
    assert "What super-nets add to training-free scores on NAS-Bench-201" in page
    assert "best of the 78 pairs" in page
    assert json.loads((folder / "adds.json").read_text())["draws"] == 2
    assert "digits test accuracy, 1 epoch: free-1 ranks" in found.findings()[0]


def test_architectures_whose_ground_truth_trained_a_super_net_are_judged_by_nothing(without_computing, tmp_path):
    known, indices, _ = next(making.truths(WITHIN))
    asked = np.sort(indices[:7])
    plain = result.made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(result, "made", lambda *given: _with_landmarks(plain(*given), asked))
        found = sn.adds(task="digits", channels=4, cells=1, seeds=2, draws=1, resamples=20, out=tmp_path)
    assert found.grounds[0].architectures == known.accuracy().size - 7
    assert found.frame()["tau"].notna().all()
    assert "trained with the ground truth of 7 architectures" in found.notes()[-1]
    assert "trained with the ground truth of 7 architectures" in (tmp_path / "report" / "index.html").read_text()


def _with_landmarks(found, asked):
    """Super-nets that give these architectures no score, as rankings leave landmarks out."""
    found.nets[:, asked] = np.nan
    return replace(found, asked=asked)


def test_a_super_net_says_whose_ground_truth_trained_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ranked, "_compared", lambda *given: None)
    recipe = sn.Recipe().override(
        ["space=nb201-topology", "task.name=digits", "task.train_images=64", "task.valid_images=32",
         "training.epochs=1", "training.batch_size=32", "network.channels=4", "network.cells=1",
         "evaluation.images=32", "methods.landmarks.count=5", "methods.landmarks.begin=0",
         "methods.landmarks.schedule=constant"]
    )  # fmt: skip
    job = making._Net(recipe.as_dict(), 32, tmp_path / "net", "cpu")
    first, again = (making._net(job, lambda share: None) for _ in range(2))
    assert len(first.asked) == 5
    assert first.asked.tolist() == again.asked.tolist()
    within = space(recipe.space)
    others = within.distinct()
    others = others[~np.isin(others, within.same_entry(first.asked))]
    assert len(others) == len(within.distinct()) - 5
    assert np.isfinite(first.scores[others]).all()
    path = next(job.folder.glob("scores*.parquet"))
    frame = pd.read_parquet(path)
    frame[frame["index"] != others[0]].to_parquet(path)
    with pytest.raises(UserError, match="lacks scores of some architectures"):
        making._net(job, lambda share: None)


def test_parts_are_computed_once_and_found_again(tmp_path, monkeypatch):
    few = np.array([3, 93, 77])
    calls = []

    class Small:
        """NAS-Bench-201 with three architectures."""

        name, distinct_class = "nb201", None

        def __len__(self):
            return len(few)

        def archs(self, indices=None):
            return WITHIN.archs(few if indices is None else few[indices])

        def connected(self, archs, cells=None):
            return WITHIN.connected(archs, cells)

        def same_computation(self, indices):
            return indices

        same_entry = same_computation

        def distinct(self):
            return np.arange(len(few))

    def free_scores(name, scores, *, draws, out, watch, **probe):
        calls.append(probe)
        found = sn.free_scores(name, scores, few, draws=draws, out=out, workers=1, images=4, **probe)
        return found

    def rank(run, archs, **how):
        calls.append(run.recipe.seed)
        found = sn.rank(run, few, **how)
        frame = pd.read_parquet(found.files.scores)
        frame["index"] = range(3)
        frame.to_parquet(found.files.scores)
        return found

    monkeypatch.setattr(making, "space", lambda name: Small())
    monkeypatch.setattr(making, "free_scores", free_scores)
    monkeypatch.setattr(making, "rank", rank)
    recipe = sn.Recipe().override(
        ["task.name=digits", "task.train_images=64", "task.valid_images=32", "training.epochs=1",
         "training.batch_size=32", "network.channels=4", "network.cells=1", "evaluation.images=32"]
    )  # fmt: skip
    first = making.made(recipe, [1, 2], 2, 32, tmp_path, "cpu", making.Watch(), 1)
    assert [call for call in calls if isinstance(call, int)] == [1, 2]
    again = making.made(recipe, [1, 2], 2, 32, tmp_path, "cpu", making.Watch(), 1)
    assert len(calls) == 3
    np.testing.assert_array_equal(first.nets, again.nets)
    np.testing.assert_array_equal(first.draws, again.draws)
    assert first.net_seconds == again.net_seconds
    assert first.nets.shape == (2, 3)
    costs = tmp_path / "super-net-1" / "costs.json"
    before = json.loads(costs.read_text())
    costs.write_text(json.dumps({key: value for key, value in before.items() if key != "asked"}))
    with pytest.raises(UserError, match="an earlier version"):
        making.made(recipe, [1], 2, 32, tmp_path, "cpu", making.Watch(), 1)
    costs.write_text(json.dumps(before))
    with pytest.raises(UserError, match="another recipe"):
        making.made(recipe.override(["space=nb201-topology"]), [1], 2, 32, tmp_path, "cpu", making.Watch(), 1)
    assert len(calls) == 4, "scores of another space were used"
    with pytest.raises(UserError, match="another recipe"):
        making.made(recipe.override(["training.epochs=2"]), [1], 2, 32, tmp_path, "cpu", making.Watch(), 1)


@pytest.mark.parametrize("how", [{"seeds": 0}, {"draws": 51}, {"seeds": True}])
def test_impossible_numbers_are_refused(how, tmp_path):
    with pytest.raises(UserError, match=next(iter(how))):
        sn.adds(task="digits", out=tmp_path, **how)
