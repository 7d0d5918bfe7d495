import json
import resource
import subprocess
import sys
import time
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from tiny import write_truth

from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.commands import cli


@pytest.fixture
def supernet(made_up, monkeypatch, capsys):
    """Run the command in this process, with the made-up ground truth: (exit code, output, errors)."""

    def run(*arguments, data=made_up):
        monkeypatch.setenv("SUPERNET_DATA", str(data))
        monkeypatch.setattr(sys, "argv", ["supernet", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def process(made_up):
    """Run the command in a process of its own, as a person does: (exit code, output, errors)."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "supernet.harness.commands.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(made_up), "SUPERNET_DATA": str(made_up)},
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr("supernet.harness.report.correlation.figures.draw", lambda *_: [])


EMBEDDED = [path.stem for path in shelf.EMBEDDED.glob("*.parquet")]
ASK = ["--dataset", "cifar10", "--split", "test"]


FEW = 300


@pytest.fixture(scope="module")
def scores(tmp_path_factory, truth201):
    """Scores of the whole space."""
    y = truth201.accuracy("cifar10", "test", 200, "mean")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"arch": truth201.keys(), "supernet": y + rng.normal(size=len(y))})
    path = tmp_path_factory.mktemp("scores") / "scores.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def few_scores(scores):
    """Those of the first architectures alone."""
    path = scores.with_name("few.csv")
    path.write_text("".join(scores.read_text().splitlines(keepends=True)[: FEW + 1]))
    return path


@pytest.fixture
def nothing_embedded(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "EMBEDDED", tmp_path / "none")


def test_scores_become_a_report_with_figures_in_one_command(supernet, scores, tmp_path):
    out = tmp_path / "report"
    before = time.process_time()
    asked = [*ASK, "--epochs", 200, "--resamples", 200, "--out", out]
    code, text, errors = supernet("correlate", "--space", "nb201", "--scores", scores, *asked)
    assert code == 0
    # On a busy machine, the bootstrap takes long enough to say where it is.
    assert all(line.startswith("bootstrap: ") for line in errors.splitlines())
    assert time.process_time() - before < 15, "with 1,000 resamples, 15 seconds on two cores"
    for expected in ("Kendall tau-b", "params (baseline)", "ceiling", "supernet - params", "15,625 architectures"):
        assert expected in text
    report = json.loads((out / "report.json").read_text())
    assert report["ranked"][0]["name"] == "supernet"
    for stem in ("tau-by-fraction", "ranks-supernet", "best-supernet"):
        image = Image.open(out / f"{stem}.png")
        assert min(image.size) > 300
        assert len(set(image.convert("L").resize((64, 64)).get_flattened_data())) > 10, "the figure is blank"
        assert ElementTree.parse(out / f"{stem}.svg").getroot().tag.endswith("svg")
    assert text.endswith(f"Report: {out / 'index.html'}\n")
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "supernet ranks 15,625 architectures with a Kendall τ of" in page
    assert f"--scores {scores}" in page
    assert {path.suffix for path in out.iterdir()} == {".html", ".json", ".csv", ".tex", ".png", ".svg"}


def test_subset_and_missing_ground_truth_are_counted(supernet, few_scores, tmp_path):
    path = tmp_path / "r.json"
    arguments = ["correlate", "--space", "nb201", "--scores", few_scores, *ASK, "--epochs", 12, "--resamples", 20]
    code, _, errors = supernet(*arguments)
    assert code == 1
    assert f"no result for cifar10 test, 12 epochs, mean of 100 of the {FEW}" in errors
    connected = np.isin(np.arange(FEW), space("nb201").subset("connected"))
    assert 0 < connected[100:].sum() < connected.sum() < FEW
    code, text, _ = supernet(*arguments, "--only-measured", "--subset", "connected", "--json", path)
    assert code == 0
    assert f"{(~connected).sum()} of {FEW} architectures lie outside the subset 'connected'" in text
    assert "architectures have no ground truth" in text
    assert json.loads(path.read_text())["architectures"] == connected[100:].sum()


def test_groups_give_a_line_each(supernet, tmp_path):
    frame = pd.DataFrame({"index": [*range(200), *range(200)], "m": ["a"] * 200 + ["b"] * 200, "s": range(400)})
    frame.to_parquet(tmp_path / "s.parquet")
    code, text, _ = supernet(
        "correlate", "--space", "nb201", "--scores", tmp_path / "s.parquet", *ASK, "--epochs", 200, "--by", "m",
        "--resamples", 50, "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    assert [line.split()[0] for line in text.splitlines() if line.startswith((" a ", " b "))] == ["a", "b"]
    assert (tmp_path / "out" / "tau-by-group.svg").exists()
    assert "Of 2 groups, the highest Kendall τ is that of" in (tmp_path / "out" / "index.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--space": "nb102"}, "'nb102' is not one of nb101, nb201"),
        ({"--dataset": "mnist"}, "there is no data set 'mnist'. Data sets: digits, cifar10."),
        ({"--epochs": "201"}, "cifar10 test, 201 epochs"),
        ({"--scores": "nowhere.csv"}, "There is no file nowhere.csv"),
        ({"--table": "other"}, "There is no ground-truth table 'other'"),
        ({"--subset": "best"}, "nb201 has no subset 'best'; it has: connected, unique-skip"),
        ({"--repeat": "seed"}, "give --by, too"),
        ({"--space": "nb1shot1-2", "--epochs": "108"}, "cannot be used as they stand"),
    ],
)
def test_mistakes_end_in_a_clear_message(supernet, few_scores, change, message):
    options = {"--space": "nb201", "--scores": few_scores, "--dataset": "cifar10", "--split": "test", "--epochs": "200"}
    code, text, errors = supernet("correlate", *(part for pair in (options | change).items() for part in pair))
    assert code != 0
    assert text == ""
    assert message in errors


@pytest.mark.usefixtures("no_figures")
def test_without_data_the_way_to_get_it_is_named(supernet, few_scores, tmp_path, monkeypatch):
    empty, alone = tmp_path / "empty", tmp_path / "alone"
    empty.mkdir()
    alone.mkdir()
    write_truth(alone)
    asked = ["--scores", few_scores, *ASK, "--epochs", "200"]
    code, _, errors = supernet("correlate", "--space", "nb201", *asked, data=empty)
    assert code == 1
    with monkeypatch.context() as patch:
        patch.setattr(shelf, "EMBEDDED", alone)
        code, text, _ = supernet("baselines", "--out", tmp_path / "b", "--resamples", 20, data=empty)
    assert code == 0
    for said in (errors, text):
        assert "supernet data fetch nats" in said
        assert "supernet data import nb201 FILE" in said
    code, text, _ = supernet("data", "list", data=empty)
    assert code == 0
    assert "supernet data fetch" in text
    code, text, _ = supernet("data", "verify", data=empty)
    assert code == 0  # what ships is sound
    assert "nb201-digits.parquet" in text


def test_spaces_lists_sizes_classes_and_tables(supernet):
    code, text, _ = supernet("spaces")
    assert code == 0
    for count in ("423,624", "15,625", "15,284", "12,751", "6,466", "9,445", "14,580", "2,487", "29,160", "1,312,200"):
        assert count in text


@pytest.mark.usefixtures("no_figures")
def test_baselines_cover_every_table_and_sub_space(supernet, made_up, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    GroundTruth(made_up / "nb201.parquet")
    (folder / "nb201.parquet").write_bytes((made_up / "nb201.parquet").read_bytes())
    code, text, errors = supernet("baselines", "--out", tmp_path / "b", "--resamples", 20, data=folder)
    assert (code, errors) == (0, "")
    assert "cifar10 test @200" in text
    assert {path.parent.parent.name for path in (tmp_path / "b").rglob("report.json")} == {"nb201", *EMBEDDED}


def test_data_list_and_verify_say_what_is_there(supernet, made_up):
    code, text, _ = supernet("data", "list")
    assert code == 0
    assert "2 ground-truth tables" in text
    assert f"In the package: {len(EMBEDDED)} ground-truth tables" in text
    assert "made up" in text
    code, text, _ = supernet("data", "verify", made_up / "nb201.parquet")
    assert code == 0
    assert "ok      contents" in text
    assert "0 failed" in text


@pytest.mark.usefixtures("no_figures", "nothing_embedded")
def test_a_file_that_is_no_table_is_named_not_passed_over(supernet, tmp_path):
    write_truth(tmp_path)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    code, text, _ = supernet("data", "verify", data=tmp_path)
    assert code == 1
    assert "FAILED  not usable: " in text
    assert "broken.parquet" in text
    _, _, errors = supernet("baselines", "--resamples", 20, "--out", tmp_path / "out", data=tmp_path)
    assert "Left out: " in errors
    assert "broken.parquet" in errors


def test_another_parquet_file_does_not_fail_the_check(supernet, tmp_path):
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "mine.parquet")
    code, text, _ = supernet("data", "verify", data=tmp_path)
    assert (code, "0 failed" in text) == (0, True)
    assert "Left out: " in text
    code, text, _ = supernet("data", "verify", tmp_path / "mine.parquet")
    assert (code, "1 failed" in text) == (1, True)


def test_a_data_folder_that_does_not_exist_is_an_error(supernet, tmp_path):
    for command in (("data", "list"), ("spaces",)):
        code, _, errors = supernet(*command, data=tmp_path / "nowhere")
        assert code == 1
        assert f"{tmp_path / 'nowhere'}, which does not exist" in errors


def test_an_altered_table_is_used_for_nothing(supernet, few_scores, made_up, tmp_path):
    stored = pq.read_table(made_up / "nb201.parquet")
    place = stored.column_names.index("cifar10.test.e200.mean")
    values = stored.column(place).to_numpy()[::-1]
    pq.write_table(stored.set_column(place, stored.field(place), pa.array(values)), tmp_path / "nb201.parquet")
    asked = (*ASK, "--epochs", "200", "--resamples", "20")
    code, _, errors = supernet("correlate", "--space", "nb201", "--scores", few_scores, *asked, data=tmp_path)
    assert code == 1
    assert "was altered after it was written" in errors


def test_what_the_machine_refuses_ends_in_one_paragraph(supernet, few_scores, tmp_path):
    (tmp_path / "file").write_text("")
    asked = [*ASK, "--epochs", 200, "--resamples", 20, "--out", tmp_path / "file" / "report"]
    code, _, errors = supernet("correlate", "--space", "nb201", "--scores", few_scores, *asked)
    assert code == 1
    assert errors.startswith("supernet: Not a directory: ")


@pytest.fixture
def correlate(made_up, monkeypatch):
    """Run `supernet correlate` in this process: (exit code, output, errors)."""
    from supernet.harness.commands.cli import supernet as command

    monkeypatch.setenv("SUPERNET_DATA", str(made_up))

    def run(path, *arguments):
        every = [
            "correlate",
            "--space",
            "nb201",
            "--scores",
            path,
            *ASK,
            "--epochs",
            200,
            "--resamples",
            20,
            *arguments,
        ]
        done = CliRunner().invoke(command, list(map(str, every)))
        if done.exception and not isinstance(done.exception, SystemExit):
            return 1, done.stdout, str(done.exception)
        return done.exit_code, done.stdout, done.stderr

    return run


@pytest.fixture
def two_columns(tmp_path, truth201):
    y = truth201.accuracy("cifar10", "test", 200, "mean", np.arange(100))
    path = tmp_path / "two.csv"
    pd.DataFrame({"index": range(100), "acc": y, "loss": -y, "label": ["x"] * 100}).to_csv(path, index=False)
    return path


def test_json_goes_to_standard_output_alone(correlate, two_columns):
    code, text, errors = correlate(two_columns, "--json", "-")
    assert code == 0
    assert [r["name"] for r in json.loads(text)["ranked"]] == ["acc", "loss", "params"]
    assert "Kendall tau-b" in errors
    code, text, errors = correlate(two_columns, "--json", "-", "--by", "label", "--score-column", "acc")
    assert json.loads(text)["groups"][0]["key"] == ["x"]


@pytest.mark.parametrize(
    ("option", "taus"),
    [
        ([], [1, -1]),
        (["--lower-is-better"], [-1, 1]),
        (["--lower-is-better", "loss"], [1, 1]),
        (["--lower-is-better", "loss", "--lower-is-better", "acc"], [-1, 1]),
    ],
)
def test_the_direction_is_set_for_each_column(correlate, two_columns, option, taus):
    code, text, errors = correlate(two_columns, *option, "--json", "-")
    assert code == 0
    report = json.loads(text)
    assert [r["estimates"]["kendall_tau"]["value"] for r in report["ranked"][:2]] == pytest.approx(taus)
    assert any("ranks backwards" in note for note in report["notes"]) == (-1 in taus)
    assert any("label (text; line 2: 'x')" in note for note in report["notes"])
    assert "label (text" in errors


def test_places_that_cannot_hold_results_are_refused_before_work(correlate, two_columns, tmp_path):
    for option, place in (("--out", two_columns), ("--json", tmp_path), ("--json", two_columns / "x.json")):
        code, text, errors = correlate("nowhere.csv", option, place)
        assert (code, text) == (1, "")
        assert str(place) in errors
        assert "nowhere.csv" not in errors


@pytest.mark.parametrize("top", ["0", "1.1", "nan", "x", "0.1,", "120%", "-0.1"])
def test_impossible_fractions_are_refused(correlate, two_columns, top):
    code, _, errors = correlate(two_columns, "--top", top)
    assert code != 0
    assert "is not a fraction in (0, 1]" in errors


def test_fractions_and_infinities_are_options(correlate, tmp_path, two_columns):
    with two_columns.open("a") as file:
        file.write("100,-inf,inf,x\n")
    code, _, errors = correlate(two_columns)
    assert code == 1
    assert "line 102: acc is -inf, not a finite number" in errors
    code, text, _ = correlate(two_columns, "--infinite", "leave-out", "--top", "50%,0.2")
    assert code == 0
    assert "infinite score: 1 of 101 architectures" in text
    assert text.count(" 50 % ") == text.count(" 20 % ") == 3


def test_fetch_lists_and_explains(supernet, tmp_path):
    code, text, _ = supernet("data", "fetch")
    assert code == 0
    assert "nb101" in text
    code, _, errors = supernet("data", "fetch", "nats", "--to", tmp_path)
    assert code == 1
    assert "Get it by hand" in errors
    code, _, errors = supernet("data", "fetch", "nb1o1")
    assert code == 1
    assert "no download called 'nb1o1'" in errors


def test_a_mistake_ends_a_process_in_one_paragraph(process, few_scores):
    code, text, errors = process(
        "correlate", "--space", "nb201", "--scores", few_scores, *ASK, "--epochs", "200", "--table", "other"
    )
    assert (code, text) == (1, "")
    assert errors.startswith("supernet: There is no ground-truth table 'other'")


def children_seconds():
    """CPU time of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_names_every_command_and_starts_quickly(process):
    process("--help")
    start = children_seconds()
    code, text, _ = process("--help")
    assert children_seconds() - start < 2
    assert code == 0
    for command in ("spaces", "data", "correlate", "baselines"):
        assert command in text
