import dataclasses
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from tiny import begin, forks, rest, wait_for
from torch.utils.flop_counter import FlopCounterMode

from supernet.benchmarks import versions
from supernet.benchmarks.errors import BadTable, UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.shelf import EMBEDDED
from supernet.benchmarks.truth.table import GroundTruth, write_table
from supernet.benchmarks.truth.training import Training, training_of
from supernet.benchmarks.truth.verify import verify
from supernet.harness.commands.benchmark import benchmark
from supernet.harness.measured import agreement, results
from supernet.harness.measured import benchmark as embedded
from supernet.harness.runs import parallel
from supernet.harness.statistics.metrics import kendall_tau
from supernet.harness.supernet.build import build_network
from supernet.harness.training import run
from supernet.heuristics import recipe as recipes
from supernet.heuristics.recipe import Recipe

TINY = [
    "task.name=digits", "task.train_images=120", "task.valid_images=40", "network.channels=4", "network.cells=1",
    "network.bn_track=true", "training.epochs=1", "training.batch_size=40", "evaluation.bn=running",
]  # fmt: skip


def tiny(name="nb201", among="unique-skip-none", architectures=3, seeds=(0, 1)):
    return embedded.Benchmark(f"{name}-tiny", name, among, architectures, seeds, Recipe(space=name).override(TINY))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedded")
    told = []
    with pytest.MonkeyPatch.context() as patch:
        warm(patch)
        path = embedded.build(tiny(), folder, workers=2, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (6, 6)
    return folder, GroundTruth(path)


def warm(patch):
    """Workers have everything imported already."""
    patch.setattr(parallel, "get_context", lambda method: forks())
    patch.setattr(embedded, "begin", rest)


@pytest.fixture
def forked(monkeypatch):
    warm(monkeypatch)


def test_a_table_has_every_seed_and_their_mean(built):
    _, table = built
    within, benchmark = space("nb201"), tiny()
    assert table.keys() == [within.string(within.arch(index)) for index in benchmark.indices().tolist()]
    for split in ("valid", "test"):
        seeds = np.array([table.accuracy("digits", split, 1, f"s{seed}") for seed in (0, 1)])
        assert np.allclose(table.accuracy("digits", split, 1, "mean"), seeds.mean(0))
        assert ((seeds >= 0) & (seeds <= 100)).all()
    assert (table.train_seconds("digits", 1) > 0).all()
    assert (table.about["digits_version"], table.space) == (versions.DIGITS_VERSION, "nb201")


def test_a_table_says_how_its_networks_were_built_and_passes_its_checks(built):
    _, table = built
    assert training_of(table) == Training(channels=4, cells=1, train_images=120)
    assert {key: table.about[key] for key in ("channels", "cells", "train_images")} == training_of(table).about()
    checks = list(verify(table))
    assert [what for what, right, _ in checks if not right] == []
    assert {"distinct", "arch names the architecture", "digits.params"} <= {what for what, _, _ in checks}


def test_a_training_keeps_the_official_string_beside_the_index(built, tmp_path):
    folder, _ = built
    within = space("nb201")
    for path in (folder / "nb201-tiny").glob("*.json"):
        result = json.loads(path.read_text())
        assert within.index(within.parse(result["arch"])) == result["index"]
    # Trainings of earlier versions lack the string, and are as good as before.
    del result["arch"], result[results.CHECKSUM]
    results.write_result(tmp_path / path.name, result)
    assert embedded.result_of(tmp_path, tiny(), result["index"], result["seed"])["test"] == result["test"]


def test_a_table_records_the_machines_that_trained_and_not_the_one_that_assembled_it(built, tmp_path):
    shutil.copytree(built[0] / "nb201-tiny", tmp_path / "nb201-tiny")
    kept = sorted((tmp_path / "nb201-tiny").glob("*.json"))
    for path, device in zip(kept, ["GPU A"] * 3 + ["GPU B"] * 2 + [None], strict=True):
        result = json.loads(path.read_text())
        del result[results.CHECKSUM]
        if device:
            result["environment"]["device"] = device
        else:
            del result["environment"]  # as versions wrote it that did not record it
        results.write_result(path, result)
    found = GroundTruth(embedded.assemble(tiny(), tmp_path)).about["environment"]
    assert set(found["device"].split(" + ")) == {"GPU A", "GPU B", "not recorded"}
    assert found["torch"] == torch.__version__


def test_one_worker_is_this_process_with_one_thread_and_gives_the_same_numbers(built, tmp_path, monkeypatch):
    threads = []
    monkeypatch.setattr(
        embedded,
        "measure",
        lambda *what, measure=embedded.measure: (threads.append(torch.get_num_threads()), measure(*what)),
    )
    before = torch.get_num_threads()
    alone = GroundTruth(embedded.build(tiny(), tmp_path, workers=1))
    assert (threads, torch.get_num_threads()) == ([1] * 6, before)
    assert np.array_equal(*(table.accuracy("digits", "test", 1, "mean") for table in (alone, built[1])))


def test_the_time_of_a_training_is_without_that_of_making_its_images(tmp_path, monkeypatch):
    benchmark, clock = tiny(), [0.0]

    def made(section, task_of=run.task_of):
        clock[0] += 1_000
        return task_of(section)

    monkeypatch.setattr(run, "task_of", made)
    monkeypatch.setattr(embedded.time, "process_time", lambda: clock[0])
    index = int(benchmark.indices()[0])
    embedded.measure(benchmark, embedded.Job(index, 0, 1), tmp_path)
    assert embedded.result_of(tmp_path, benchmark, index, 0)["train_seconds"] < 1_000
    assert clock[0] == 1_000


@pytest.mark.usefixtures("forked")
def test_a_build_goes_on_where_it_stopped_with_the_same_numbers(built, tmp_path):
    folder, table = built
    done = tmp_path / "nb201-tiny"
    done.mkdir()
    kept = sorted((folder / "nb201-tiny").glob("*.json"))
    for path in kept[:3]:
        (done / path.name).write_bytes(path.read_bytes())
    (done / kept[3].name).write_text("{half")  # as a machine that lost power leaves it
    other = json.loads(kept[4].read_text()) | {"recipe": "another", "test": 1.0}
    (done / kept[4].name).write_text(json.dumps(other))
    with pytest.raises(UserError, match="lacks architecture"):
        embedded.assemble(tiny(), tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in done.glob("*.json")}
    again = GroundTruth(embedded.build(tiny(), tmp_path))
    for seed in ("s0", "s1", "mean"):
        assert np.array_equal(again.accuracy("digits", "test", 1, seed), table.accuracy("digits", "test", 1, seed))
    after = {path.name: path.stat().st_mtime_ns for path in done.glob("*.json")}
    assert {name for name in before if before[name] == after[name]} == {path.name for path in kept[:3]}


def build(*arguments):
    benchmark.main(["build", *arguments])


@pytest.mark.skipif(sys.platform != "linux", reason="finds workers in /proc")
def test_workers_do_not_outlive_a_builder_that_is_killed(tmp_path):
    content = {**dataclasses.asdict(tiny()), "architectures": 300, "recipe": tiny().recipe.as_dict()}
    del content["name"], content["recipe"]["space"]
    (tmp_path / "long.yaml").write_text(yaml.safe_dump(content | {"seeds": [0]}))
    builder = begin(build, str(tmp_path / "long.yaml"), "--out", str(tmp_path), "--workers", "2")
    try:
        wait_for(lambda: list((tmp_path / "long").glob("*.json")), 120)
        workers = Path(f"/proc/{builder.pid}/task/{builder.pid}/children").read_text().split()
    finally:
        builder.kill()
        builder.join()
    assert workers
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 20)


@pytest.mark.usefixtures("forked")
def test_a_training_that_diverges_stops_no_other(tmp_path):
    wild = tiny(architectures=2, seeds=(0,))
    wild = replace(wild, recipe=wild.recipe.override(["training.learning_rate=1e30", "training.clip=null"]))
    with pytest.raises(UserError, match=r"2 training\(s\) cannot be in a table\. nb201-tiny, architecture") as error:
        embedded.build(wild, tmp_path)
    assert "diverged" in str(error.value)


def test_tables_of_another_version_of_the_digits_are_refused(built, monkeypatch):
    folder, table = built
    assert shelf.opened(table.path).space == "nb201"
    monkeypatch.setattr(shelf, "DIGITS_VERSION", 99)
    with pytest.raises(BadTable, match=r"version 1 of the digits task, but this is version 99"):
        shelf.opened(table.path)
    monkeypatch.setattr(shelf, "EMBEDDED", folder)
    assert any("version 99" in problem for problem in shelf.tables()[1])


@pytest.mark.usefixtures("forked")
def test_1shot1_tables_are_keyed_by_the_graph_of_the_cell(tmp_path):
    benchmark = tiny("nb1shot1-1", "unique-cell", 2, (0,))
    table = GroundTruth(embedded.build(benchmark, tmp_path))
    within = space("nb1shot1-1")
    assert table.keys() == within.hashes(benchmark.indices()).tolist()
    archs = within.archs(benchmark.indices())
    assert table.params("digits").tolist() == within.cells(archs).params(4, 1).tolist()


AMONG = {"nb201": "unique-skip-none", "nb1shot1-1": "unique-cell", "darts": "all"}


def test_a_space_that_cannot_be_listed_is_sampled_as_a_whole():
    benchmark = tiny("darts", "all", 500)
    indices = benchmark.indices()
    assert (np.diff(indices) > 0).all()
    assert indices.mean() == pytest.approx(len(space("darts")) / 2, rel=0.1)
    with pytest.raises(UserError, match="15,626 architectures of all: it has 15,625"):
        tiny("nb201", "all", 15_626).indices()


@pytest.mark.parametrize("name", AMONG)
def test_costs_are_those_of_the_networks_trained(name):
    benchmark = replace(tiny(name, AMONG[name], 2 if name == "darts" else 4), seeds=(0,))
    indices = benchmark.indices()
    params, flops = embedded.costs(benchmark.recipe, indices)
    for index, count, work in zip(indices.tolist(), params, flops, strict=True):
        recipe = benchmark.spec(index, 0)
        network = build_network(recipe, 10)
        routing = benchmark.within.arch(index)
        if name == "nb201":
            assert sum(p.numel() for p in network.active_parameters(routing)) == count
            continue
        assert sum(p.numel() for p in network.parameters()) == count
        if name == "darts":  # see test_darts_net.py for its multiply-accumulates
            continue
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, 3, 16, 16), routing)
        assert counter.get_total_flops() == 2 * work


def test_a_table_has_every_fidelity_with_its_time(tmp_path):
    benchmark = tiny(seeds=(0, 1))
    benchmark = replace(
        benchmark, cheaper_epochs=(1, 2), recipe=benchmark.recipe.override(["training.epochs=5"]), name="three"
    )
    (tmp_path / "three").mkdir()
    for number, job in enumerate(benchmark.jobs()):
        result = {**embedded._identity(benchmark, job), "train_seconds": float(job.epochs)}
        result |= {"valid": float(number), "test": float(number) + 0.5}
        results.write_result(embedded._path(tmp_path / "three", benchmark, job), result)
    table = GroundTruth(embedded.assemble(benchmark, tmp_path))
    numbers = {job: number for number, job in enumerate(benchmark.jobs())}
    for epochs in (1, 2, 5):
        wanted = np.array([[numbers[embedded.Job(i, s, epochs)] for i in benchmark.indices()] for s in (0, 1)], float)
        for split, more in (("valid", 0.0), ("test", 0.5)):
            found = [table.accuracy("digits", split, epochs, seed) for seed in ("s0", "s1", "mean")]
            np.testing.assert_allclose(found, [*(wanted + more), wanted.mean(0) + more])
        assert table.train_seconds("digits", epochs).tolist() == [epochs] * 3
    assert embedded.result_of(tmp_path / "three", benchmark, int(benchmark.indices()[0]), 0)["train_seconds"] == 5
    assert benchmark.spec(3, 1, 2).training.epochs == 2
    assert benchmark.spec(3, 1) == benchmark.spec(3, 1, 5)


@pytest.mark.parametrize("name", [name for name in embedded.names() if (shelf.EMBEDDED / f"{name}.parquet").exists()])
def test_the_figures_of_a_table_are_those_that_its_page_tells(name):
    lines = [line.strip("|").split("|") for line in (shelf.EMBEDDED / "README.md").read_text().splitlines()]
    cells = [[cell.strip() for cell in line] for line in lines]
    (head,) = [row for row in cells if f"`{name}`" in row[1:]]
    column = {row[0]: row[head.index(f"`{name}`")] for row in cells[cells.index(head) :] if len(row) == len(head)}
    wanted = agreement.figures(embedded.load(name), GroundTruth(shelf.EMBEDDED / f"{name}.parquet"))
    assert {row: column[row] for row in wanted} == wanted


def test_agreement_tells_spread_and_taus(tmp_path):
    rng = np.random.default_rng(0)
    a = rng.normal(70, 5, 40)
    b = a + rng.normal(0, 2, 40)
    within = space("nb201")
    columns = {
        "arch": [within.string(within.arch(index)) for index in range(40)],
        "digits.test.e1.mean": (a + b) / 2, "digits.test.e1.s0": a, "digits.test.e1.s1": b,
        "digits.params": np.arange(40), "digits.flops": np.arange(40)[::-1],
    }  # fmt: skip
    write_table(tmp_path / "t.parquet", columns, {"space": "nb201", "family": "made up", "accuracy_unit": "percent"})
    figures = agreement.agreement(GroundTruth(tmp_path / "t.parquet"), "digits", "test", "1")
    assert figures["tau between seeds"] == pytest.approx(kendall_tau(a, b))
    assert figures["tau of parameter count"] == pytest.approx(-figures["tau of FLOPs"])
    assert figures["highest accuracy"] == pytest.approx(((a + b) / 2).max())


def test_an_unknown_benchmark_is_named_beside_those_there_are():
    with pytest.raises(UserError, match=r"no embedded benchmark 'nb301'; there are darts-digits, nb1shot1-1-digits"):
        embedded.load("nb301")
    with pytest.raises(UserError, match="it has 6,466"):
        replace(tiny(), architectures=7000).indices()


GIVEN = "space: nb201\namong: unique\narchitectures: 4\nseeds: [0]\nrecipe: {}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("space: [nb201\n", "tiny.yaml is not valid YAML: line 2, column 1: expected"),
        ("- space\n", "is not a benchmark: space, among, architectures, seeds, recipe missing or of another type"),
        (GIVEN.replace("seeds: [0]", "seeds: 3"), "is not a benchmark: seeds missing or of another type"),
        (GIVEN + "sedes: [0]\n", "is not a benchmark: 'sedes' unknown. It needs the keys space"),
    ],
)
def test_a_file_that_is_no_benchmark_is_refused_in_words(text, message, tmp_path):
    (tmp_path / "tiny.yaml").write_text(text)
    with pytest.raises(UserError, match=re.escape(message)):
        embedded.load(str(tmp_path / "tiny.yaml"))


def test_shipped_benchmarks_have_the_sizes_that_are_promised():
    sizes = {name: (len(embedded.load(name).indices()), len(embedded.load(name).seeds)) for name in embedded.names()}
    assert sizes["darts-digits"] >= (160, 2)
    assert sizes["nb201-digits"] >= (400, 3)
    assert sizes["nb1shot1-1-digits"] >= (200, 2)
    assert sizes["nb201-topology-digits"] == (len(space("nb201-topology").distinct()), 2)


@pytest.mark.parametrize("name", embedded.names())
def test_shipped_tables_were_measured_as_their_files_say(name):
    chosen, table = embedded.load(name), GroundTruth(EMBEDDED / f"{name}.parquet")
    assert recipes.from_dict(table.about["recipe"]) == chosen.recipe
    assert table.keys() == chosen.within.table_keys(chosen.within.archs(chosen.indices()), table.key_column)
    epochs = chosen.recipe.training.epochs
    assert table.seeds(chosen.recipe.task.name, "test", epochs) == [f"s{seed}" for seed in chosen.seeds]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("architectures: 4", "architectures: true"), "architectures missing or of another type"),
        (("seeds: [0]", "seeds: []"), "seeds is [], but must be a list"),
        (("seeds: [0]", "seeds: [0, 0]"), "a seed is given twice"),
        (("seeds: [0]", "seeds: [-1]"), "seeds is [-1], but must be a list"),
        (("seeds: [0]", "seeds: [0.5]"), "seeds is [0.5], but must be a list"),
        (("seeds: [0]", "seeds: [20000000000000]"), "seeds is [20000000000000], but must be"),
        (("seeds: [0]", "seeds: [true]"), "seeds is [True], but must be a list"),
        (("recipe: {}", "recipe: {space: nb1shot1-1}"), "space is given twice"),
        (("recipe: {}", "cheaper_epochs: 1\nrecipe: {}"), "cheaper_epochs missing or of another type"),
        (("recipe: {}", "cheaper_epochs: [2, 1]\nrecipe: {}"), "cheaper_epochs is [2, 1], but must be a list of asc"),
        (("recipe: {}", "cheaper_epochs: [0]\nrecipe: {}"), "from 1 to below the 100 epochs"),
        (("recipe: {}", "cheaper_epochs: [100]\nrecipe: {}"), "from 1 to below the 100 epochs"),
        (
            ("recipe: {}", "cheaper_epochs: [2]\nrecipe: {training: {warmup_epochs: 2}}"),
            "training.warmup_epochs must be below 2",
        ),
        (("recipe: {}", "recipe: {training: {epoch: 3}}"), "did you mean training.epochs?"),
        (("space: nb201", "space: nb202"), "there is no space 'nb202'"),
        (("among: unique", "among: uniqe"), "among is 'uniqe', but must be one of connected, unique-skip"),
        (("recipe: {}", "recipe: &a [*a]"), "anchor or alias"),
        (("recipe: {}", "recipe: " + "[" * 500 + "]" * 500), "nested more than"),
    ],
    ids=str,
)
def test_every_key_of_a_benchmark_is_checked_when_it_is_read(change, message, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(GIVEN.replace(*change))
    with pytest.raises(UserError) as error:
        embedded.load(str(path))
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 1000


def test_a_build_with_braces_in_its_name_is_made_on_a_terminal(tmp_path, monkeypatch):
    """The name is text, neither a format nor markup."""
    path = tmp_path / "b{x}[b].yaml"
    path.write_text(GIVEN.replace("unique", "unique-skip-none"))
    monkeypatch.setattr(embedded, "build", lambda spec, out, progress, **_: progress(1, 2) or out / spec.name)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes any stream for a terminal then
    result = CliRunner().invoke(benchmark, ["build", str(path), "--out", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "training b{x}[b]" in result.output
