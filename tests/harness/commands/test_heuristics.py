import subprocess
import sys

import pytest
from click.testing import CliRunner
from rich.console import Console

from supernet.benchmarks.errors import UserError
from supernet.harness.commands.heuristics import _catalogue, _written, heuristics
from supernet.heuristics.catalogue import CATALOGUE
from supernet.heuristics.registry import SHIPPED, entry


def printed(*arguments):
    result = CliRunner().invoke(heuristics, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("width", [80, 100, 119])
def test_names_are_whole_in_a_narrow_terminal(width, capsys):
    Console(width=width).print(_catalogue(list(CATALOGUE.values()), wide=False))
    words = capsys.readouterr().out.replace(",", " ").split()
    assert "…" not in "".join(words)
    for name, heuristic in CATALOGUE.items():
        assert {name, *heuristic.family.split(), *heuristic.values} <= set(words)


def test_a_space_leaves_out_what_is_for_others():
    assert "op-on" in printed("--space", "nb201")
    assert "op-on" not in printed("--space", "nb1shot1-1")


def test_one_heuristic_with_its_values_and_what_they_set():
    text = printed("batch-norm")
    for value, changes in CATALOGUE["batch-norm"].values.items():
        assert f"{value} " in text
        assert " ".join(changes) in text
    assert "Other values" not in text
    assert "Any other value of training.learning_rate can be given" in printed("learning-rate")


def test_heuristics_and_methods_of_a_plugin_are_listed(tmp_path, registries):
    file = tmp_path / "mine.py"
    file.write_text(
        "import supernet as sn\n\n"
        '@sn.method("shy", source="me", spaces=("nb201",))\n'
        "class Shy(sn.Method):\n"
        '    """Trains rarely."""\n'
        "    often: float = 0.25\n"
        '    """Share of the steps."""\n\n'
        '@sn.heuristic("gentle", values=[0.01, 0.02], source="me")\n'
        "def gentle(rate):\n"
        '    """Lowers the learning rate."""\n'
        '    return [f"training.learning_rate={rate}", "training.momentum=0"]\n'
    )
    text = printed("--plugin", file)
    assert "Trains rarely." in text
    assert "Lowers the" in text
    assert "magic-t" in text
    assert "Share of the steps." in printed("shy", "--plugin", file)
    assert "training.learning_rate=0.02 training.momentum=0" in printed("gentle", "--plugin", file)
    assert "Trains rarely." not in printed("--space", "nb1shot1-1", "--plugin", file)
    with pytest.raises(UserError, match="The method shy is for nb201, not for nb1shot1-1"):
        printed("shy", "--space", "nb1shot1-1", "--plugin", file)
    with pytest.raises(UserError, match=r"did you mean gentle\?"):
        printed("gentel", "--plugin", file)
    with pytest.raises(UserError, match=r"none\.py cannot be read"):
        printed("--plugin", tmp_path / "none.py")


def test_methods_that_ship_are_listed_with_their_sources():
    text = printed()
    for name, shipped in SHIPPED.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f" {name} ")]
        assert shipped.what in line
        assert shipped.source in line


def test_the_list_waits_for_no_heavy_import():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom supernet.harness.commands.heuristics import heuristics\n"
        "assert 'magic-t' in CliRunner().invoke(heuristics, []).output\n"
        "print({'torch', 'pandas', 'scipy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", SHIPPED)
def test_one_method_with_its_parameters(name):
    text = printed(name)
    parameters = entry(name).parameters.values()
    assert parameters
    for parameter in parameters:
        (line,) = [line for line in text.splitlines() if line.startswith(f"  {parameter.name} ")]
        assert line.split()[1] == _written(parameter.default)
        assert parameter.what
        assert line.endswith(parameter.what)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "nb999"], "There is no search space 'nb999'; there is nb201"),
        (["--space", "nb20"], "did you mean nb201?"),
        (["batch-nrom"], "There is no heuristic or method 'batch-nrom'; did you mean batch-norm?"),
        (["magic_t"], "did you mean magic-t?"),
        (["path_dropout"], "did you mean path-dropout?"),
        (["op-on", "--space", "nb1shot1-1"], "is for nb201, nb201-topology, darts, not for nb1shot1-1"),
    ],
)
def test_unknown_names_are_errors_with_the_nearest(arguments, message):
    with pytest.raises(UserError) as error:
        CliRunner().invoke(heuristics, arguments, catch_exceptions=False)
    assert message in str(error.value)
