from types import SimpleNamespace

import numpy as np
import pytest

from supernet.benchmarks.spaces import space
from supernet.heuristics.methods.samplers import sampler_for
from supernet.heuristics.recipe import Recipe, RecipeError


def plans(changes, count, space_name="nb201", cells=3, seed=0):
    recipe = Recipe(space=space_name).override(changes)
    sampler = sampler_for(space(space_name), recipe, cells)
    ctx = SimpleNamespace(rng=np.random.default_rng(seed))
    return [sampler.plan(ctx) for _ in range(count)]


@pytest.mark.parametrize("with_none", ["true", "false"])
def test_a_fair_step_trains_every_option_of_every_decision_exactly_once(with_none):
    first = 0 if with_none == "true" else 1
    for plan in plans(["sampling.law=fair", f"sampling.with_none={with_none}"], 50):
        table = np.array([path.routing for path in plan])
        assert table.shape == (5 - first, 6)
        for decision in table.T:
            assert sorted(decision) == list(range(first, 5))


def test_a_fair_step_in_one_shot_spaces_trains_options_equally_often_where_that_is_possible():
    within = space("nb1shot1-1")
    for plan in plans(["sampling.law=fair"], 20, "nb1shot1-1"):
        table = np.array([path.routing for path in plan])
        assert len(table) == within.cardinalities.max() == 10
        for decision, options in zip(table.T, within.cardinalities, strict=True):
            counts = np.bincount(decision, minlength=options)
            assert counts.max() - counts.min() <= 1


def test_uniform_draws_every_option_equally_often():
    table = np.array([plan[0].routing for plan in plans(["sampling.law=uniform"], 4000)])
    for decision in table.T:
        np.testing.assert_allclose(np.bincount(decision, minlength=5) / 4000, 0.2, atol=0.03)


def test_several_paths_and_an_architecture_for_every_cell():
    (plan,) = plans(["sampling.paths=4", "sampling.per_cell=true"], 1, cells=3)
    assert len(plan) == 4
    assert np.array([path.routing for path in plan]).shape == (4, 3, 6)
    assert len({path.routing[0] for path in plan} | {path.routing[1] for path in plan}) > 4


def test_fair_per_cell_is_fair_in_every_cell():
    (plan,) = plans(["sampling.law=fair", "sampling.per_cell=true"], 1, cells=2)
    table = np.array([path.routing for path in plan])
    assert table.shape == (5, 2, 6)
    assert all(sorted(table[:, cell, edge]) == list(range(5)) for cell in range(2) for edge in range(6))


@pytest.mark.parametrize(
    ("law", "space_name", "classes"),
    [("classes", "nb201", "network"), ("architectures", "nb1shot1-1", "cell"), ("classes", "nb1shot1-1", "pruned")],
)
def test_uniform_over_classes_draws_one_member_of_each(law, space_name, classes):
    within = space(space_name)
    drawn = [plan[0].routing for plan in plans([f"sampling.law={law}"], 300, space_name)]
    indices = within.indices(drawn)
    assert (within.classes(classes)[indices] == indices).all()
    assert len(set(indices.tolist())) > 250


def test_random_a_and_random_nas_differ_in_one_shot_spaces():
    """Per decision, cells with many labelled forms are drawn more often than over the list of distinct cells."""
    within = space("nb1shot1-1")
    cells = within.classes("cell")
    sizes = np.bincount(cells, minlength=len(within))[cells]
    drawn = {
        law: within.indices([p[0].routing for p in plans([f"sampling.law={law}"], 2000, "nb1shot1-1")])
        for law in ("uniform", "architectures")
    }
    assert sizes[drawn["uniform"]].mean() > 1.5 * sizes[drawn["architectures"]].mean()


def test_the_sandwich_has_a_teacher_and_three_students():
    (plan,) = plans(["sampling.law=sandwich"], 1)
    assert [path.role for path in plan] == ["teacher", "student", "student", "student"]
    assert plan[0].routing == (3,) * 6
    assert plan[1].routing == (2,) * 6
    with pytest.raises(RecipeError, match="nb1shot1-1 has none"):
        plans(["sampling.law=sandwich"], 1, "nb1shot1-1")


def test_a_fixed_law_trains_one_architecture():
    text = space("nb201").string((3, 3, 3, 1, 3, 2))
    (plan,) = plans(["sampling.law=fixed", f"sampling.architecture={text}"], 1)
    assert [path.routing for path in plan] == [(3, 3, 3, 1, 3, 2)]


def test_every_architecture_of_a_large_space_without_classes_is_distinct():
    by_law = [plans([f"sampling.law={law}"], 20, "darts") for law in ("architectures", "uniform")]
    assert [p[0].routing for p in by_law[0]] == [p[0].routing for p in by_law[1]]


def test_classes_of_a_space_that_cannot_be_listed_are_drawn_evenly(monkeypatch):
    """Rejection draws each class as often as the list of classes would, on a space that can be listed all the same."""
    within = space("nb1shot1-1")
    classes = np.unique(within.classes("pruned"))
    monkeypatch.setattr(type(within), "enumerable", False)
    changes = ["sampling.law=classes", "sampling.paths=50"]
    rows = within.indices([path.routing for plan in plans(changes, 200, "nb1shot1-1") for path in plan])
    members, counts = np.unique(rows, return_counts=True)
    assert set(members.tolist()) <= set(classes.tolist())
    assert len(members) > 0.9 * len(classes)
    # 10,000 draws from 3,702 classes: the variance of the counts is about their mean.
    spread = np.bincount(np.searchsorted(classes, rows), minlength=len(classes))
    assert spread.var() == pytest.approx(spread.mean(), rel=0.15)
    assert counts.max() < 15


def test_classes_of_pairs_of_darts_cells_are_drawn_without_a_list():
    within = space("darts")
    (plan,) = plans(["sampling.law=classes", "sampling.paths=20", "sampling.with_none=false"], 1, "darts")
    table = np.array([path.routing for path in plan])
    rows = within.indices(table)
    assert len(set(rows.tolist())) == 20
    assert (within.same_function(rows) == rows).all()
    assert (table[:, within.operations] > 0).all()
