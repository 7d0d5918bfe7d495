"""What tests of the harness share: made-up ground truth, a small task, a small study and its store."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from small import colours
from tiny import CONTENT, write_study, write_truth

from supernet.benchmarks.spaces import NB201, space
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.table import GroundTruth, write_table
from supernet.harness.runs.execute import execute
from supernet.harness.runs.store import Store
from supernet.harness.study.reading import load_study
from supernet.heuristics import catalogue, registry


@pytest.fixture(scope="session")
def made_up(tmp_path_factory) -> Path:
    """A data folder with a table of NAS-Bench-201 and one of the cells of 1Shot1 space 1."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    about = {"family": "made up", "accuracy_unit": "percent"}
    nb201 = NB201()
    params = nb201.params(nb201.archs())
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


@pytest.fixture(scope="session")
def task():
    return colours()


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_truth(folder)
    return folder


@pytest.fixture
def truth(tables, monkeypatch):
    """The made-up table, as the only ground truth at hand."""
    monkeypatch.setenv(shelf.ENVIRONMENT, str(tables))
    monkeypatch.setattr(shelf, "EMBEDDED", tables / "none")
    return tables / "tiny.parquet"


@pytest.fixture
def study(truth, tmp_path):
    """Load the tiny study with other values of its keys, and of the keys of its base recipe."""
    return lambda *overrides, **changes: load_study(write_study(tmp_path / "tiny.yaml", **changes), overrides)


@pytest.fixture
def spec(study):
    """The first run of the base."""
    return study().plan()[0][1]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs")
    store.prepare()
    return store


@pytest.fixture(scope="session")
def undisturbed(tables, tmp_path_factory):
    """A store with all runs of the tiny study, made in this process without a hitch."""
    folder = tmp_path_factory.mktemp("undisturbed")
    store = Store(folder / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(shelf.ENVIRONMENT, str(tables))
        for _, spec in load_study(write_study(folder / "tiny.yaml", **CONTENT)).plan():
            assert execute(spec, store) == "done", store.failure(spec.hash)
    return store


@pytest.fixture(autouse=True)
def _registered():
    """Forgets what a test's plug-ins registered."""
    known = (catalogue.CATALOGUE, registry.METHODS)
    for name in registry.SHIPPED:
        registry.entry(name)
    before = [dict(names) for names in known]
    yield
    for names, content in zip(known, before, strict=True):
        names.clear()
        names.update(content)
    for name in [name for name in sys.modules if name.startswith("supernet_plugin_")]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Headless Chromium, one for all tests of a process."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    binaries = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in binaries.items() if path is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} on this machine: the page is not tested in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = binaries["chromium"]
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(binaries["chromedriver"]))
    yield driver
    driver.quit()
