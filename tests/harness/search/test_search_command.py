"""The search command: plug-ins, names of reports, and mistakes that are found before any work."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from greedy_plugin import GREEDY, plugin
from made_up_search import WITHIN

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.table import write_table
from supernet.harness.commands.cli import supernet
from supernet.harness.commands.search import search
from supernet.harness.search.algorithms.evolution import RandomSearch, RegularisedEvolution
from supernet.harness.search.algorithms.registry import ALGORITHMS, register
from supernet.harness.search.algorithms.seen import SEEN
from supernet.harness.search.objectives.training import FOLDER
from supernet.heuristics.plugins import Plugin


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Accuracies of validation and test are the same, and a query costs 50 to 150 seconds."""
    archs = WITHIN.archs()
    values = 80 + 2.0 * (archs == 3).sum(1) + np.random.default_rng(0).normal(0, 0.3, len(archs))
    columns = {"arch": [WITHIN.string(arch) for arch in archs.tolist()]}
    columns |= {"cifar10-valid.valid.e12.mean": values, "cifar10.test.e200.mean": values}
    columns["cifar10-valid.train_seconds.e12"] = np.linspace(50, 150, len(values))
    path = tmp_path_factory.mktemp("truth") / "made.parquet"
    write_table(path, columns, {"space": "nb201", "family": "made", "accuracy_unit": "percent"})
    return path


def run(table, out, *arguments):
    start = ["search", "--table", str(table), "--out", str(out), "--executor", "process"]
    return CliRunner().invoke(supernet, [*start, *map(str, arguments)])


def reports(results):
    """The folders of reports; locks lie beside them under hidden names."""
    return sorted(path for path in (results / "reports").iterdir() if not path.name.startswith("."))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


@pytest.mark.usefixtures("no_figures")
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


@pytest.mark.usefixtures("no_figures")
def test_warm_starts_stand_beside_what_they_are_of(table, tmp_path):
    result = run(table, tmp_path, "--algorithms", "random,local", "--warm-start", "live-params", "--pool", 20,
                 "--budget", "12q", "--seeds", 2)  # fmt: skip
    assert result.exception is None, result.exception
    lines = [line.split()[0] for line in result.stdout.splitlines()[1:4]]
    assert sorted(lines) == ["local", "random", "random@live-params:20"]
    (folder,) = reports(tmp_path)
    assert "Random search, best of 20 by live-params" in (folder / "index.html").read_text(encoding="utf-8")
    refused = run(table, tmp_path, "--algorithms", "local", "--warm-start", "params", "--budget", "12q")
    assert "local: no warm start is possible; random, rea, tpe, bananas begin" in str(refused.exception)


@pytest.mark.usefixtures("no_figures")
def test_what_this_process_alone_knows_needs_the_process_executor(table, tmp_path):
    register("mine", RandomSearch)
    arguments = ["search", "--table", str(table), "--out", str(tmp_path), "--algorithms", "mine", "--budget", "9q"]
    result = CliRunner().invoke(supernet, arguments)
    assert "Other processes do not know mine" in str(result.exception)
    assert run(table, tmp_path, "--algorithms", "mine", "--budget", "9q", "--seeds", 1).exit_code == 0


@pytest.mark.usefixtures("no_figures")
def test_fresh_makes_runs_anew_and_keeps_the_old_ones(table, tmp_path):
    base = ("--algorithms", "random", "--budget", "5q", "--seeds", 1)
    assert "1/1" in run(table, tmp_path, *base).stderr
    assert "1/1" not in run(table, tmp_path, *base).stderr
    (tmp_path / "runs" / FOLDER).mkdir()
    (tmp_path / "runs" / FOLDER / "kept.json").write_text("{}")
    assert "1/1" in run(table, tmp_path, *base, "--fresh").stderr
    assert (tmp_path / "runs" / FOLDER / "kept.json").exists()
    (told,) = (option.help for option in search.params if option.name == "fresh")
    assert f"(runs/{FOLDER}) are kept" in told
    assert len(list((tmp_path / "runs" / ".damaged").iterdir())) == 1


# ---- names of reports --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_figures")
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


@pytest.mark.usefixtures("no_figures")
def test_a_name_that_another_comparison_holds_is_refused_before_any_work(table, tmp_path):
    run(table, tmp_path, "--algorithms", "random", "--budget", "5q", "--seeds", 2, "--name", "mine")
    before = contents(tmp_path)
    for arguments in (
        ("--algorithms", "random", "--budget", "5q", "--seeds", 1),
        ("--algorithms", "rea", "--budget", "5q", "--seeds", 2),
        ("--algorithms", "random", "--budget", "6q", "--seeds", 3),
    ):
        result = run(table, tmp_path, *arguments, "--name", "mine")
        assert isinstance(result.exception, UserError)
        assert "another comparison" in str(result.exception)
    assert contents(tmp_path) == before
    assert (
        run(table, tmp_path, "--algorithms", "random", "--budget", "5q", "--seeds", 2, "--name", "mine").exit_code == 0
    )


@pytest.mark.usefixtures("no_figures")
def test_more_seeds_of_a_comparison_renew_its_report(table, tmp_path):
    for seeds in (2, 3):
        result = run(table, tmp_path, "--algorithms", "random", "--budget", "5q", "--seeds", seeds, "--name", "mine")
        assert result.exception is None, result.exception
    (folder,) = reports(tmp_path)
    assert json.loads((folder / "comparison.json").read_text())["seeds"] == 3


@pytest.mark.usefixtures("no_figures")
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


@pytest.mark.usefixtures("no_figures")
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
def test_names_that_cannot_be_folder_names_are_refused(name, table, tmp_path):
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
def test_mistakes_are_reported_once_and_before_any_work(arguments, said, table, tmp_path):
    result = run(table, tmp_path, *arguments)
    assert isinstance(result.exception, UserError), result.exception
    text = str(result.exception)
    assert re.search(said, text), text
    assert len(text) < 1200
    lines = text.split("\n")
    assert len(lines) == len(set(lines))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_figures")
def test_the_benchmarks_own_spellings_are_known(table, tmp_path):
    result = run(table, tmp_path, "--algorithms", "random", "--budget", "5q", "--seeds", 1, "--dataset", "CIFAR-10")
    assert result.exit_code == 0
    assert reports(tmp_path)[0].name.startswith("nb201-cifar10-5q-")


def test_algorithms_are_listed_without_importing_torch():
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


def test_the_list_says_what_was_seen_in_lines_of_a_hundred_characters():
    listed = CliRunner().invoke(supernet, ["search", "--list"]).stdout
    assert max(map(len, listed.splitlines())) <= 100
    starts = [line.split()[0] for line in listed.splitlines() if not line.startswith(" ")]
    assert starts == list(ALGORITHMS)
    assert listed.count("seen:") == len(ALGORITHMS)
    assert set(SEEN) < set(ALGORITHMS)


def test_what_was_seen_is_in_the_results_that_ship_and_in_the_documentation():
    root = Path(__file__).parents[3]
    parts = re.split(r"^#+ ", (root / "docs/search.md").read_text(), flags=re.M)
    text_of = {part.partition("\n")[0]: part for part in parts}

    def rows(title, accuracy):
        return dict(re.findall(rf"^\| ([a-z-]+)[^|]*\|{accuracy} (\d\d\.\d\d ± \d+\.\d\d) \|", text_of[title], re.M))

    protocol = {name: text.split(": ")[1].split(" %")[0] for name, text in SEEN.items() if "12,000 s" in text}
    assert rows("Search", "") == protocol
    for title, accuracy, folder, seen in (
        ("On real images, with shared weights", "", "", "NAS-Bench-201, CIFAR-10 at 16 pixels, 25,000 passes"),
        ("At full length", r" \d\d \|.*?\|", "full", "the same, 195,500 passes"),
        ("On NAS-Bench-1Shot1", r" \d+ \|.*?\|", "1shot1", "space 1, CIFAR-10 at 16 pixels, 10,000 passes"),
    ):
        with (root / "results/reference/search" / folder / "final.csv").open(newline="") as file:
            found = {
                r["algorithm"]: f"{float(r['cifar10 test']):.2f} ± {float(r['cifar10 test sd']):.2f}"
                for r in csv.DictReader(file)
            }
        assert rows(title, accuracy) == found
        assert all(f"{seen}: {each} % test (3 seeds)" in SEEN[name] for name, each in found.items())
    report = json.loads((root / "results/reference/compare/report.json").read_text())
    for row in report["final"]:
        if "@" in row["algorithm"]:  # a warm start of another one
            continue
        found = f"{row['digits test']:.2f} ± {row['digits test sd']:.2f} % test ({row['seeds']} seeds)"
        assert SEEN[row["algorithm"]].endswith(found)
