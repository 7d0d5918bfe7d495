"""Landmarks: schedules, refreshes, what is charged, and what is left out of rankings."""

import math

import numpy as np
import pytest
import torch
from learned import TINY, context, weights_of

from supernet.harness.training.loop import train
from supernet.harness.training.oracle import Oracle
from supernet.heuristics.methods.landmarks import TRIED, Landmarks, best_of
from supernet.heuristics.methods.schedules import SCHEDULES, scheduled
from supernet.heuristics.routes import Path


def oracle(size=15_625):
    return Oracle(np.arange(0, size, 7), lambda indices: 50 + indices % 40)


def landmarks(*changes, space="nb201"):
    return TINY.override([f"space={space}", "training.epochs=4", *[f"methods.landmarks.{c}" for c in changes]])


def test_a_coefficient_of_zero_is_the_base_to_the_bit(digits):
    truth = oracle()
    run = train(landmarks("coefficient=0", "begin=0"), task=digits, oracle=truth)
    base = train(TINY.override(["training.epochs=4"]), task=digits)
    assert torch.equal(weights_of(run), weights_of(base))
    assert not truth.asked


@pytest.mark.parametrize(
    ("name", "first", "middle", "last"),
    [
        ("constant", 1, 1, 1),
        ("cosine", 0, 0.5, 1),
        ("cosine-down", 1, 0.5, 0),
        ("steps-up", 0, 0.1, 1),
        ("steps-down", 1, 0.01, 0.001),
    ],
)
def test_schedules_begin_and_end_as_they_say(name, first, middle, last):
    schedule = SCHEDULES[name]
    assert [schedule(0.0), schedule(0.5)] == pytest.approx([first, middle])
    assert schedule(1 - 1e-9) == pytest.approx(last, abs=1e-6)
    values = [schedule(share) for share in np.linspace(0, 1, 101)]
    assert values == sorted(values, reverse=name.endswith("down"))


def factor_of(method, ctx):
    return scheduled(ctx, method.coefficient, method.schedule, method.begin)


def test_factors_of_a_run(digits):
    _run, ctx = context(TINY, digits)
    ctx.steps = 100
    method = Landmarks(coefficient=10.0, begin=0.5)
    factors = [factor_of(method, ctx) for ctx.step in (50, 75, 99)]
    assert factors[:2] == pytest.approx([0, 5])
    assert factors[2] == pytest.approx(10 * (1 - math.cos(math.pi * 0.98)) / 2)
    rate, low = TINY.training.learning_rate, TINY.training.final_learning_rate
    inverse = Landmarks(coefficient=10.0, schedule="inverse-rate")
    for now, share in ((rate, low / rate), (low, 1.0)):
        ctx.optimiser.param_groups[0]["lr"] = now
        assert factor_of(inverse, ctx) == pytest.approx(10 * share)


def test_refreshes_add_the_super_nets_best_and_are_charged(digits):
    truth, plain = oracle(), oracle()
    refreshed = landmarks("count=8", "begin=0.25", "refreshes=2", "added=3")
    method = train(refreshed, task=digits, oracle=truth).methods["landmarks"]
    first = train(landmarks("count=8", "begin=0.25"), task=digits, oracle=plain).methods["landmarks"]
    assert len(method._known.indices) == len(truth.asked) == 8 + 2 * 3
    assert set(first._known.indices) == set(plain.asked) < set(truth.asked)
    assert method._known.true == sorted(method._known.true)
    assert method._known.true == [truth.asked[index] for index in method._known.indices]


@pytest.mark.parametrize(("begin", "refreshes"), [(0.375, 5), (0, 3), (0.75, 2)])
def test_every_refresh_that_is_foreseen_is_made(begin, refreshes, digits):
    truth = oracle()
    recipe = landmarks("count=4", "added=1", f"begin={begin}", f"refreshes={refreshes}")
    run = train(recipe, task=digits, oracle=truth)
    foreseen = run.methods["landmarks"].foreseen(run.context).queries
    assert len(truth.asked) == len(run.methods["landmarks"]._known.indices) == foreseen == 4 + refreshes


def test_the_best_are_those_with_the_lowest_loss(digits):
    run, ctx = context(TINY.override(["network.bn_track=true"]), digits)
    before = [buffer.clone() for buffer in run.network.buffers()]
    method = Landmarks()
    ctx.source, ctx.numbers = Oracle(np.arange(20, 50), lambda indices: indices * 1.0), {id(method): 3}
    best = best_of(ctx, method, without=[30, 31], count=3)
    assert all(torch.equal(a, b) for a, b in zip(before, run.network.buffers(), strict=True))
    batch = ctx.stream("valid", method)
    pool = [index for index in range(20, 50) if index not in (30, 31)]
    with torch.no_grad():
        loss = {
            index: float(
                torch.nn.functional.cross_entropy(ctx.forward(Path(ctx.space.arch(index)), batch).logits, batch.labels)
            )
            for index in pool
        }
    assert len(pool) <= TRIED * 3, "all are tried"
    assert [loss[index] for index in best.tolist()] == pytest.approx(sorted(loss.values())[:3])
    assert not ctx.source.asked
    assert run.network.training


@pytest.mark.parametrize("space", ["nb201", "nb1shot1-1"])
def test_rankings_leave_landmarks_out_under_all_their_names(space, digits):
    truth = oracle(2000)
    run = train(landmarks("count=5", "begin=0", space=space).override(["training.epochs=1"]), task=digits, oracle=truth)
    every = np.arange(len(run.context.space))
    kept = run.rankable(every)
    entries = run.context.space.same_entry(every)
    landmark_entries = set(entries[list(truth.asked)].tolist())
    assert len(landmark_entries) >= 2
    assert set(every[np.isin(entries, list(landmark_entries))].tolist()) == set(every.tolist()) - set(kept.tolist())
    assert run.rankable([7, 3, 1]).tolist() == [i for i in (7, 3, 1) if entries[i] not in landmark_entries]
