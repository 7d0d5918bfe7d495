"""The part of NAS-Bench-201 with three operations: whatever it says is what NAS-Bench-201 says of the same cells."""

import numpy as np
import pytest

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb201_part import in_nb201
from supernet.benchmarks.truth.join import measured_in, truth_rows
from supernet.benchmarks.truth.table import GroundTruth, write_table

PART, WHOLE = space("nb201-topology"), space("nb201")
ARCHS = PART.archs()
SAME = WHOLE.archs(WHOLE.indices([WHOLE.parse(text) for text in PART.strings(ARCHS)]))
"""The same architectures in NAS-Bench-201, found by their strings."""
INDICES = WHOLE.indices(SAME)


def made(folder, within, indices, name):
    """A table of these architectures with an accuracy for each."""
    archs = within.archs(indices)
    columns = {**within.table_columns(archs), "digits.valid.e1.s0": np.linspace(10, 90, len(archs))}
    write_table(folder / f"{name}.parquet", columns, {"space": name, "family": "made", "accuracy_unit": "percent"})
    return GroundTruth(folder / f"{name}.parquet")


def test_it_has_every_cell_of_nas_bench_201_with_these_operations_once():
    assert len(PART) == len(set(INDICES.tolist())) == 729
    assert set(INDICES.tolist()) == set(np.flatnonzero(np.isin(WHOLE.archs(), (0, 1, 3)).all(axis=1)).tolist())
    np.testing.assert_array_equal(in_nb201(ARCHS), SAME)
    assert [PART.parse(text) for text in WHOLE.strings(SAME)] == [tuple(arch) for arch in ARCHS.tolist()]


@pytest.mark.parametrize("kind", PART.class_names)
def test_classes_are_those_of_nas_bench_201(kind):
    ours, theirs = PART.classes(kind), WHOLE.classes(kind)[INDICES]
    assert (np.equal.outer(ours, ours) == np.equal.outer(theirs, theirs)).all()


def test_subsets_have_the_sizes_that_are_known():
    for name, size in PART.counted.items():
        assert len(PART.subset(name)) == size
    assert len(PART.distinct()) == 155


def test_costs_and_codes_are_those_of_nas_bench_201():
    for channels, cells, size in ((None, None, 32), (8, 1, 16)):
        for ours, theirs in zip(PART.costs(ARCHS, channels, cells, size), WHOLE.costs(SAME, channels, cells, size)):  # noqa: B905
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(PART.path_code(ARCHS), WHOLE.path_code(SAME))
    np.testing.assert_array_equal(PART.connected(ARCHS), WHOLE.connected(SAME))
    np.testing.assert_array_equal(PART.live_edges, WHOLE.live_edges[INDICES])
    np.testing.assert_array_equal(in_nb201(PART.live(ARCHS)), WHOLE.live(SAME))
    assert all(PART.layout(arch) == WHOLE.layout(other) for arch, other in zip(ARCHS[::50], SAME[::50], strict=True))


def test_its_extremes_have_the_most_and_the_fewest_parameters_of_cells_without_none():
    params = PART.params(ARCHS[(ARCHS > 0).all(axis=1)])
    assert [PART.params(arch)[0] for arch in PART.extremes()] == [params.max(), params.min()]


def test_operations_that_it_lacks_are_refused_by_name():
    text = WHOLE.string((3, 2, 1, 0, 1, 3))
    with pytest.raises(BadArchitecture, match="the operation nor_conv_1x1, which nb201-topology lacks"):
        PART.parse(text)


def test_a_table_of_one_architecture_per_class_serves_all(tmp_path):
    table = made(tmp_path, PART, PART.distinct(), "nb201-topology")
    rows = truth_rows(PART, np.arange(729), table)
    assert len(table) == 155
    np.testing.assert_array_equal(PART.distinct()[rows], PART.same_function(np.arange(729)))
    indices, of = measured_in(PART, table)
    assert indices.tolist() == PART.distinct().tolist()
    assert of.tolist() == list(range(155))


def test_a_table_of_nas_bench_201_serves_it_with_one_row_per_class(tmp_path):
    table = made(tmp_path, WHOLE, np.arange(len(WHOLE)), "nb201")
    rows = truth_rows(PART, np.arange(729), table)
    np.testing.assert_array_equal(rows, INDICES[PART.same_function(np.arange(729))])
