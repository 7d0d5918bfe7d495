"""Ground truth made up for tests: the real architectures with accuracies that follow parameter count plus noise."""

from pathlib import Path

import numpy as np
import pytest

from supernet.benchmarks.spaces import NB201, space
from supernet.benchmarks.truth.table import GroundTruth, write_table


@pytest.fixture(scope="session")
def made_up(tmp_path_factory) -> Path:
    """A data folder with a table of NAS-Bench-201 and one of the cells of 1Shot1 space 1."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    about = {"family": "made up", "accuracy_unit": "percent"}
    nb201 = NB201()
    params = nb201.params(nb201.archs(), "cifar10")
    base = 60 + 30 * params / params.max()
    columns = {
        "index": np.arange(len(nb201)),
        "arch": [nb201.string(a) for a in nb201.archs().tolist()],
        "cifar10.params": params,
    }
    for seed in ("s1", "s2"):
        columns[f"cifar10.test.e200.{seed}"] = base + rng.normal(size=len(nb201))
    columns["cifar10.test.e200.mean"] = (columns["cifar10.test.e200.s1"] + columns["cifar10.test.e200.s2"]) / 2
    columns["cifar10.test.e12.mean"] = np.where(np.arange(len(nb201)) < 100, np.nan, base)
    write_table(folder / "nb201.parquet", columns, about | {"space": "nb201"})

    shot = space("nb1shot1-1")
    cells = shot.subset("unique-cell")
    hashes, first = np.unique(shot.hashes(cells), return_index=True)
    params = shot.params(shot.archs(cells[first]))
    accuracy = 80 + 10 * params / params.max() + rng.normal(size=len(cells))
    columns = {"hash": hashes, "cifar10.params": params, "cifar10.test.e108.mean": accuracy}
    write_table(folder / "nb101.parquet", columns, about | {"space": "nb101"})
    return folder


@pytest.fixture(scope="session")
def truth201(made_up) -> GroundTruth:
    return GroundTruth(made_up / "nb201.parquet")


@pytest.fixture(scope="session")
def truth101(made_up) -> GroundTruth:
    return GroundTruth(made_up / "nb101.parquet")
