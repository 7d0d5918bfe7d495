"""A small made-up ground-truth table, and Parquet files with metadata of one's choice."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.truth.about import METADATA_KEY
from supernet.benchmarks.truth.table import GroundTruth

ABOUT = {"space": "toy", "family": "toy records", "accuracy_unit": "percent", "source": "made here"}
ARCHS = ["a|b", "c|d", "e|f", "g|h", "ö"]
NAN = float("nan")
COLUMNS = {
    "index": np.arange(5, dtype=np.int32),
    "arch": ARCHS,
    "cifar10.params": np.array([10, 2**40, 30, 40, 50]),
    "cifar10.flops": np.array([1000, 2000, 3000, 4000, 5000]),
    "cifar10.latency_seconds": [0.1, 0.2, 0.3, 0.4, 0.5],
    "cifar10.test.e200.mean": [91.25, 10.0, 93.5, 0.0, 100.0],
    "cifar10.test.e200.s777": [91.0, 9.0, 93.0, 1.0, 99.0],
    "cifar10.test.e200.s888": [91.5, NAN, 94.0, NAN, 98.0],
    "cifar10.test.e12.s777": [60.5, 10.5, 61.5, 11.5, 62.5],
    "cifar10-valid.valid.e108half.r0": np.array([70.5, 71.5, 72.5, 73.5, 74.5], dtype=np.float32),
    "cifar10.train_seconds.e200": [100.0, 200.0, 300.0, 400.0, 500.0],
    "cifar10.train_seconds.e108.r0": [1.5, 2.5, 3.5, 4.5, 5.5],
}


def refusal(path):
    """The text of the BadTable that opening raises; it names the file."""
    with pytest.raises(BadTable) as error:
        GroundTruth(path)
    text = str(error.value)
    assert str(path) in text
    return text


def write_with(path, about, columns=None):
    """A Parquet file with this text as its `ground_truth` metadata."""
    table = pa.table(columns or {"arch": ["a"], "d.test.e1.mean": [1.0]})
    pq.write_table(table.replace_schema_metadata({} if about is None else {METADATA_KEY: about}), path)
    return path
