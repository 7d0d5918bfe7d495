"""Architectures of a space in a ground-truth table."""

from random import Random

import numpy as np
import pytest

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.spaces import Decision, SearchSpace, space
from supernet.benchmarks.truth.join import measured_in, truth_rows
from supernet.benchmarks.truth.table import GroundTruth, write_table


class Endless(SearchSpace):
    """More architectures than can be listed."""

    name = title = "endless"
    decisions = tuple(Decision(str(d), tuple("abcdefgh")) for d in range(20))
    params = flops = path_code = layout = None

    def string(self, arch):
        return "".join("abcdefgh"[option] for option in arch)

    def parse(self, text):
        return tuple("abcdefgh".index(letter) for letter in text)


@pytest.fixture
def write(tmp_path):
    def write(within, columns):
        about = {"space": within.name, "family": "made up", "accuracy_unit": "percent"}
        count = len(next(iter(columns.values())))
        write_table(tmp_path / "t.parquet", {**columns, "digits.test.e1.mean": np.zeros(count)}, about)
        return GroundTruth(tmp_path / "t.parquet")

    return write


@pytest.mark.parametrize("name", ["nb201", "nb1shot1-1"])
def test_a_table_with_the_columns_of_the_space_is_found_by_its_architectures(name, write):
    within = space(name)
    indices = within.sample(np.random.default_rng(0), 30, among=within.distinct())
    table = write(within, within.table_columns(within.archs(indices)))
    others = np.setdiff1d(within.distinct(), indices)[:40]
    assert truth_rows(within, indices, table).tolist() == list(range(30))
    assert (truth_rows(within, others, table) == -1).all()
    found, rows = measured_in(within, table)
    assert found.tolist() == sorted(indices.tolist())
    np.testing.assert_array_equal(indices[rows], found)


def test_a_one_shot_table_may_name_its_architectures_by_string(write):
    within = space("nb1shot1-2")
    table = write(within, {"arch": within.strings(within.archs([5, 900]))})
    assert truth_rows(within, np.array([900, 7, 5]), table).tolist() == [1, -1, 0]


def test_a_space_without_hashes_has_nothing_in_a_table_of_hashes(write):
    within = space("nb201")
    table = write(within, {"hash": ["0" * 32]})
    assert (truth_rows(within, np.arange(50), table) == -1).all()


def test_what_a_table_has_of_a_space_too_large_to_be_listed_is_read_from_the_table(write):
    within = Endless()
    archs = [within.draw(Random(seed)) for seed in range(9)]
    table = write(within, {"arch": within.strings(archs)})
    found, rows = measured_in(within, table)
    assert found.tolist() == sorted(map(within.known_index, archs))
    assert [within.arch(index) for index in found.tolist()] == [archs[row] for row in rows]


def test_a_table_of_something_else_is_refused(write):
    def refuse(text):
        from supernet.benchmarks.errors import BadArchitecture

        raise BadArchitecture(f"{text!r} is nothing")

    within = Endless()
    within.parse = refuse
    with pytest.raises(BadTable, match=r"is not a table of endless: 'abc' is nothing"):
        measured_in(within, write(within, {"arch": ["abc"]}))
