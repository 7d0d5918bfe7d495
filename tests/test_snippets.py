"""Every block of code in README.md, CONTRIBUTING.md and docs/ is executed here, or listed with the reason why not.

A block is named by its page and by a text that it has and no other block of that page.
"""

import re
import shlex
import sys

import pytest
import yaml
from click.testing import CliRunner
from snippets import SNIPPETS

import supernet
from supernet.benchmarks.truth import shelf
from supernet.harness.commands.cli import supernet as command_line
from supernet.harness.search.algorithms import registry as algorithms
from supernet.harness.search.algorithms.moves import moves
from supernet.harness.study.reading import load_study
from supernet.heuristics import catalogue

INSTALLS = "installs packages"
OFFICIAL = "needs official data"
MINUTES = "takes minutes"
GPU = "needs a GPU; tests/bench/test_gpu_scripts.py tries the scripts on a CPU"
NOT_EXECUTED = {
    ("README.md", "pip install -e ."): INSTALLS,
    ("studies.md", "supernet study extend mine.yaml"): "tests/harness/commands/test_study_verdicts.py has it",
    ("studies.md", "supernet study compare nb201-small"): "tests/harness/report/test_across.py has it",
    ("CONTRIBUTING.md", "make lint"): "runs these tests and the checks of the code",
    ("free-scores.md", "supernet score nb201"): f"{MINUTES}, and {OFFICIAL}",
    ("methods.md", "methods.interference.every=5"): f"{MINUTES}, and {OFFICIAL}",
    ("gpu.md", "supernet study run nb201-paper"): GPU,
    ("gpu.md", "make bench-gpu"): GPU,
    ("gpu.md", "tests/bench/gpu.py --out"): GPU,
    ("gpu.md", "gpu_campaign.py --list"): GPU,
    ("gpu.md", "--rule free-1+supernet"): f"{MINUTES}, and {OFFICIAL}",
    ("search.md", "--train-missing --budget 20q"): MINUTES,
    ("studies.md", "free: [batch-norm]"): "tests/harness/study/test_beside.py has it",
    ("leaderboard.md", "supernet leaderboard few-shot-NAS"): "needs the published score files",
    ("recipes.md", "supernet rank run"): OFFICIAL,
    ("recipes.md", "distribution.model=simplex"): OFFICIAL,
    ("search.md", "--warm-start live-params"): f"{MINUTES}, and {OFFICIAL}",
    ("search.md", "--budget 25000p --seeds 3"): f"{MINUTES}, and {OFFICIAL}",
    ("search.md", "--space nb1shot1-1 --algorithms darts"): f"{MINUTES}, and {OFFICIAL}",
    ("search.md", "make compare"): f"{MINUTES}, and {OFFICIAL}",
    ("studies.md", "supernet study plan mine.yaml"): OFFICIAL,
    ("studies.md", "supernet study run cifar10-16-recipe"): f"{MINUTES}, and {OFFICIAL}",
    ("tutorial.md", "pip install -e ."): INSTALLS,
}
"""(page, text of a block) -> why the block is not executed. The options of its commands are checked all the same."""
_executed = set()


def executes(page, *texts):
    """Marks a test that executes these blocks of a page: it gets their code as `codes`."""
    _executed.update((page, text) for text in texts)
    return pytest.mark.parametrize("codes", [pytest.param((page, texts), id=page)], indirect=True)


def matching(page, text):
    return [snippet for snippet in SNIPPETS if snippet.page == page and text in snippet.code]


@pytest.fixture
def codes(request):
    page, texts = request.param
    found = [matching(page, text) for text in texts]
    assert all(len(snippets) == 1 for snippets in found)
    return [snippet.code for (snippet,) in found]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder and no imported plug-in; the tables that ship are all the ground truth that there is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(shelf.ENVIRONMENT, str(tmp_path))
    forget_plugins()
    yield tmp_path
    forget_plugins()


def forget_plugins():
    """Let a plug-in be imported again, since the fixture `registries` forgets what it registered."""
    for name in [name for name in sys.modules if name.startswith("supernet_plugin_")]:
        del sys.modules[name]


def run(code, page):
    names = {"__name__": "docs"}
    exec(compile(code, page, "exec", dont_inherit=True), names)
    return names


def shell(code):
    """Run the commands of a block in this process, and return what they print."""
    printed = ""
    for line in code.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            assert words[0] == "supernet"
            result = CliRunner().invoke(command_line, words[1:])
            assert result.exit_code == 0, (line, result.output, result.exception)
            printed += result.output
    return printed


def replaced(code, whole, part):
    assert whole in code
    return code.replace(whole, part)


def tiny(**more):
    return supernet.train(task="digits", train_images=64, channels=4, cells=1, epochs=1, **more)


# ---- README --------------------------------------------------------------------------------------------------------


@executes("README.md", 'sn.train(task="digits"')
def test_the_first_lines_from_python_do_what_they_say(codes, here, capsys):
    """They train, rank, correlate, plot and print tau with the tables that ship, and write nothing but the figure."""
    (code,) = codes
    assert len([line for line in code.splitlines() if line]) == 6
    names = run(code, "README.md")
    assert len(names["ranking"].frame()) == 60
    assert names["report"].report.architectures == 60
    assert any("no better than chance" in note for note in names["report"].notes)
    assert [path.name for path in here.iterdir()] == ["tau.png"]
    assert capsys.readouterr().out.splitlines()[-1] == f"Kendall's tau {names['report'].tau:.2f}"


@executes("README.md", "class Confident", "confident.weight: [0.1, 0.5]")
def test_the_method_trains_and_the_study_sweeps_its_parameter(codes, here, registries):
    (here / "mine.py").write_text(codes[0])
    (here / "mine.yaml").write_text(codes[1])
    settings = [setting.label for setting in load_study("mine.yaml").settings(None)]
    assert settings == ["base", "confident.weight=0.1", "confident.weight=0.5"]
    without, with_method = tiny(), tiny(methods=[{"name": "confident", "weight": 0.5}])
    assert without.log[-1]["loss"] != with_method.log[-1]["loss"]


# ---- the guide -----------------------------------------------------------------------------------------------------


@executes("methods.md", "class Lazy")
def test_what_docs_register_trains(codes, registries):
    run(codes[0], "methods.md")
    assert len(tiny(methods=[{"name": "lazy", "stay": 3}]).log) == 1
    assert catalogue.find("gentle").values["0.01"] == ("training.learning_rate=0.01", "training.momentum=0")


@executes("methods.md", "supernet heuristics batch-norm")
def test_the_heuristics_are_listed(codes):
    printed = shell(codes[0])
    assert "affine-recalibrated" in printed
    assert "methods.magic-t." in printed


@executes("studies.md", "title: Does dropping paths help?", "plan: screen\n")
def test_the_studies_of_the_docs_can_be_read(codes, here):
    """With the embedded ground truth in place of the official one."""
    official, screen = codes
    study = official.replace(
        "dataset: cifar10, split: test, epochs: 200", "table: nb201-digits, dataset: digits, split: test"
    )
    study = study.replace("{name: cifar10, size: 16}", "{name: digits}").replace("sample: 1000", "sample: 100")
    (here / "mine.yaml").write_text(study)
    assert "path-dropout=0.1" in [setting.label for setting in load_study(here / "mine.yaml").settings(None)]
    (here / "screen.yaml").write_text(yaml.safe_dump(yaml.safe_load(study) | yaml.safe_load(screen)))
    assert len(load_study(here / "screen.yaml").settings(None)) == 8


@executes("free-scores.md", "sn.free_scores(", "sn.fuse(")
def test_scores_without_training_are_computed_and_fused(codes):
    names = run("\n".join(codes), "free-scores.md")
    assert len(names["together"]) == len(names["frame"]) == 20


TRUTH = {"data.md": "truth.accuracy(", "scores.md": "scores.csv", "python.md": "kendall_statistic("}
"""Page -> a text of its block, which uses the official table of the page before."""


@executes("scores.md", TRUTH["scores.md"])
def test_code_about_scores_runs_with_the_table_that_ships(codes, here):
    run(embedded(codes[0]), "scores.md")
    assert (here / "scores.csv").read_text().startswith("arch,after_12_epochs\n")


@executes("data.md", TRUTH["data.md"])
def test_code_about_ground_truth_runs_with_the_table_that_ships(codes, here):
    assert run(embedded(codes[0]), "data.md")["truth"] is not None


@executes("python.md", TRUTH["python.md"])
def test_code_about_metrics_runs_with_the_table_that_ships(codes, here, capsys):
    (scores,) = matching("scores.md", TRUTH["scores.md"])
    names = run(embedded(scores.code + codes[0]), "python.md")
    assert capsys.readouterr().out.split()[0] == "1.0"
    assert names["low"] <= names["high"] == 1


def embedded(code):
    """The code with the embedded table's data set, epochs and repeats in place of those of official data."""
    code = code.replace('"cifar10"', '"digits"').replace("s777", "s0").replace("rows=[6111, 81]", "rows=[1]")
    return re.sub(r'"test", "?(200|12)("?)', r'"test", \g<2>1\2', code)


@executes("CONTRIBUTING.md", "class Coin")
def test_the_search_algorithm_asks_for_every_architecture_twice(codes):
    from random import Random

    try:
        made = run(codes[0], "CONTRIBUTING.md")["Coin"](moves("nb201"), 1, Random(0))
        assert algorithms.ALGORITHMS["coin"].title == "Every architecture twice"
    finally:
        algorithms.forget("coin")
    asked = [made.ask() for _ in range(4)]
    assert asked[0] == asked[1] != asked[2] == asked[3]


# ---- the tutorial, from top to bottom ------------------------------------------------------------------------------

TUTORIAL = (
    "space: nb201\ntask:", "supernet rank first", 'sn.train("small.yaml")', "class Confident", "--out second",
    "title: Do confident", "supernet study run mine.yaml",
)  # fmt: skip


@executes("tutorial.md", *TUTORIAL)
def test_the_tutorial_works_from_top_to_bottom(codes, here, registries, capsys):
    """In the order of the page, with fewer images, seeds and architectures."""
    recipe, train_and_rank, from_python, method, with_method, study, studied = codes
    recipe, study = (replaced(code, "train_images: 500", "train_images: 100") for code in (recipe, study))
    (here / "small.yaml").write_text(recipe)
    assert "params (baseline)" in shell(train_and_rank)
    run(from_python, "tutorial.md")
    assert "kendall_tau" in capsys.readouterr().out
    (here / "mine.py").write_text(method)
    assert "Factor of the penalty." in shell(with_method)
    study = replaced(study, "{base: 4, others: 3}", "{base: 2, others: 2}")
    (here / "mine.yaml").write_text(replaced(study, "sample: 60", "sample: 20"))
    printed = shell(studied)
    assert "6 runs: 6 done" in printed
    assert "confident.weight=0.5" in printed
    assert (here / "results" / "reports" / "mine" / "index.html").is_file()


def test_files_of_the_tutorial_are_named_as_its_commands_name_them():
    titles = {snippet.title: snippet.code for snippet in SNIPPETS if snippet.page == "tutorial.md" and snippet.title}
    assert set(titles) == {"small.yaml", "mine.py", "mine.yaml"}


# ---- all of them ---------------------------------------------------------------------------------------------------


def test_every_block_of_code_is_executed_or_says_why_not():
    assert len(SNIPPETS) > 20
    named = [*_executed, *NOT_EXECUTED]
    assert len(set(named)) == len(named), "a block is both executed and listed as not executed"
    for page, text in named:
        assert len(matching(page, text)) == 1, f"{page} must have one block with the text {text!r}"
    for snippet in SNIPPETS:
        names = [text for page, text in named if page == snippet.page and text in snippet.code]
        assert len(names) == 1, (
            f"{snippet.page}: add this block to a test of this file or to NOT_EXECUTED:\n{snippet.code}"
        )
