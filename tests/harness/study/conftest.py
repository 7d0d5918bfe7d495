import sys

import pytest
from tiny import CONTENT, write_study, write_truth

from supernet.benchmarks.truth import shelf
from supernet.harness.runs.store import Store
from supernet.harness.study.make import execute
from supernet.harness.study.plan import load_study
from supernet.heuristics import catalogue, extras, recipe
from supernet.heuristics import rules as combinations
from supernet.heuristics.methods import samplers


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
    registries = (catalogue.CATALOGUE, samplers.SAMPLERS, extras.EXTRAS, combinations.SAMPLING_READ)
    before, laws = [dict(registry) for registry in registries], list(recipe.LAWS)
    yield
    for registry, content in zip(registries, before, strict=True):
        registry.clear()
        registry.update(content)
    recipe.LAWS[:] = laws
    for name in [name for name in sys.modules if name.startswith("supernet_plugin_")]:
        del sys.modules[name]
