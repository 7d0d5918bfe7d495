"""Displaced ranks: what they leave out, what explains them, and that noise explains nothing."""

import numpy as np
import pytest

from supernet.benchmarks.spaces import space
from supernet.harness.statistics.components import basis
from supernet.harness.study import features
from supernet.harness.study.displaced import displaced, displacements, effects

SKIP, CONV3 = 1, 3
EDGE = 3
"""The edge from the input to the output."""


@pytest.fixture(scope="module")
def cells():
    """400 cells with true values that follow their size."""
    within, rng = space("nb201"), np.random.default_rng(0)
    archs = within.archs(within.sample(rng, 400))
    params = within.params(archs).astype(np.float64)
    return within, archs, params, (params - params.mean()) / params.std() + rng.normal(size=400)


def runs_of(y, seeds, rng, liked=0.0):
    return np.stack([displacements(y + liked + rng.normal(size=len(y)), y) for _ in range(seeds)], axis=1)


def test_regression_to_the_mean_displaces_nothing():
    rng = np.random.default_rng(0)
    y = rng.normal(size=3000)
    d = displacements(y + 2 * rng.normal(size=3000), y)
    order = np.argsort(y)
    assert d.mean() == pytest.approx(0, abs=1e-9)
    assert np.abs([part.mean() for part in np.array_split(d[order], 5)]).max() < 3
    assert displacements(np.exp(y), y) == pytest.approx(np.zeros(3000))
    assert displacements(np.ones(3000), y) == pytest.approx(np.zeros(3000))


def test_equal_truths_have_one_expectation():
    d = displacements([1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 1.0, 2.0])
    assert d == pytest.approx([0, -12.5, 12.5, 0])
    # The reversed order has the mean rank as its monotone expectation.
    assert displacements([2.0, 1.0], [0.0, 1.0]) == pytest.approx([25, -25])


def test_an_operation_that_is_over_ranked_on_one_edge_is_found(cells):
    within, archs, params, y = cells
    liked = 1.5 * (archs[:, EDGE] == SKIP)
    runs = runs_of(y, 12, np.random.default_rng(1), liked)
    found = effects(features.choices(within, archs, operations=True), runs, y)
    top = max(found, key=lambda effect: effect.mean.value)
    assert (top.decision, top.option) == (within.decisions[EDGE].name, "skip_connect")
    assert top.clear
    others = [e for e in found if e.decision != top.decision]
    assert sum(e.clear for e in others) <= 1
    # Ranks are scores less the truth to a first order: what the skip gains over the mean of its edge.
    slope = np.polyfit(y + liked, 100 * (np.argsort(np.argsort(y + liked)) + 0.5) / 400, 1)[0]
    assert top.mean.value == pytest.approx(0.8 * 1.5 * slope, rel=0.3)
    (one,) = displaced({"base": runs}, features.groups_of(within, archs, params), y)
    shares = {share.group: share for share in one.shares}
    assert shares[features.OPERATIONS].common > 0.5
    assert shares[features.OPERATIONS].run > 2 * shares[features.OPERATIONS].chance
    assert one.common.low > 0.1


def test_noise_displaces_nothing_clearly(cells):
    within, archs, _, y = cells
    taken = features.choices(within, archs, operations=True)
    rng = np.random.default_rng(0)
    # 12 seeds, with and without errors that all seeds share. Of 60 studies, three standard errors of 5 % are 0.085.
    for shared in (0.0, 1.0):
        clear = [
            any(e.clear for e in effects(taken, runs_of(y, 12, rng, shared * rng.normal(size=400)), y))
            for _ in range(60)
        ]
        assert np.mean(clear) < 0.05 + 0.085


def test_noise_is_explained_as_much_as_chance_explains(cells):
    within, archs, params, y = cells
    groups = features.groups_of(within, archs, params)
    rng = np.random.default_rng(0)
    (one,) = displaced({"noise": runs_of(y, 30, rng)}, groups, y)
    assert abs(one.common.value) < 0.03
    assert {share.group for share in one.shares} == {features.OPERATIONS, features.SIZE, features.DEPTH}
    for share in one.shares:
        assert share.run == pytest.approx(share.chance, abs=0.01)
        assert share.common is None
    everything = basis(features.beside_truth(np.hstack(list(groups.values())), y))
    assert sum(share.chance for share in one.shares) == pytest.approx(everything.shape[1] / 399)


def test_shares_add_up_to_what_all_features_explain(cells):
    within, archs, params, y = cells
    groups = features.groups_of(within, archs, params)
    runs = runs_of(y, 1, np.random.default_rng(2), (archs == CONV3).sum(axis=1))
    (one,) = displaced({"base": runs}, groups, y)
    columns = features.beside_truth(np.hstack(list(groups.values())), y)
    fitted = columns @ np.linalg.lstsq(columns, runs[:, 0], rcond=None)[0]
    assert sum(share.run for share in one.shares) == pytest.approx(np.square(fitted).sum() / np.square(runs).sum())
    assert one.common is None


def test_effects_of_a_decision_average_to_nothing_and_few_seeds_have_no_interval(cells):
    within, archs, _, y = cells
    taken = features.choices(within, archs, operations=True)
    found = effects(taken, runs_of(y, 2, np.random.default_rng(0)), y)
    use = np.array([choice.column.sum() for choice in taken])
    values = np.array([effect.mean.value for effect in found])
    for decision in within.decisions:
        of = [k for k, choice in enumerate(taken) if choice.decision == decision.name]
        assert use[of] @ values[of] == pytest.approx(0, abs=1e-6)
    assert not any(effect.clear or effect.mean.low is not None for effect in found)


def test_too_few_architectures_explain_nothing(cells):
    within, archs, params, y = cells
    runs = runs_of(y[:30], 3, np.random.default_rng(0))
    (one,) = displaced({"base": runs}, features.groups_of(within, archs[:30], params[:30]), y[:30])
    assert one.shares == []
    assert one.sd > 0
    assert effects(features.choices(within, archs[:30], operations=True), runs, y[:30]) == []


def test_a_feature_that_only_goes_with_accuracy_explains_nothing(cells):
    within, archs, params, y = cells
    size = {features.SIZE: features.groups_of(within, archs, params)[features.SIZE]}
    assert abs(np.corrcoef(params, y)[0, 1]) > 0.5
    runs = runs_of(y, 30, np.random.default_rng(0))
    (one,) = displaced({"base": runs}, size, y)
    assert one.shares[0].run < 0.01


# ---- features --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|avg_pool_3x3~2|", (3, 3)),
        ("|skip_connect~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|none~1|skip_connect~2|", (1, 1)),
        ("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|none~2|", (1, 1)),
        ("|none~0|+|none~0|nor_conv_3x3~1|+|none~0|nor_conv_3x3~1|none~2|", (0, 0)),
    ],
)
def test_depth_and_live_layers_of_operations_on_edges(text, expected):
    within = space("nb201")
    assert within.layout(within.parse(text))[0].layers({"skip_connect"}) == expected
    archs = np.array([within.parse(text)], dtype=np.int8)
    assert features._layers(within, archs).tolist() == [list(expected)]


def test_depth_and_live_layers_of_operations_on_nodes():
    within = space("nb1shot1-1")
    alive = within.subset("no-loose-ends")
    found = features._layers(within, within.archs(alive[:50]))
    assert (found[:, 1] == within.nodes).all(), "without loose ends, every node is live"
    assert found[:, 0].max() <= within.nodes
    some = within.archs(within.sample(np.random.default_rng(0), 60))
    expected = [_by_paths(within.layout(arch)[0]) for arch in some.tolist()]
    assert features._layers(within, some).tolist() == [list(pair) for pair in expected]


def _by_paths(graph):
    """Depth and live nodes by following every path from the input."""
    last, paths = len(graph.nodes) - 1, [[0]]
    ended = []
    while paths:
        path = paths.pop()
        if path[-1] == last:
            ended.append(path)
        paths += [[*path, e.target] for e in graph.edges if e.source == path[-1]]
    return max(len(path) - 2 for path in ended), len({node for path in ended for node in path} - {0, last})


def test_spaces_with_parents_have_connections_too():
    within = space("nb1shot1-3")
    archs = within.archs(within.sample(np.random.default_rng(0), 300))
    groups = features.groups_of(within, archs, within.params(archs).astype(np.float64))
    assert set(groups) == {features.OPERATIONS, features.CONNECTIONS, features.SIZE, features.DEPTH}
