"""Ground truth for the tests that compare with real results; they are skipped where there is none."""

import os

# The test runner uses every core already: threads of torch and BLAS would only wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
# Without a GPU, Triton interprets its kernels. It reads this when they are first imported, by whichever test.
if not os.path.exists("/dev/nvidia0"):
    os.environ.setdefault("TRITON_INTERPRET", "1")

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.table import GroundTruth

# A machine with other work to do may pause a test for longer than Hypothesis allows for an example or for making one.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

HOW_TO_GET = "no ground truth at hand: `supernet data fetch nb101`, `supernet data import …`, or set SUPERNET_DATA"


@pytest.fixture(autouse=True, scope="session")
def _no_wait_for_the_disk():
    """Files that tests write need not outlast a loss of power. What is synchronised when has a test of its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real ground-truth tables, $SUPERNET_DATA."""
    folder = os.environ.get(shelf.ENVIRONMENT)
    if not folder or not list(Path(folder).glob("*.parquet")):
        pytest.skip(HOW_TO_GET)
    return Path(folder)


@pytest.fixture(scope="session")
def nb201_truth(data_dir):
    return _table(data_dir / "nb201_nats.parquet")


@pytest.fixture(scope="session")
def nb101_truth(data_dir):
    return _table(data_dir / "nb101.parquet")


def _table(path):
    if not path.is_file():
        pytest.skip(f"{path.name} is not in $SUPERNET_DATA: {HOW_TO_GET}")
    return GroundTruth(path)


@pytest.fixture
def embedded_alone(tmp_path_factory, monkeypatch):
    """The tables that ship are all the ground truth that there is; the working folder is empty."""
    monkeypatch.setenv(shelf.ENVIRONMENT, str(tmp_path_factory.mktemp("no-tables")))
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))


@pytest.fixture
def interrupted():
    """Train as `train` does, and be interrupted after the second epoch, before its checkpoint is written."""
    from supernet.harness.training.loop import train

    class Stop(Exception):
        pass

    def stop(run):
        if run.epoch == 2:
            raise Stop

    def interrupted(*arguments, **about):
        with pytest.raises(Stop):
            train(*arguments, **about, after_epoch=stop)

    return interrupted


@pytest.fixture
def registries():
    """Forgets the methods and heuristics that a test registers."""
    from supernet.heuristics import catalogue, registry

    for name in registry.SHIPPED:
        registry.entry(name)
    known = (catalogue.CATALOGUE, registry.METHODS)
    before = [dict(names) for names in known]
    yield
    for names, content in zip(known, before, strict=True):
        names.clear()
        names.update(content)
