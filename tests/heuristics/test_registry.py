import functools

import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.heuristics import extras
from supernet.heuristics.catalogue import CATALOGUE, Heuristic
from supernet.heuristics.catalogue import register as register_heuristic
from supernet.heuristics.hooks import Path
from supernet.heuristics.methods import samplers
from supernet.heuristics.recipe import LAWS, Recipe, RecipeError

pytestmark = pytest.mark.usefixtures("registries")

SOURCE = """
MOST = 2

def drawn(ctx):
    return ctx.rng.integers(MOST)

class Law:
    def __init__(self, paths=1):
        self.paths = paths
    def plan(self, ctx):
        return [drawn(ctx) for _ in range(self.paths)]

make = lambda space, recipe, cells: Law(recipe.sampling.paths)
"""


def made(source, name="plugin"):
    module = {"__name__": name}
    exec(source, module)
    return module["make"]


def test_the_same_code_may_be_registered_again_from_another_file():
    samplers.register("mine", made(SOURCE, "one"))
    samplers.register("mine", made("# moved down\n\n" + SOURCE, "two"))
    assert LAWS.count("mine") == 1


@pytest.mark.parametrize(
    "change",
    [
        ("MOST = 2", "MOST = 3"),  # a constant that a helper uses
        ("integers(MOST)", "integers(MOST + 1)"),  # a helper
        ("for _ in range(self.paths)", "for _ in range(2)"),  # a method
        ("paths=1", "paths=2"),  # a default
        ("Law(recipe.sampling.paths)", "Law(1)"),  # the function itself
    ],
    ids=str,
)
def test_other_code_under_the_same_name_is_refused(change):
    samplers.register("mine", made(SOURCE))
    with pytest.raises(UserError, match="There is a sampling law 'mine' already, and its code differs"):
        samplers.register("mine", made(SOURCE.replace(*change), "other"))


def test_classes_and_partial_functions_are_told_apart_too():
    def of(most, space, recipe, cells):
        return most

    samplers.register("part", functools.partial(of, 1))
    samplers.register("part", functools.partial(of, 1))
    with pytest.raises(UserError, match="already"):
        samplers.register("part", functools.partial(of, 2))
    extras.register("term", type("Term", (), {"__call__": lambda self, ctx, path, logits, labels: 1}))
    with pytest.raises(UserError, match="already"):
        extras.register("term", type("Term", (), {"__call__": lambda self, ctx, path, logits, labels: 2}))


@pytest.mark.parametrize("law", LAWS)
def test_a_law_that_ships_is_not_replaced(law):
    before = samplers.SAMPLERS.get(law)
    with pytest.raises(UserError, match=f"There is a sampling law '{law}' already"):
        samplers.register(law, made(SOURCE))
    assert samplers.SAMPLERS.get(law) is before


def test_a_heuristic_that_ships_is_not_replaced():
    before = CATALOGUE["clip"]
    with pytest.raises(UserError, match="There is a heuristic 'clip' already"):
        register_heuristic(Heuristic("clip", "protocol", "other", {"on": ("training.clip=1",)}, "me"))
    assert CATALOGUE["clip"] is before
    mine = Heuristic("mine", "protocol", "what", {"on": ("training.clip=1",)}, "me")
    register_heuristic(mine)
    register_heuristic(Heuristic("mine", "protocol", "what", {"on": ("training.clip=1",)}, "me"))
    with pytest.raises(UserError, match="already"):
        register_heuristic(Heuristic("mine", "protocol", "what", {"on": ("training.clip=2",)}, "me"))
    with pytest.raises(UserError, match="needs values"):
        register_heuristic(Heuristic("empty", "protocol", "what", {}, "me"))


@pytest.mark.parametrize("name", ["", " ", "x" * 300, 3])
def test_names_are_short_texts(name):
    with pytest.raises(UserError, match="must be a text of 1 to 200 characters"):
        samplers.register(name, made(SOURCE))


class Deaf:
    def plan(self, ctx):
        return [Path((3, 3, 3, 3, 3, 3))]


IGNORED = [("paths", "7", "1"), ("per_cell", "true", "false"), ("with_none", "false", "true")]


@pytest.mark.parametrize(("key", "value", "harmless"), IGNORED)
def test_a_recipe_that_sets_what_a_law_ignores_is_refused(key, value, harmless):
    samplers.register("deaf", lambda space, recipe, cells: Deaf())
    recipe = Recipe().override(["sampling.law=deaf"])
    assert samplers.sampler_for(space("nb201"), recipe, 1).plan(None)[0].routing == (3,) * 6
    said = f"sampling.{key} is {value}, which the law deaf does not read: leave it at {harmless}"
    with pytest.raises(RecipeError, match=said):
        recipe.override([f"sampling.{key}={value}"])


@pytest.mark.parametrize(("key", "value", "_"), IGNORED)
def test_a_law_that_reads_a_key_says_so(key, value, _):
    samplers.register("hearing", lambda space, recipe, cells: Deaf(), reads=[key])
    for other, value_of_other, _ in IGNORED:
        change = ["sampling.law=hearing", f"sampling.{other}={value_of_other}"]
        if other == key:
            assert Recipe().override(change).sampling.law == "hearing"
            continue
        with pytest.raises(RecipeError, match=f"sampling.{other} is"):
            Recipe().override(change)


@pytest.mark.parametrize("reads", ["paths", ["batch"], ["sampling.paths"]])
def test_what_a_law_can_read_is_one_of_three_keys(reads):
    with pytest.raises(UserError, match="`reads` is a list of some of paths, per_cell, with_none"):
        samplers.register("wrong", made(SOURCE), reads=reads)
