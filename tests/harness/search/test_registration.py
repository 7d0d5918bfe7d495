"""Algorithms of one's own, and what keeps their results apart from those of other code and other comparisons."""

import json
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import Measure, write_table
from supernet.harness.commands.cli import supernet
from supernet.harness.runs.execute import job
from supernet.harness.runs.job import Truth
from supernet.harness.search.algorithms import registry as algorithms
from supernet.harness.search.algorithms.code import digest
from supernet.harness.search.algorithms.evolution import RandomSearch, RegularisedEvolution
from supernet.harness.search.algorithms.registry import (
    ALGORITHMS,
    SHIPPED,
    code_of,
    forget,
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

WITHIN = space("nb201")
TRUTH = Truth("t", Measure("digits", "valid", "1", "s0"), "d")
GREEDY = """
from supernet.harness.search.algorithms.ask import Query
from supernet.harness.search.algorithms.registry import register


class Greedy:
    def __init__(self, moves, top, rng):
        self.moves, self.top, self.rng, self.best = moves, top, rng, None

    def ask(self):
        if self.best is None:
            return Query(self.moves.random(self.rng), self.top)
        return Query(self.moves.mutated(self.best[1], self.rng), self.top)

    def tell(self, query, value):
        if self.best is None or value > self.best[0]:
            self.best = (value, query.arch)


register("greedy", Greedy, title="Greedy <b>[red]$x_", source="here & now")
"""


@pytest.fixture(autouse=True)
def only_shipped_algorithms_stay():
    yield
    use([])
    for name in set(ALGORITHMS) - set(SHIPPED):
        forget(name)
        ALGORITHMS.pop(name, None)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    archs = WITHIN.archs()
    values = 80 + 2.0 * (archs == 3).sum(1) + np.random.default_rng(0).normal(0, 0.3, len(archs))
    columns = {"arch": [WITHIN.string(arch) for arch in archs.tolist()]}
    columns |= {"cifar10-valid.valid.e12.mean": values, "cifar10.test.e200.mean": values}
    columns["cifar10-valid.train_seconds.e12"] = np.linspace(50, 150, len(values))
    path = tmp_path_factory.mktemp("truth") / "made.parquet"
    write_table(path, columns, {"space": "nb201", "family": "made", "accuracy_unit": "percent"})
    return path


def plugin(path, text=GREEDY):
    path.write_text(text, encoding="utf-8")
    return Plugin.read(path)


def spec(algorithm, recipe=None, **more):
    return SearchSpec("nb201", TRUTH, ("1",), algorithm, Budget("queries", 10.0), (0, 1), recipe, **more)


def run(table, out, *arguments):
    start = ["search", "--table", str(table), "--out", str(out), "--executor", "process"]
    return CliRunner().invoke(supernet, [*start, *map(str, arguments)])


# ---- names of runs -----------------------------------------------------------------------------------------------


def test_runs_of_shipped_algorithms_keep_their_names():
    assert spec("random").hash == "72be000b6f7366b8"
    assert spec("rea").hash == "98dd2428803b24e3"
    assert spec("darts", Recipe()).hash == "f63f3a48ae84d94c"
    older = {key: value for key, value in spec("rea").as_dict().items() if key not in ("code", "plugins")}
    assert job(json.loads(json.dumps(older))).hash == spec("rea").hash


def test_changed_behaviour_of_a_shipped_algorithm_has_another_name():
    assert spec("bohb").hash != spec("bohb", code="").hash
    assert spec("bohb").code == "2"


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
        assert spec("rea").hash != "98dd2428803b24e3"
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


def test_a_spec_of_other_code_is_not_made(tmp_path, table):
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


def test_what_cannot_be_called_makes_no_algorithm():
    with pytest.raises(UserError, match="has to be made by a class or function"):
        register("mine", 3)


def reports(results):
    """The folders of reports; locks lie beside them under hidden names."""
    return sorted(path for path in (results / "reports").iterdir() if not path.name.startswith("."))


# ---- the command -------------------------------------------------------------------------------------------------


def test_a_plugin_searches_and_its_title_is_data(table, tmp_path):
    plugin(tmp_path / "greedy.py")
    result = run(table, tmp_path, "--algorithms", "random,greedy", "--budget", "20q", "--seeds", 10, "--plugin",
                 tmp_path / "greedy.py")  # fmt: skip
    assert result.exception is None, result.exception
    (folder,) = reports(tmp_path)
    assert folder.name.startswith("nb201-cifar10-20q-")
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "Greedy &lt;b&gt;[red]$x_" in page
    assert "Greedy <b>" not in page
    content = json.loads((folder / "comparison.json").read_text())
    assert content["plugins"] == [{"path": "greedy.py", "sha256": Plugin.read(tmp_path / "greedy.py").sha256}]


def test_a_changed_plugin_gets_results_of_its_own(table, tmp_path):
    finals = []
    for text in (GREEDY, GREEDY.replace("value > self", "value < self")):
        plugin(tmp_path / "greedy.py", text)
        result = run(table, tmp_path, "--algorithms", "greedy", "--budget", "60q", "--seeds", 4, "--plugin",
                     tmp_path / "greedy.py")  # fmt: skip
        assert "1/1 greedy" in result.stderr  # made, not found
        finals.append(float(result.stdout.splitlines()[1].split()[1]))
    assert finals[0] > finals[1] + 0.5
    assert len(reports(tmp_path)) == 2


def test_what_this_process_alone_knows_needs_the_process_executor(table, tmp_path):
    register("mine", RandomSearch)
    arguments = ["search", "--table", str(table), "--out", str(tmp_path), "--algorithms", "mine", "--budget", "9q"]
    result = CliRunner().invoke(supernet, arguments)
    assert "Other processes do not know mine" in str(result.exception)
    assert run(table, tmp_path, "--algorithms", "mine", "--budget", "9q", "--seeds", 1).exit_code == 0


def test_fresh_makes_runs_anew_and_keeps_the_old_ones(table, tmp_path):
    base = ("--algorithms", "random", "--budget", "5q", "--seeds", 1)
    assert "1/1" in run(table, tmp_path, *base).stderr
    assert "1/1" not in run(table, tmp_path, *base).stderr
    assert "1/1" in run(table, tmp_path, *base, "--fresh").stderr
    assert len(list((tmp_path / "runs" / ".damaged").iterdir())) == 1


# ---- names of reports --------------------------------------------------------------------------------------------


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_comparisons_have_folders_of_their_own(table, tmp_path):
    lists = [
        ("--algorithms", "random,rea", "--budget", "5q", "--seeds", 2),
        ("--algorithms", "random,rea", "--budget", "6q", "--seeds", 2),
        ("--algorithms", "random,rea", "--budget", "5q", "--seeds", 3),
        ("--algorithms", "random", "--budget", "5q", "--seeds", 2),
    ]
    for count, arguments in enumerate(lists, 1):
        run(table, tmp_path, *arguments)
        assert len(reports(tmp_path)) == count
    run(table, tmp_path, "--algorithms", "rea,random", "--budget", "5q", "--seeds", 2)  # the first again
    assert len(reports(tmp_path)) == 4


def test_a_name_that_another_comparison_holds_is_refused_before_any_work(table, tmp_path):
    run(table, tmp_path, "--algorithms", "random", "--budget", "5q", "--seeds", 2, "--name", "mine")
    before = contents(tmp_path)
    for arguments in (
        ("--algorithms", "random", "--budget", "5q", "--seeds", 3),
        ("--algorithms", "rea", "--budget", "5q", "--seeds", 2),
        ("--algorithms", "random", "--budget", "6q", "--seeds", 2),
    ):
        result = run(table, tmp_path, *arguments, "--name", "mine")
        assert isinstance(result.exception, UserError)
        assert "another comparison" in str(result.exception)
    assert contents(tmp_path) == before
    assert (
        run(table, tmp_path, "--algorithms", "random", "--budget", "5q", "--seeds", 2, "--name", "mine").exit_code == 0
    )


def test_a_report_of_an_earlier_version_is_known_by_what_it_compares(table, tmp_path):
    arguments = ("--algorithms", "random", "--budget", "5q", "--seeds", 2, "--name", "mine")
    run(table, tmp_path, *arguments)
    path = tmp_path / "reports" / "mine" / "comparison.json"
    content = json.loads(path.read_text())
    del content["identity"], content["plugins"]
    path.write_text(json.dumps(content))
    assert run(table, tmp_path, *arguments).exit_code == 0


@pytest.mark.parametrize("held", [None, "{", "[]", "3", '{"identity": "x"}', '{"space": "nb201"}'])
def test_a_folder_with_something_else_is_left_alone(held, table, tmp_path):
    folder = tmp_path / "reports" / "mine"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("mine")
    if held is not None:
        (folder / "comparison.json").write_text(held)
    before = contents(tmp_path)
    result = run(table, tmp_path, "--algorithms", "random", "--budget", "5q", "--seeds", 1, "--name", "mine")
    assert isinstance(result.exception, UserError)
    assert contents(tmp_path) == before


def test_what_failed_replaces_no_report(table, tmp_path, monkeypatch):
    arguments = ("--algorithms", "random,rea", "--budget", "5q", "--seeds", 2, "--name", "mine")
    run(table, tmp_path, *arguments)
    before = contents(tmp_path / "reports")
    monkeypatch.setattr(RegularisedEvolution, "ask", lambda self: 1 / 0)
    result = run(table, tmp_path, *arguments, "--fresh")
    assert isinstance(result.exception, UserError)
    assert "has 4 searches, but only 2 are done now" in str(result.exception)
    assert contents(tmp_path / "reports") == before
    monkeypatch.setattr(RandomSearch, "ask", lambda self: 1 / 0)
    result = run(table, tmp_path, "--algorithms", "random", "--budget", "7q", "--seeds", 2)
    assert "No search is done" in str(result.exception)
    assert contents(tmp_path / "reports") == before


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/tmp/x", "-x", " x", "x\n", "x" * 101, "a\\b", ".x"])
def test_names_that_are_no_folder_names_are_refused(name, table, tmp_path):
    result = run(table, tmp_path, "--algorithms", "random", "--budget", "5q", f"--name={name}")
    assert "cannot name a report" in str(result.exception)
    assert not list(tmp_path.iterdir())


# ---- checks before work ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--algorithms", "darts", "--budget", "100q"), "^darts shares weights and queries nothing: give a budget in"),
        (
            ("--algorithms", "random,rea", "--budget", "100p"),
            "^random trains no super-net: .*\nrea trains no super-net",
        ),
        (("--algorithms", "random", "--budget", "1s"), "does not afford one query, which costs 50 or more"),
        (("--algorithms", "random", "--budget", "0.5q"), "does not afford one query"),
        (("--algorithms", "random", "--budget", "0q"), "Invalid budget '0q'"),
        (("--algorithms", "random", "--budget", "100"), "Invalid budget '100'"),
        (("--algorithms", "rea,ray", "--budget", "10q"), "There is no search algorithm 'ray'; did you mean rea"),
        (("--algorithms", "random", "--budget", "9q", "--dataset", "cifar"), "did you mean cifar10"),
        (("--algorithms", "random", "--budget", "9q", "--space", "nb202"), "did you mean nb201"),
        (("--algorithms", "random", "--budget", "9q", "--seeds", "100001"), "1 to 100,000 seeds"),
        (("--algorithms", "random", "--budget", "9q", "--rate", "nan"), "must be above 0 and finite"),
        (("--algorithms", "random", "--budget", "9q", "--rate", "-1"), "must be above 0 and finite"),
        (("--algorithms", "bohb", "--budget", "9q", "--fidelities", ","), "names no number of epochs"),
        (("--algorithms", "bohb", "--budget", "9q", "--fidelities", "7"), "after 7 epochs; it has them after 12"),
        (("--algorithms", "random", "--budget", "9q", "--epochs", "7"), "7"),
        (("--algorithms", "random", "--budget", "9q", "--set", "training.nonsense=1"), "nonsense"),
        (("--algorithms", "darts", "--budget", "9p", "--set", "task.name=digits"), "does not afford one epoch"),
    ],
)
def test_mistakes_are_said_once_and_before_any_work(arguments, said, table, tmp_path):
    result = run(table, tmp_path, *arguments)
    assert isinstance(result.exception, UserError), result.exception
    text = str(result.exception)
    assert re.search(said, text), text
    assert len(text) < 1200
    lines = text.split("\n")
    assert len(lines) == len(set(lines))
    assert not list(tmp_path.iterdir())


def test_the_benchmarks_own_spellings_are_known(table, tmp_path):
    result = run(table, tmp_path, "--algorithms", "random", "--budget", "5q", "--seeds", 1, "--dataset", "CIFAR-10")
    assert result.exit_code == 0
    assert reports(tmp_path)[0].name.startswith("nb201-cifar10-5q-")


def test_a_list_of_algorithms_waits_for_no_torch():
    text = (
        "import sys\nfrom click.testing import CliRunner\nfrom supernet.harness.commands.cli import supernet\n"
        "assert 'darts' in CliRunner().invoke(supernet, ['search', '--list']).stdout\n"
        "assert not {'torch', 'pandas', 'scipy.stats'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", text], check=True)


def test_a_plugin_cannot_hide_that_it_cannot_be_read(tmp_path):
    result = CliRunner().invoke(supernet, ["search", "--list", "--plugin", str(tmp_path / "none.py")])
    assert isinstance(result.exception, UserError)
    (tmp_path / "bad.py").write_text("1 / 0")
    result = CliRunner().invoke(supernet, ["search", "--list", "--plugin", str(tmp_path / "bad.py")])
    assert "cannot be imported: ZeroDivisionError" in str(result.exception)
    plugin(tmp_path / "greedy.py")
    listed = CliRunner().invoke(supernet, ["search", "--list", "--plugin", str(tmp_path / "greedy.py")]).stdout
    assert "greedy" in listed
