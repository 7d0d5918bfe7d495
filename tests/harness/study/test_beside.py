"""What runs score beside their own scores: a quarter of the images, and other statistics of batch norm."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from supernet.harness.runs.execute import execute
from supernet.harness.scoring.supernet import rank
from supernet.harness.statistics import metrics
from supernet.harness.study import beside
from supernet.harness.study.plan import StudyError
from supernet.harness.study.spec import RunSpec
from supernet.harness.training.loop import train
from supernet.harness.training.run import task_of
from supernet.heuristics.recipe import Recipe


def test_a_quarter_of_the_images_is_scored_beside_all_of_them(spec, undisturbed):
    last = undisturbed.read(spec.hash).scores()[lambda frame: frame["epoch"] == 3]
    run = train(spec.recipe, task=task_of(spec.recipe.task))
    first = rank(run, spec.architectures(spec.truth.open("nb201")), first=50 // 4).first
    np.testing.assert_array_equal(last["quarter_accuracy"], first.accuracy)
    np.testing.assert_array_equal(last["quarter_negative_loss"], -first.loss)


def test_a_study_can_ask_for_other_statistics_of_batch_norm(study, spec, store, undisturbed):
    chosen = study(free=["batch-norm"])
    again = chosen.plan()[0][1]
    assert again.hash != spec.hash
    assert RunSpec.from_dict(again.as_dict()) == again
    assert execute(again, store) == "done"
    result, plain = store.read(again.hash), undisturbed.read(spec.hash)
    frame = result.scores()
    own = [name for name in plain.scores() if name != "seconds"]
    pd.testing.assert_frame_equal(frame[own], plain.scores()[own])
    assert frame.loc[frame["epoch"] == 2, "bn_recalibrate_accuracy"].isna().all()
    last = frame[frame["epoch"] == 3]
    run = train(spec.recipe, task=task_of(spec.recipe.task))
    evaluation = replace(spec.recipe.evaluation, bn="recalibrate")
    scores = rank(run, last["index"].to_numpy(), evaluation=evaluation)
    np.testing.assert_array_equal(last["bn_recalibrate_negative_loss"], -scores.loss)
    assert result.metrics["bn_recalibrate_tau"] == metrics.kendall_tau(scores.accuracy, last["true"])
    assert result.metrics["bn_batch_tau"] == result.metrics["kendall_tau"]
    assert "bn_running_tau" not in result.metrics, "there are no running statistics"
    assert result.ledger["beside_images"] == scores.distinct * (50 + 4 * 50)
    assert "beside_images" not in plain.ledger


def test_a_sample_of_many_architectures_is_scored_again():
    assert beside.sample(20).tolist() == list(range(20))
    rows = beside.sample(400)
    assert len(set(rows.tolist())) == beside.MOST_RESCORED
    np.testing.assert_array_equal(rows, np.sort(rows))
    np.testing.assert_array_equal(rows, beside.sample(400))


def test_running_statistics_are_scored_where_a_network_has_them():
    assert beside.others(Recipe()) == ("recalibrate",)
    tracked = Recipe().override(["network.bn_track=true", "evaluation.bn=recalibrate"])
    assert beside.others(tracked) == ("batch", "running")


def test_taus_are_those_of_architectures_that_have_a_score():
    frame = pd.DataFrame({"index": range(6), "true": [1.0, 2, 3, 4, 5, 6]})
    scores = {"accuracy": np.array([3.0, 1, 2]), "negative_loss": np.array([1.0, np.inf, 2])}
    frame = beside.filled(frame, np.array([0, 2, 5]), "recalibrate", scores)
    assert beside.taus(frame, "accuracy") == {"bn_recalibrate_tau": metrics.kendall_tau([3, 1, 2], [1, 3, 6])}
    assert beside.taus(frame, "loss") == {"bn_recalibrate_tau": None}
    assert beside.taus(frame[frame["index"].isin([0, 1])], "accuracy") == {"bn_recalibrate_tau": None}


@pytest.mark.parametrize("value", [["images"], "batch-norm", ["batch-norm", "batch-norm"], {"batch-norm": True}])
def test_what_cannot_be_asked_for_is_refused(study, value):
    with pytest.raises(StudyError, match=r"free (is|has) .*batch-norm"):
        study(free=value)
