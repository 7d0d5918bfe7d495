import pytest
from learned import TINY

from harness.train import start
from heuristics import catalogue, combinations, extras, recipe, samplers


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
