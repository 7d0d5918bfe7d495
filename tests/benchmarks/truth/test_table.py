"""Ground-truth tables: what they answer, and how they are written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from toy_table import ABOUT, ARCHS, COLUMNS, NAN

from supernet.benchmarks.errors import NoSuchResult
from supernet.benchmarks.truth.table import GroundTruth, Measure, write_table


@pytest.fixture
def table(path):
    return GroundTruth(path)


# ---- what there is ---------------------------------------------------------------------------------------------


def test_a_table_says_what_it_holds(table):
    assert len(table) == 5
    assert (table.space, table.family, table.about["source"]) == ("toy", "toy records", "made here")
    assert table.columns == list(COLUMNS)
    assert table.measures == [
        Measure("cifar10", "test", "200", "mean"),
        Measure("cifar10", "test", "200", "s777"),
        Measure("cifar10", "test", "200", "s888"),
        Measure("cifar10", "test", "12", "s777"),
        Measure("cifar10-valid", "valid", "108half", "r0"),
    ]
    assert Measure("cifar10", "test", "200", "s888") in table
    assert Measure("cifar10", "train_seconds", "108", "r0") not in table
    assert repr(table) == "<GroundTruth toy.parquet: toy records, 5 architectures of toy>"


def test_the_description_lists_every_epoch_count_and_seed(table):
    assert table.describe() == (
        "  cifar10 test: 200 epochs (mean, s777, s888); 12 epochs (s777)\n  cifar10-valid valid: 108half epochs (r0)"
    )


def test_seeds_leave_out_the_mean(table):
    assert table.seeds("cifar10", "test", 200) == table.seeds("cifar10", "test", "200") == ["s777", "s888"]
    assert table.seeds("cifar10-valid", "valid", "108half") == ["r0"]
    assert table.seeds("cifar10", "valid", 200) == []


# ---- questions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [200, "200"])
def test_accuracies_come_back_as_written(table, epochs):
    accuracy = table.accuracy("cifar10", "test", epochs, "mean")
    assert accuracy.dtype == np.float64
    assert accuracy.tolist() == COLUMNS["cifar10.test.e200.mean"]
    assert table.accuracy("cifar10-valid", "valid", "108half", "r0").tolist() == [70.5, 71.5, 72.5, 73.5, 74.5]


def test_rows_are_answered_in_the_order_asked(table):
    assert table.accuracy("cifar10", "test", 200, "mean", [4, 0, 0]).tolist() == [100.0, 91.25, 91.25]
    assert table.accuracy("cifar10", "test", 200, "mean", np.array([2], dtype=np.int32)).tolist() == [93.5]
    assert table.accuracy("cifar10", "test", 200, "mean", []).shape == (0,)
    assert table.params("cifar10", [1]).tolist() == [2**40]
    assert table.keys([4, 1]) == ["ö", "c|d"]


def test_changing_an_answer_does_not_change_the_next_one(table):
    for rows in (None, [0, 1, 2, 3, 4]):
        table.accuracy("cifar10", "test", 200, "mean", rows)[:] = -1
        assert table.accuracy("cifar10", "test", 200, "mean", rows).tolist() == COLUMNS["cifar10.test.e200.mean"]


def test_an_architecture_without_a_result_is_an_error_for_accuracy(table):
    with pytest.raises(NoSuchResult, match=r"no result for cifar10 test, 200 epochs, s888 of 2 of the 5 .*mean, s777"):
        table.accuracy("cifar10", "test", 200, "s888")
    with pytest.raises(NoSuchResult, match="of 1 of the 2"):
        table.accuracy("cifar10", "test", 200, "s888", [0, 3])
    assert table.accuracy("cifar10", "test", 200, "s888", [0, 2, 4]).tolist() == [91.5, 94.0, 98.0]


def test_an_architecture_without_a_result_reads_as_nan(table):
    np.testing.assert_array_equal(table.readings("cifar10", "test", 200, "s888"), [91.5, NAN, 94.0, NAN, 98.0])
    np.testing.assert_array_equal(table.readings("cifar10", "test", 200, "s888", [1, 2]), [NAN, 94.0])


def test_null_values_count_as_no_result(tmp_path):
    write_table(tmp_path / "nulls.parquet", {"arch": ["a", "b"], "d.test.e1.mean": [50.0, None]}, ABOUT)
    table = GroundTruth(tmp_path / "nulls.parquet")
    np.testing.assert_array_equal(table.readings("d", "test", 1, "mean"), [50.0, NAN])
    with pytest.raises(NoSuchResult, match="1 of the 2"):
        table.accuracy("d", "test", 1, "mean")


@pytest.mark.parametrize("method", ["accuracy", "readings"])
@pytest.mark.parametrize(
    ("question", "instead"),
    [
        (("svhn", "test", 200, "mean"), "there is no data set 'svhn'. Data sets: cifar10, cifar10-valid."),
        (("cifar", "test", 200, "mean"), "there is no data set 'cifar'; did you mean cifar10?"),
        (("cifar10", "valid", 200, "mean"), "cifar10 has no split 'valid'; did you mean cifar10-valid valid? Its"),
        (("cifar10", "test", 90, "mean"), "no results of '90' epochs; did you mean 200? Numbers of epochs: 200, 12."),
        (("cifar10", "test", 12, "mean"), "Seeds: s777."),
        (("cifar10", "test", 200, "777"), "no seed '777' there; did you mean s777? Seeds: mean, s777, s888."),
        (("cifar10", "test", 200, "s999"), "Seeds: mean, s777, s888."),
        (("cifar10", "train_seconds", 108, "r0"), "cifar10 has no split 'train_seconds'"),
    ],
    ids=lambda of: ".".join(map(str, of)) if isinstance(of, tuple) else "",
)
def test_a_question_without_an_answer_says_what_to_ask_instead(table, method, question, instead):
    with pytest.raises(NoSuchResult) as error:
        getattr(table, method)(*question)
    text = str(error.value)
    assert str(Measure(question[0], question[1], str(question[2]), question[3])) in text
    assert instead in text
    assert "\n" not in text


def test_costs_come_back_as_written(table):
    assert table.params("cifar10").dtype == table.flops("cifar10").dtype == np.int64
    assert table.params("cifar10").tolist() == [10, 2**40, 30, 40, 50]
    assert table.flops("cifar10", [1, 3]).tolist() == [2000, 4000]
    assert table.train_seconds("cifar10", 200).tolist() == COLUMNS["cifar10.train_seconds.e200"]
    assert table.train_seconds("cifar10", 108, "r0", rows=[4]).tolist() == [5.5]


def test_training_seconds_are_the_mean_of_what_seeds_have(tmp_path):
    columns = {"arch": ["a", "b", "c"]} | {
        f"d.train_seconds.e36.r{k}": v for k, v in enumerate(([1.0, 2.0, NAN], [3.0, NAN, NAN]))
    }
    write_table(tmp_path / "seeds.parquet", columns | {"d.train_seconds.e4": [1.0, 2.0, 3.0]}, ABOUT)
    table = GroundTruth(tmp_path / "seeds.parquet")
    assert table.timed_epochs("d") == ["36", "4"]
    assert table.timed_epochs("e") == []
    np.testing.assert_array_equal(table.mean_train_seconds("d", 36), [2.0, 2.0, NAN])
    assert table.mean_train_seconds("d", "4", [2, 0]).tolist() == [3.0, 1.0]
    with pytest.raises(NoSuchResult, match=r"no column d\.train_seconds\.e12"):
        table.mean_train_seconds("d", 12)


@pytest.mark.parametrize(
    ("method", "question"),
    [
        ("params", ("cifar100",)),
        ("flops", ("cifar100",)),
        ("train_seconds", ("cifar10", 108)),
        ("train_seconds", ("cifar10", 200, "s777")),
        ("train_seconds", ("cifar10", 12)),
    ],
)
def test_a_cost_that_is_not_there_lists_those_that_are(table, method, question):
    with pytest.raises(NoSuchResult) as error:
        getattr(table, method)(*question)
    for name in ("cifar10.params", "cifar10.flops", "cifar10.train_seconds.e200", "cifar10.train_seconds.e108.r0"):
        assert name in str(error.value)


def test_keys_and_rows_are_inverse_and_unknown_keys_have_row_minus_one(table):
    assert table.keys() == ARCHS
    assert table.rows(ARCHS[::-1]).tolist() == [4, 3, 2, 1, 0]
    assert table.rows(np.array(["e|f", "unknown", "ö", ""])).tolist() == [2, -1, 4, -1]
    assert table.rows([]).tolist() == []
    assert table.rows(ARCHS).dtype == np.int64


def test_a_hash_column_identifies_rows_too(tmp_path):
    write_table(tmp_path / "hashes.parquet", {"hash": ["00ff", "11ee"], "d.test.e1.mean": [1.0, 2.0]}, ABOUT)
    table = GroundTruth(tmp_path / "hashes.parquet")
    assert table.keys() == ["00ff", "11ee"]
    assert table.rows(["11ee"]).tolist() == [1]


def test_a_column_whose_name_begins_anothers_is_read_alone(tmp_path):
    columns = {"arch": ["a"], "d.test.e1": [7.0], "d.test.e1.mean": [1.0]}
    write_table(tmp_path / "x.parquet", columns, ABOUT)
    assert GroundTruth(tmp_path / "x.parquet").read("d.test.e1").to_pylist() == [7.0]


def test_a_relative_path_is_looked_up_in_the_data_folder_too(path, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SUPERNET_DATA", str(path.parent))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert GroundTruth("toy.parquet").path == path
    write_table(Path("toy.parquet"), {"arch": ["z"]}, ABOUT)
    assert GroundTruth("toy.parquet").keys() == ["z"]


# ---- writing ---------------------------------------------------------------------------------------------------


def test_writing_makes_the_folder_and_leaves_the_table_alone_in_it(tmp_path):
    target = tmp_path / "new" / "folder" / "toy.parquet"
    write_table(target, COLUMNS, ABOUT)
    assert os.listdir(target.parent) == ["toy.parquet"]
    assert GroundTruth(target).keys() == ARCHS


def test_writing_replaces_an_earlier_table(path):
    write_table(path, {"arch": ["z"], "d.test.e1.mean": [1.0]}, ABOUT)
    assert GroundTruth(path).keys() == ["z"]
    assert os.listdir(path.parent) == ["toy.parquet"]


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("earlier", [None, b"an earlier table"])
def test_writing_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, failure, earlier):
    def half(table, where, **_):
        Path(where).write_bytes(b"PAR1 and some more")
        assert Path(where).parent == tmp_path
        raise failure

    target = tmp_path / "toy.parquet"
    if earlier:
        target.write_bytes(earlier)
    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(type(failure)):
        write_table(target, COLUMNS, ABOUT)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == (
        {"toy.parquet": earlier} if earlier else {}
    )


def test_columns_of_unequal_length_are_not_written(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="length"):
        write_table(path, {"arch": ["a", "b"], "d.test.e1.mean": [1.0]}, ABOUT)
    assert os.listdir(path.parent) == ["toy.parquet"]
    assert path.read_bytes() == before


# ---- real tables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "split", "best", "row"),
    [
        ("cifar10", "test", 94.3733, 6111),
        ("cifar100", "test", 73.5133, 9930),
        ("imagenet16-120", "test", 47.3111, 857),
        ("cifar10-valid", "valid", 91.6067, 6111),
    ],
)
def test_the_best_architectures_of_nb201_are_those_published(nb201_truth, dataset, split, best, row):
    accuracy = nb201_truth.accuracy(dataset, split, 200, "mean")
    assert len(accuracy) == len(nb201_truth) == 15625
    assert accuracy.argmax() == row
    assert accuracy[row] == pytest.approx(best, abs=1e-3)


def test_the_best_accuracy_of_nb101_is_that_published(nb101_truth):
    accuracy = nb101_truth.accuracy("cifar10", "test", 108, "mean")
    assert len(accuracy) == len(nb101_truth) == 423624
    assert accuracy.max() == pytest.approx(94.3176, abs=1e-3)


FRESH = """
import sys, time
import pandas  # which pyarrow would import at the first conversion
from supernet.benchmarks.truth.table import GroundTruth
start = time.process_time()
accuracy = GroundTruth(sys.argv[1]).accuracy("cifar10", "test", 200, "mean")
seconds = time.process_time() - start
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(len(accuracy), seconds, peak)
"""
"""Prints rows, CPU seconds, and peak memory in kB (`ru_maxrss` would count the process that started this one)."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of peak memory")
def test_opening_a_table_and_reading_one_column_is_quick_and_small(nb201_truth):
    ran = subprocess.run(
        [sys.executable, "-c", FRESH, str(nb201_truth.path)], capture_output=True, text=True, check=True
    )
    rows, seconds, peak = ran.stdout.split()
    assert int(rows) == 15625
    assert float(seconds) < 0.3
    assert int(peak) / 1024 < 150
