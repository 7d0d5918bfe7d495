"""What tests of searches share: a made-up table, and an end to the algorithms that a test registered."""

import numpy as np
import pytest
from made_up_search import WITHIN

from supernet.benchmarks.truth.table import write_table
from supernet.harness.search.algorithms.registry import ALGORITHMS, SHIPPED, forget, use


@pytest.fixture(autouse=True)
def only_shipped_algorithms_stay():
    yield
    use([])
    for name in set(ALGORITHMS) - set(SHIPPED):
        forget(name)
        ALGORITHMS.pop(name, None)


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """NAS-Bench-201 as it could be: accuracy by operations, with noise that differs between fidelities and splits."""
    rng, archs = np.random.default_rng(0), WITHIN.archs()
    base = 80 + 2.0 * (archs == 3).sum(1) + 1.2 * (archs == 2).sum(1) - 1.0 * (archs == 0).sum(1)
    flops = WITHIN.flops(archs, 16, 5)
    columns = {"arch": [WITHIN.string(arch) for arch in archs.tolist()]}
    for name, noise in (
        ("cifar10-valid.valid.e12.mean", 1.5),
        ("cifar10-valid.valid.e200.mean", 0.3),
        ("cifar10.test.e200.mean", 0.0),
        ("cifar100.test.e200.mean", 0.2),
    ):
        columns[name] = base + noise * rng.normal(size=len(base))
    columns |= {"cifar10.params": flops, "cifar10.flops": flops, "cifar10-valid.train_seconds.e200": flops / 1e5}
    path = tmp_path_factory.mktemp("truth") / "made.parquet"
    write_table(path, columns, {"space": "nb201", "family": "made", "accuracy_unit": "percent"})
    return path


@pytest.fixture
def no_figures(monkeypatch):
    """Reports are written without their figures, which take most of the time."""
    monkeypatch.setattr("supernet.harness.report.search.figures.draw", lambda outcome, out: {})
