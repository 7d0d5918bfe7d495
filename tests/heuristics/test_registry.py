"""Methods and heuristics by name: what may be registered, and what a recipe may say of it."""

import os
import sys
from dataclasses import field
from typing import ClassVar, Literal

import pytest

from supernet.benchmarks.errors import UserError
from supernet.heuristics import registry
from supernet.heuristics.catalogue import CATALOGUE, Heuristic, find, heuristic
from supernet.heuristics.catalogue import register as register_heuristic
from supernet.heuristics.hooks import Method
from supernet.heuristics.plugins import Plugin
from supernet.heuristics.recipe import Recipe, RecipeError, from_dict, hash_of
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path

pytestmark = pytest.mark.usefixtures("registries")

SOURCE = '''
from supernet.heuristics.hooks import Method
from supernet.heuristics.routes import Path

MOST = 2

def drawn(ctx):
    return ctx.rng.integers(MOST)

class Chain(Method):
    """A chain."""
    paths: int = 1
    def plan(self, ctx):
        return [drawn(ctx) for _ in range(self.paths)]
'''


def made(source, name="plugin"):
    module = {"__name__": name}
    exec(source, module)
    return module["Chain"]


def test_the_same_code_may_be_registered_again_from_another_file():
    method("mine")(made(SOURCE, "one"))
    method("mine")(made("# moved down\n\n" + SOURCE, "two"))
    assert registry.entry("mine").what == "A chain."


@pytest.mark.parametrize(
    "change",
    [
        ("MOST = 2", "MOST = 3"),  # a constant that a helper uses
        ("integers(MOST)", "integers(MOST + 1)"),  # a helper
        ("for _ in range(self.paths)", "for _ in range(2)"),  # a hook
        ("paths: int = 1", "paths: int = 2"),  # a default
    ],
    ids=str,
)
def test_other_code_under_the_same_name_is_refused(change):
    method("mine")(made(SOURCE))
    with pytest.raises(UserError, match="There is a method 'mine' already, and its code differs"):
        method("mine")(made(SOURCE.replace(*change), "other"))


@pytest.mark.parametrize("name", registry.SHIPPED)
def test_a_method_that_ships_is_where_the_list_says_and_is_not_replaced(name):
    before = registry.entry(name)
    assert before.parameters.keys() == {f for f, p in before.parameters.items() if p.what}, "every parameter is told"
    with pytest.raises(UserError, match=f"'{name}'"):
        method(name)(made(SOURCE))
    assert registry.entry(name) is before


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


@pytest.mark.parametrize("name", ["", " ", "x" * 300, 3, "a.b", "A", "a b"])
def test_names_are_short_words(name):
    with pytest.raises(UserError, match="cannot name a method"):
        method(name)(made(SOURCE))


def test_what_is_not_a_method_is_refused():
    with pytest.raises(UserError, match="must be a class derived from"):
        method("mine")(type("Plain", (), {}))

    class Unclear(Method):
        size: list = None

    with pytest.raises(UserError, match="'size' of the method 'mine' must be an int, float, bool, str"):
        method("mine")(Unclear)

    class Bare(Method):
        size: int

    with pytest.raises(UserError, match="needs a default"):
        method("mine")(Bare)


@pytest.mark.parametrize("kind", [Literal[1, 2], Literal["a", 2], Literal[1] | None, list[int], dict[str, int] | None])
def test_parameters_of_other_types_are_refused(kind):
    odd = type("Odd", (Method,), {"__annotations__": {"size": kind}, "size": None})
    with pytest.raises(UserError, match="a Literal of texts, or one of these or None"):
        method("mine")(odd)


def test_a_literal_of_texts_may_also_be_none():
    @method("optional")
    class Optional(Method):
        """Does nothing."""

        how: Literal["a", "b"] | None = None

    assert Recipe().override(["methods.optional.how=b"]).methods[0].parameters == (("how", "b"),)
    assert Recipe().override(["methods.optional.how=null"]).methods[0].parameters == ()
    with pytest.raises(RecipeError, match=r"methods\.optional\.how is 'c', but must be a or b or null"):
        Recipe().override(["methods.optional.how=c"])


class Drawn(Method):
    """Draws."""

    size: int = 3
    """How large."""
    rate: float | None = None
    kind: Literal["a", "b"] = "a"
    on: bool = True
    _memory: list[int] = field(default_factory=list, init=False)

    def __post_init__(self):
        if self.size > 100:
            raise ValueError("size is at most 100")

    def plan(self, ctx):
        return [Path((3,) * 6)]


def test_parameters_are_typed_documented_and_canonical():
    method("drawn")(Drawn)
    assert registry.entry("drawn").parameters["size"].what == "How large."
    assert list(registry.entry("drawn").parameters) == ["size", "rate", "kind", "on"]
    one = Recipe().override(["methods.drawn.rate=1e-3", "methods.drawn.size=3", "methods.drawn.on=false"])
    assert one.as_dict()["methods"] == [{"name": "drawn", "on": False, "rate": 0.001}]
    other = from_dict({"methods": [{"name": "drawn", "rate": "1e-3", "on": False, "kind": "a"}]})
    assert one == other
    assert one.hash == other.hash != Recipe().override(["methods.drawn=true"]).hash
    assert one.override(["methods.drawn=false"]) == Recipe()
    assert from_dict(one.as_dict()) == one


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("methods.drawn.size=big", "methods.drawn.size is 'big', but must be int"),
        ("methods.drawn.size=101", "size is at most 100"),
        ("methods.drawn.kind=c", "must be one of a, b"),
        ("methods.drawn.sizes=1", "has no parameter 'sizes'; did you mean size"),
        ("methods.drwn=true", "there is no method 'drwn'; did you mean drawn"),
        ("methods.drawn=3", "must be true, which adds the method, or false"),
        ("methods=3", "there is no key 'methods'"),
    ],
)
def test_wrong_parameters_are_named(change, said):
    method("drawn")(Drawn)
    with pytest.raises(RecipeError, match=said):
        Recipe().override([change])


@pytest.mark.parametrize(
    "methods", [3, [3], [{"size": 1}], [{"name": 3}], [{"name": [1]}], [{"name": {}}], ["nothing"], [["drawn"]]]
)
def test_lists_of_methods_that_are_none_are_refused(methods):
    with pytest.raises(RecipeError):
        from_dict({"methods": methods})


IGNORED = [("paths", "7", "1"), ("per_cell", "true", "false"), ("with_none", "false", "true")]


@pytest.mark.parametrize(("key", "value", "harmless"), IGNORED)
def test_a_recipe_that_sets_what_a_method_ignores_is_refused(key, value, harmless):
    method("drawn")(Drawn)
    recipe = Recipe().override(["methods.drawn=true"])
    said = f"sampling.{key} is {value}, which the method drawn does not read: leave it at {harmless}"
    with pytest.raises(RecipeError, match=said):
        recipe.override([f"sampling.{key}={value}"])

    @method("hearing")
    class Hearing(Drawn):
        reads = frozenset({key})

    assert Recipe().override(["methods.hearing=true", f"sampling.{key}={value}"])


def test_one_method_plans_and_each_stands_once():
    method("drawn")(Drawn)
    with pytest.raises(RecipeError, match="the methods drawn, magic-t all plan the paths of a step"):
        Recipe().override(["methods.drawn=true", "methods.magic-t=true"])
    with pytest.raises(RecipeError, match=r"drawn and sampling\.law=fair both plan"):
        Recipe().override(["methods.drawn=true", "sampling.law=fair"])
    with pytest.raises(RecipeError, match="lists drawn 2 times"):
        from_dict({"methods": ["drawn", "drawn"]})

    @method("elsewhere", spaces=("nb201",))
    class Elsewhere(Method):
        """For one space."""

    with pytest.raises(RecipeError, match="the method elsewhere is for nb201, not for nb1shot1-1"):
        Recipe(space="nb1shot1-1").override(["methods.elsewhere=true"])


def test_a_loss_over_a_step_needs_a_step_that_follows_gradients():
    class Steps(Method):
        """Takes steps of its own, with a loss of its own."""

        def take_step(self, ctx, plan, step):
            raise NotImplementedError

        def step_loss(self, ctx, outs):
            return None

    class Loss(Method):
        """Adds a loss."""

        def step_loss(self, ctx, outs):
            return None

    method("steps")(Steps)
    method("loss")(Loss)
    assert Recipe().override(["methods.steps=true"])
    said = r"the method loss cannot be combined with steps: .* adds a loss to the whole step \(step_loss\)"
    with pytest.raises(RecipeError, match=said):
        Recipe().override(["methods.steps=true", "methods.loss=true"])


def test_a_method_names_those_that_it_excludes():
    @method("lonely")
    class Lonely(Method):
        """Does nothing."""

        excludes: ClassVar = {"magic-a": "they never get on"}

    with pytest.raises(RecipeError, match=r"lonely cannot be combined with magic-a: .*, since they never get on"):
        Recipe().override(["methods.magic-a=true", "methods.lonely=true"])
    assert not registry.entry("lonely").parameters


def test_studies_find_methods_and_their_parameters():
    assert find("magic-t").values == {"on": ("methods.magic-t=true",)}
    swept = find("magic-t.changes")
    assert swept.apply(Recipe(), "3").methods[0].parameters == (("changes", 3),)
    assert find("disturbance.rate").values == {"null": ("methods.disturbance.rate=null",)}
    assert find("disturbance.rate").apply(Recipe(), "null").methods[0].name == "disturbance"
    assert find("magic-t.change") is None
    assert find("nothing") is None


def test_a_function_of_a_value_is_a_heuristic():
    @heuristic("short", values=[5, 10], source="me")
    def short(epochs):
        """Short trainings without momentum."""
        return [f"training.epochs={epochs}", "training.momentum=0"]

    assert CATALOGUE["short"].what == "Short trainings without momentum."
    made = CATALOGUE["short"].apply(Recipe(), "10")
    assert (made.training.epochs, made.training.momentum) == (10, 0)
    with pytest.raises(UserError, match="'wrong' fails: TypeError"):
        heuristic("wrong", values=[1])(lambda: [])


def test_a_plugin_that_is_written_again_within_the_same_second_is_read_anew(tmp_path, monkeypatch):
    """Python's bytecode cache goes by time stamp and size, and would run the old file under the new file's hash."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path, found = tmp_path / "sweep.py", []
    for value in (1, 2):
        path.write_text(f"VALUE = {value}\n")
        os.utime(path, (10**9, 10**9))
        plugin = Plugin.read(path)
        plugin.load()
        found.append(sys.modules.pop(f"supernet_plugin_{plugin.sha256[:16]}").VALUE)
    assert found == [1, 2]


def test_a_plugin_is_compiled_without_the_future_statements_of_this_project(tmp_path):
    path = tmp_path / "typed.py"
    path.write_text("def of(kind):\n    class Made:\n        choice: kind = 1\n    return Made\n\nMADE = of(int)\n")
    plugin = Plugin.read(path)
    plugin.load()
    made = sys.modules.pop(f"supernet_plugin_{plugin.sha256[:16]}").MADE
    assert made.__annotations__ == {"choice": int}


def test_a_plugin_names_the_recipes_that_use_it_and_no_others(tmp_path):
    path = tmp_path / "mine.py"
    registered = SOURCE.replace("class Chain", "@method('chain')\nclass Chain")
    path.write_text("from supernet.heuristics.registry import method\n" + registered)
    used = from_dict({"plugins": ["mine.py"], "methods": ["chain"]}, tmp_path)
    unused = from_dict({"plugins": ["mine.py"]}, tmp_path)
    assert unused.hash == Recipe().hash
    assert used.plugins == (Plugin.read(path),)
    content = used.as_dict()
    assert hash_of(content) == used.hash
    content["plugins"][0] = {"path": "/elsewhere", "sha256": "0" * 64}
    assert hash_of(content) != used.hash
    with pytest.raises(UserError, match="cannot be read"):
        from_dict({"plugins": ["missing.py"]}, tmp_path)
    with pytest.raises(UserError, match="which is not the path of a Python file"):
        from_dict({"plugins": [3]}, tmp_path)


def test_stored_recipes_of_earlier_versions_are_read():
    content = Recipe().as_dict()
    del content["methods"], content["plugins"]
    content["training"]["extras"] = ""
    assert from_dict(content) == Recipe()
    assert hash_of(content) == Recipe().hash
    content["training"]["extras"] = "mine"
    with pytest.raises(RecipeError, match=r"training\.extras"):
        from_dict(content)
