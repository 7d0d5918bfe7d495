"""Archives of earlier architectures: NSAS, and replay, which is cheaper."""

from types import SimpleNamespace

import numpy as np
import pytest
from learned import TINY

from supernet.benchmarks.spaces import space
from supernet.harness.training.run import start
from supernet.harness.training.trial import epoch_cost
from supernet.heuristics.methods.nsas import NSAS
from supernet.heuristics.methods.replay import Replay
from supernet.heuristics.recipe import Recipe


def context(*overrides, space_name="nb201", seed=0):
    rng = np.random.default_rng(seed)
    recipe = Recipe(space=space_name).override(overrides)
    return SimpleNamespace(space=space(space_name), recipe=recipe, random=lambda asker: rng)


def diversity(members):
    """The sum of the distances of all pairs of members."""
    table = np.array(members)
    return int((table[:, None] != table[None]).sum()) // 2


@pytest.mark.parametrize("space_name", ["nb201", "nb1shot1-1"])
@pytest.mark.parametrize("make", [NSAS, Replay])
def test_a_full_archive_grows_more_diverse_and_loses_at_most_one_member_a_step(make, space_name):
    ctx, method = context(space_name=space_name), make(archive=5)
    before = None
    for _ in range(150):
        method.plan(ctx)
        members = method.state_dict()["members"]
        if before is not None and len(before) == len(members) == 5:
            changed = [new for old, new in zip(before, members, strict=True) if old != new]
            assert len(changed) <= 1
            assert diversity(members) > diversity(before) or not changed
        before = [list(arch) for arch in members]
    drawn = [diversity(space(space_name).sample_decisions(np.random.default_rng(k), 5)) for k in range(50)]
    assert diversity(before) > np.quantile(drawn, 0.9)


@pytest.mark.parametrize(("reduce", "scale"), [("mean", 5), ("sum", 1)])
def test_every_member_is_trained_in_every_step(reduce, scale):
    ctx, method = context(f"sampling.reduce={reduce}"), NSAS(weight=0.6, archive=4)
    for step in range(10):
        plan = method.plan(ctx)
        members = method.state_dict()["members"]
        assert len(members) == min(step + 1, 4)
        assert [list(path.routing) for path in plan[1:]] == members
    assert [path.weight for path in plan] == pytest.approx([0.4 * scale, *[0.15 * scale] * 4])


def distance(a, b):
    return sum(x != y for x, y in zip(a, b, strict=True))


def after_one_step(members, new, latest):
    """A slow plain version of what a step does to a full archive, with three neighbours."""
    nearest = min(range(len(members)), key=lambda k: distance(members[k], new))
    others = [arch for k, arch in enumerate(members) if k != nearest]

    def novelty(arch):
        return sum(sorted(distance(arch, other) for other in others)[:3]) / 3

    best = members[nearest]
    for rival in latest:
        if novelty(rival) > novelty(best):
            best = rival
    return [best if k == nearest else arch for k, arch in enumerate(members)]


def test_the_member_nearest_to_the_new_architecture_gives_way_to_the_most_novel_of_the_latest():
    replaced = 0
    for seed in range(6):
        ctx, method = context(seed=seed), NSAS(archive=6, recent=4, neighbours=3)
        for step in range(60):
            before = [list(arch) for arch in method.state_dict()["members"]]
            new = list(method.plan(ctx)[0].routing)
            latest, after = method.state_dict()["recent"], method.state_dict()["members"]
            assert latest[-1] == new
            assert len(latest) == min(4, step + 1)
            if step >= 6:
                assert after == after_one_step(before, new, latest)
                replaced += before != after
    assert replaced > 3


def test_operations_that_are_not_trained_stay_out_of_the_archive():
    ctx, method = context("sampling.with_none=false"), NSAS()
    assert all(0 not in path.routing for _ in range(30) for path in method.plan(ctx))


def test_replay_trains_a_new_one_a_random_member_and_the_farthest():
    ctx, method = context(), Replay(weight=0.8, archive=4)
    method.plan(ctx)
    for _ in range(30):
        members = [tuple(arch) for arch in method.state_dict()["members"]]
        new, drawn, far = method.plan(ctx)
        assert drawn.routing in members
        distances = [ctx.space.distance(arch, new.routing) for arch in members]
        assert ctx.space.distance(far.routing, new.routing) == max(distances)
        assert [path.weight for path in (new, drawn, far)] == pytest.approx([0.6, 1.2, 1.2])


@pytest.mark.parametrize("archive", [1, 3, 8])
def test_what_the_archive_of_nsas_will_cost_is_foreseen(archive, digits):
    """A search measures the first steps, whose archive is not full."""
    recipe = TINY.override([f"methods.nsas.archive={archive}", "training.batch_size=8", "training.epochs=1"])
    run = start(recipe, task=digits)
    shown = epoch_cost(recipe, task=digits).of(1).passes / run.steps_per_epoch
    assert shown + run.methods["nsas"].foreseen(run.context).per_step == pytest.approx(1 + archive)
