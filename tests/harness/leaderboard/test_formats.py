import pickle

import numpy as np
import published
import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import NB201
from supernet.harness.correlation.naming import cell_hash
from supernet.harness.leaderboard import formats

CHAIN = ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "conv3x3-bn-relu", "output"])
POOL = ([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ["input", "maxpool3x3", "output"])


@pytest.fixture(scope="module")
def cells():
    space = NB201()
    return [space.string(arch) for arch in space.archs(np.arange(0, 15625, 700)).tolist()]


@pytest.mark.parametrize(
    ("made", "read"),
    [
        (published.operation_lists, formats.lists_of_operations),
        (published.naslib_csv, formats.naslib_proxy("jacov")),
        (published.pandas_pickle, formats.pandas_frame("cellstr", "score")),
    ],
)
def test_cells_and_scores_come_back(cells, made, read):
    scores = np.random.default_rng(0).normal(size=len(cells))
    written = read(made(cells, scores))
    assert list(written.architectures) == cells
    assert written.scores.tolist() == scores.tolist()


def test_naslib_numbers_operations_and_edges_in_its_own_way():
    written = formats.naslib_proxy("zen")(b'net,zen\n"(2, 3, 4, 1, 0, 2)",-1e8\n')
    cell = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|avg_pool_3x3~0|skip_connect~1|nor_conv_3x3~2|"
    assert written.architectures == [cell]
    assert written.scores.tolist() == [-1e8]


def test_an_indexed_file_keeps_infinite_scores_and_gaps():
    written = formats.indexed("naswot")(b"index,naswot,time=[s]\n0,1.5,1\n7,-inf,1\n3,,1\n")
    assert written.architectures == [0, 7, 3]
    np.testing.assert_array_equal(written.scores, [1.5, -np.inf, np.nan])


def test_a_cell_of_nb101_that_was_drawn_twice_has_the_mean():
    written = formats.nb101_results(published.nb101_pickle([CHAIN, POOL, CHAIN], [0.5, 0.25, 1.0]))
    assert written.architectures == [cell_hash(CHAIN), cell_hash(POOL)]
    assert written.scores.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    ("read", "data", "said"),
    [
        (formats.naslib_proxy("zen"), b"net,jacov\n", "It has no column 'zen'; it has 'net', 'jacov'."),
        (formats.indexed("naswot"), b"", "It has no column 'index', 'naswot'"),
        (formats.naslib_proxy("zen"), b'net,zen\n"(2, 3, 9, 1, 0, 2)",1\n', "not a tuple of six operation numbers"),
        (formats.lists_of_operations, b"{\"[(('none', 0),)]\": 1}", "does not list the six operations"),
        (formats.lists_of_operations, b"[1, 2]", "not a JSON object"),
        (formats.nb101_results, b"\x80\x03]q", "not an intact pickle"),
        (formats.pandas_frame("cellstr", "tau"), published.pandas_pickle(["a"], [1.0]), "It has no column 'tau'"),
    ],
)
def test_other_content_is_refused(read, data, said):
    with pytest.raises(UserError) as raised:
        read(data)
    assert said in str(raised.value)


@pytest.mark.parametrize("name", ["posix.system", "builtins.eval", "numpy.load"])
def test_a_pickle_runs_nothing(tmp_path, name):
    module, _, function = name.rpartition(".")
    victim = tmp_path / "made"
    data = f"c{module}\n{function}\n(Vtouch {victim}\ntR.".encode()
    with pytest.raises(UserError, match="asks for " + name):
        formats.nb101_results(data)
    assert not victim.exists()


def test_an_array_that_claims_another_shape_is_refused():
    data = pickle.dumps([np.arange(6, dtype=np.int8).reshape(2, 3)], 3)
    assert formats.unpickled(data)[0].values.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(UserError, match="longer or shorter than its shape"):
        formats.unpickled(data.replace(b"K\x02K\x03\x86", b"K\x02K\x7f\x86"))
