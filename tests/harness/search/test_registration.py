"""Algorithms of one's own, and what keeps their results apart from those of other code."""

import json
import subprocess
import sys
from functools import partial

import pytest
from greedy_plugin import GREEDY, plugin

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.table import Measure
from supernet.harness.runs.execute import job
from supernet.harness.runs.job import Truth
from supernet.harness.search.algorithms import registry as algorithms
from supernet.harness.search.algorithms.code import digest
from supernet.harness.search.algorithms.evolution import RandomSearch, RegularisedEvolution
from supernet.harness.search.algorithms.registry import (
    ALGORITHMS,
    SHIPPED,
    code_of,
    register,
    register_sharing,
    use,
)
from supernet.harness.search.ledger import Budget
from supernet.harness.search.make import make
from supernet.harness.search.picks import BestRandom
from supernet.harness.search.spec import SearchSpec
from supernet.heuristics.plugins import Plugin
from supernet.heuristics.recipe import Recipe

TRUTH = Truth("t", Measure("digits", "valid", "1", "s0"), "d")


def spec(algorithm, recipe=None, **more):
    return SearchSpec("nb201", TRUTH, ("1",), algorithm, Budget("queries", 10.0), (0, 1), recipe, **more)


# ---- names of runs -----------------------------------------------------------------------------------------------


def test_runs_of_shipped_algorithms_keep_their_names():
    assert spec("random").hash == "b8e74847040fdeff"
    assert spec("rea").hash == "a7cfb45396bae9d5"
    assert spec("darts", Recipe()).hash == "fe4a58541f6c54de"
    older = {key: value for key, value in spec("rea").as_dict().items() if key not in ("code", "plugins")}
    assert job(json.loads(json.dumps(older))).hash == spec("rea").hash


def test_changed_behaviour_of_a_shipped_algorithm_has_another_name():
    assert spec("bohb").hash != spec("bohb", code="").hash
    assert [spec(name).code for name in ("bohb", "mf-kd", "mf-kd-distil")] == ["3", "2", "2"]


def test_the_code_of_a_plugin_names_its_runs(tmp_path):
    first = plugin(tmp_path / "greedy.py")
    use([first])
    before = spec("greedy")
    second = plugin(tmp_path / "greedy.py", GREEDY.replace("value > self", "value < self"))
    use([second])
    assert spec("greedy").hash != before.hash
    (tmp_path / "elsewhere").mkdir()
    use([plugin(tmp_path / "elsewhere" / "other_name.py")])
    assert spec("greedy").hash == before.hash  # wherever it lies


def test_code_that_a_plugin_imports_names_its_runs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    mine = GREEDY.split("register(")[0].replace("class Greedy", "class Base")
    (tmp_path / "p.py").write_text(
        "import my_base\n"
        "from supernet.harness.search.algorithms.registry import register\n"
        "register('greedy', my_base.Base)\n"
    )
    mine_alone, codes = Plugin.read(tmp_path / "p.py"), set()
    for text in (mine, mine.replace("value > self", "value < self")):
        (tmp_path / "my_base.py").write_text(text)
        for name in ("my_base", f"supernet_plugin_{mine_alone.sha256[:16]}"):
            sys.modules.pop(name, None)  # as in a new process
        use([])
        use([mine_alone])
        codes.add(code_of("greedy"))
    sys.modules.pop("my_base", None)
    assert len(codes) == 2


def made_in_a_closure(population):
    return lambda moves, top, rng: RegularisedEvolution(moves, top, rng, population=population)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: partial(RegularisedEvolution, population=n),
        lambda n: partial(partial(RegularisedEvolution, sample=3), population=n),
        made_in_a_closure,
    ],
)
def test_arguments_are_part_of_the_code(make):
    assert digest(make(10)) == digest(make(10))
    assert digest(make(10)) != digest(make(20))


def test_a_shipped_class_under_another_name_is_other_code_with_other_arguments():
    register("mine", partial(RegularisedEvolution, population=5))
    before = code_of("mine")
    register("mine", partial(RegularisedEvolution, population=6))  # from the same file
    assert code_of("mine") != before
    register_sharing("drawn", ("sampling.law=fair",), BestRandom(10, 2))
    before = code_of("drawn")
    register_sharing("drawn", ("sampling.law=fair",), BestRandom(20, 2))
    assert code_of("drawn") != before


def test_what_is_written_into_the_table_has_a_code_too():
    ALGORITHMS["rea"], kept = algorithms.QueryAlgorithm("Mine", "", partial(RandomSearch)), ALGORITHMS["rea"]
    try:
        assert spec("rea").hash != "a7cfb45396bae9d5"
    finally:
        ALGORITHMS["rea"] = kept


def test_code_without_a_file_never_gets_results_of_an_earlier_session(tmp_path):
    text = (
        "from supernet.harness.search.algorithms.registry import register, code_of\n"
        "class A:\n    pass\n"
        "register('typed', A)\n"
        "print(code_of('typed'), code_of('typed') == code_of('typed'))\n"
    )
    said = [
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert said[0][0] != said[1][0]
    assert said[0][1] == said[1][1] == "True"


def test_a_spec_of_other_code_is_not_made(tmp_path):
    use([plugin(tmp_path / "greedy.py")])
    planned = spec("greedy", plugins=(Plugin.read(tmp_path / "greedy.py"),))
    assert job(json.loads(json.dumps(planned.as_dict()))) == planned
    use([plugin(tmp_path / "greedy.py", GREEDY + "# changed\n")])
    with pytest.raises(UserError, match="has changed since this run was planned"):
        make(planned, tmp_path, "cpu", lambda share, text: None)
    sys.modules.pop(f"supernet_plugin_{planned.plugins[0].sha256[:16]}")  # as in a worker
    with pytest.raises(UserError, match="has changed since this run was planned"):
        job(planned.as_dict())


# ---- registration ------------------------------------------------------------------------------------------------


def test_a_shipped_name_is_taken(tmp_path):
    with pytest.raises(UserError, match="'rea' is registered already, by the project"):
        register("rea", RandomSearch)
    with pytest.raises(UserError, match="'rea' is registered already"):
        use([plugin(tmp_path / "p.py", GREEDY.replace('"greedy"', '"rea"'))])
    assert ALGORITHMS["rea"] is SHIPPED["rea"]


def test_another_plugins_name_is_taken(tmp_path):
    two = [plugin(tmp_path / "a.py"), plugin(tmp_path / "b.py", GREEDY + "# another\n")]
    with pytest.raises(UserError, match=r"'greedy' is registered already, by .*a\.py"):
        use(two)
    use(two[1:])  # alone it is welcome
    assert "greedy" in ALGORITHMS
    use([])
    assert "greedy" not in ALGORITHMS
    use(two[:1])  # imported before in this process
    assert "greedy" in ALGORITHMS


@pytest.mark.parametrize("name", ["", "a,b", "a b", "a\n", "x" * 61, 7, None])
def test_names_that_a_list_could_not_hold_are_refused(name):
    with pytest.raises(UserError, match="cannot name a search algorithm"):
        register(name, RandomSearch)


def test_an_object_that_cannot_be_called_is_refused_as_an_algorithm():
    with pytest.raises(UserError, match="has to be made by a class or function"):
        register("mine", 3)
