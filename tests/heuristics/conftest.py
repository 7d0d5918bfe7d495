import pytest
from learned import TINY

from supernet.harness.training.run import start
from supernet.heuristics import catalogue, registry


@pytest.fixture(scope="module")
def digits():
    return start(TINY).task


@pytest.fixture
def registries():
    """Forgets what a test registers."""
    known = (catalogue.CATALOGUE, registry.METHODS)
    for name in registry.SHIPPED:
        registry.entry(name)
    before = [dict(names) for names in known]
    yield
    for names, content in zip(known, before, strict=True):
        names.clear()
        names.update(content)
