import pytest
from learned import TINY

from supernet.harness.training.run import start
from supernet.heuristics import catalogue, extras, recipe
from supernet.heuristics import rules as combinations
from supernet.heuristics.methods import samplers


@pytest.fixture(scope="module")
def digits():
    return start(TINY).task


@pytest.fixture
def registries():
    """Forgets what a test registers."""
    before = [
        (registry, dict(registry))
        for registry in (catalogue.CATALOGUE, samplers.SAMPLERS, extras.EXTRAS, combinations.SAMPLING_READ)
    ]
    laws = list(recipe.LAWS)
    yield
    for registry, content in before:
        registry.clear()
        registry.update(content)
    recipe.LAWS[:] = laws
