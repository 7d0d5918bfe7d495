import pytest

from supernet.benchmarks.errors import UserError
from supernet.harness.supernet.nb201.static import least_memory
from supernet.harness.training import memory
from supernet.heuristics.recipe import Recipe

BENCHMARK = ["network.channels=16", "network.cells=5", "training.batch_size=256"]


def test_the_least_memory_is_that_of_the_activations():
    # Five cells on 16 x 32², 32 x 16² and 64 x 8² activations, five of each kept, 256 images of 4 bytes.
    recipe = Recipe().override(BENCHMARK)
    assert least_memory(recipe, 32) == 5 * 5 * (16 * 1024 + 32 * 256 + 64 * 64) * 256 * 4
    assert least_memory(recipe.override(["training.amp=true"]), 32) == least_memory(recipe, 32) // 2
    assert least_memory(recipe.override(["training.batch_size=1024"]), 32) == 4 * least_memory(recipe, 32)
    assert least_memory(recipe.override(["sampling.law=fair", "sampling.batch=split"]), 32) < least_memory(recipe, 32)
    assert least_memory(Recipe().override(["space=nb1shot1-1"]), 32) == 0


def test_a_training_that_cannot_fit_is_refused_with_what_to_lower():
    memory.refuse(5, 5, "cuda:0")
    with pytest.raises(UserError, match=r"at least 3.0 GiB on cuda:1, which has 2.0 GiB left") as found:
        memory.refuse(3 << 30, 2 << 30, "cuda:1")
    assert all(word in str(found.value) for word in ("network.channels", "training.batch_size", "--workers", "amp"))
