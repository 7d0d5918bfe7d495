"""The import of NDS files about DARTS, on files made in that format."""

import copy
import json
import random

import numpy as np
import pytest
from click.testing import CliRunner
from darts_cells import SPACE, genotype_of

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.spaces import darts_costs
from supernet.benchmarks.truth import import_nds as importer
from supernet.benchmarks.truth.import_nds import import_nds
from supernet.benchmarks.truth.join import measured_in
from supernet.benchmarks.truth.verify import verify
from supernet.harness.commands.cli import supernet


def entry(rng, width=16, depth=20, apart=True, **net):
    """A network in the format of NDS; `apart` if its nodes read two different states each."""
    cells = [
        [
            [(s, rng.randrange(1, 8)) for s in (rng.sample(range(n + 2), 2) if apart else [rng.randrange(n + 2)] * 2)]
            for n in range(4)
        ]
        for _ in range(2)
    ]
    errors = sorted((rng.uniform(5, 90) for _ in range(3)), reverse=True)
    return {
        "net": {"genotype": genotype_of(cells), "width": width, "depth": depth, "aux": False, "drop_prob": 0.0, **net},
        "optim": {"base_lr": 0.1, "wd": 0.0005, "max_ep": 3, "lr_policy": "cos"},
        "rng_seed": 1,
        "params": params_of(cells, width, depth),
        "flops": 10**8,
        "test_ep_top1": errors,
        "train_ep_top1": [error / 2 for error in errors],
        "train_ep_loss": [2.0, 1.0, float("nan")],
        "min_test_top1": errors[-1],
    }


def params_of(cells, width, depth):
    """Parameters by a sum over the cells, from the cells' own formula where the space has them."""
    total, inputs, now = 27 * 3 * width + 6 * width, [3 * width] * 2, width
    for number in range(depth):
        reduction = number in (depth // 3, 2 * depth // 3)
        now *= 1 + reduction
        total += sum(inputs) * now + 4 * now
        for node in cells[reduction]:
            for state, op in node:
                kernel, repeats = {4: (3, 2), 5: (5, 2), 6: (3, 1), 7: (5, 1)}.get(op, (0, 0))
                total += repeats * (kernel**2 * now + now**2 + 2 * now)
                total += (now**2 + 2 * now) * (op == 3 and reduction and state < 2)
        inputs = [inputs[1], 4 * now]
    return total + 40 * now + 10


@pytest.fixture
def entries(monkeypatch):
    monkeypatch.setattr(importer, "ENTRIES", 7)
    rng = random.Random(0)
    return [entry(rng, apart=number != 2) for number in range(7)]


@pytest.fixture
def written(tmp_path):
    def write(entries, name="DARTS_fix-w-d.json"):
        path = tmp_path / name
        path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
        return path

    return write


def test_a_file_becomes_a_table_of_the_cells_that_are_in_the_space(entries, written, tmp_path):
    table = import_nds(written(entries), tmp_path / "nds.parquet")
    kept = [item for number, item in enumerate(entries) if number != 2]
    assert table.space == "darts"
    assert table.keys() == [SPACE.string(SPACE.arch_of(item["net"]["genotype"])) for item in kept]
    wanted = [100 - item["test_ep_top1"][-1] for item in kept]
    np.testing.assert_allclose(table.accuracy("cifar10", "test", 3, "one"), wanted)
    np.testing.assert_allclose(table.accuracy("cifar10", "test", 3, "mean"), wanted)
    np.testing.assert_allclose(
        table.accuracy("cifar10", "train", 3, "one"), [100 - item["train_ep_top1"][-1] for item in kept]
    )
    assert table.params("cifar10").tolist() == [item["params"] for item in kept]
    assert table.flops("cifar10").tolist() == [10**8] * 6
    assert (table.about["channels"], table.about["cells"], table.about["train_images"]) == (16, 6, 50_000)
    assert table.about["family"] == "NDS, random cells of DARTS, width 16 and depth 20"
    assert table.about["sample"].startswith("the 6 of 7 random pairs of cells")
    indices, rows = measured_in(SPACE, table)
    assert SPACE.strings(SPACE.archs(indices)) == table.keys(rows)
    checks = list(verify(table))
    assert [what for what, right, _ in checks if not right] == []
    assert "cifar10.params" in [what for what, _, _ in checks]


def test_widths_and_depths_may_vary_and_are_columns(entries, written, tmp_path):
    rng = random.Random(1)
    entries[:2] = [entry(rng, 24, 8), entry(rng, 32, 12)]
    table = import_nds(written(entries, "DARTS.json"), tmp_path / "nds.parquet")
    assert table.read("width").to_pylist() == [24, 32, 16, 16, 16, 16]
    assert table.read("depth").to_pylist() == [8, 12, 20, 20, 20, 20]
    assert table.about["family"] == "NDS, random cells of DARTS, varying width and depth"
    assert "channels" not in table.about
    assert all(right for _, right, _ in verify(table))


def test_an_auxiliary_head_has_parameters_of_its_own(entries, written, tmp_path):
    # 128 and 768 channels after the concatenated 4 x 64 channels of the second reduction cell.
    entries[0]["net"]["aux"] = True
    plain = entries[0]["params"]
    entries[0]["params"] += 256 * 128 + 256 + 128 * 768 * 4 + 1536 + 7690
    table = import_nds(written(entries), tmp_path / "nds.parquet")
    assert table.params("cifar10")[0] == plain
    assert [what for what, right, _ in verify(table) if not right] == []
    assert darts_costs.auxiliary_params(darts_costs.placed(16, 20), 10) == 435_466


def test_errors_that_are_fractions_are_refused(entries, written, tmp_path):
    for item in entries:
        for split in ("test", "train"):
            item[f"{split}_ep_top1"] = [error / 100 for error in item[f"{split}_ep_top1"]]
        item["min_test_top1"] /= 100
    with pytest.raises(BadTable, match=r"the largest final test error is 0\.\d+, so that errors are fractions"):
        import_nds(written(entries), tmp_path / "nds.parquet")
    assert not list(tmp_path.glob("*.parquet*"))


def changed(path, value):
    """A function that sets one value of the fourth entry, given by its keys."""

    def change(entries):
        part = entries[3]
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda e: e.pop(), "is incomplete: it has 6 networks, an official file has 7"),
        (lambda e: e.__setitem__(3, copy.deepcopy(e[1])), "two networks with the same cells"),
        (lambda e: e.__setitem__(3, "x" * 10**6), "network 3 .* it has no object 'net'"),
        (lambda e: e[3].pop("net"), "network 3 .* it has no object 'net'"),
        (lambda e: e[3]["net"].pop("genotype"), "it has no object 'genotype'"),
        (lambda e: e[3]["net"]["genotype"].pop("reduce"), "genotype lacks one of the fields"),
        (lambda e: e[3]["test_ep_top1"].pop(), "test_ep_top1 is not a list of 3 errors"),
        (
            changed(("params",), 1_000_000),
            "1 of 7 networks have other parameters .* network 3 .* has 1,000,000 instead",
        ),
        (changed(("params",), float("inf")), "params is inf, not a whole number"),
        (changed(("params",), 10**4000), "params is a whole number of .* bits, not a whole number from 1"),
        (changed(("flops",), 0.5), "flops is 0.5, not a whole number"),
        (changed(("flops",), True), "flops is True, not a whole number"),
        (changed(("test_ep_top1", 2), 100.5), "test_ep_top1 has the error 100.5, not one from 0 to 100"),
        (changed(("test_ep_top1", 2), float("nan")), "test_ep_top1 has the error nan"),
        (changed(("test_ep_top1", 2), "5"), "test_ep_top1 has the error '5'"),
        (changed(("test_ep_top1", 2), 3.0), "the least of test_ep_top1 is 3, but min_test_top1 is"),
        (changed(("train_ep_top1",), [1e9] * 3), "train_ep_top1 has the error"),
        (changed(("net", "width"), 16.5), "width is 16.5, not a whole number from 1 to 1,000"),
        (changed(("net", "depth"), 10**6), "depth is 1000000, not a whole number from 1 to 100"),
        (changed(("net", "depth"), 19), "1 of 7 networks have other parameters"),
        (changed(("net", "aux"), "no"), "aux is 'no', not true or false"),
        (changed(("optim", "max_ep"), 0), "max_ep is 0"),
        (changed(("optim", "base_lr"), [[]]), "base_lr is .*, not a number"),
        (changed(("optim", "base_lr"), 0.2), "not trained alike: .* learning rate 0.1 .* network 3 .* with 0.2"),
        (changed(("net", "genotype", "normal", 0), ["conv_7x1_1x7", 0]), "unknown operation 'conv_7x1_1x7'"),
        (changed(("net", "genotype", "normal", 0), [["none"], 0]), "unknown operation"),
        (changed(("net", "genotype", "normal", 0), ["none", 5]), "normal: node 2 reads state 5"),
        (changed(("net", "genotype", "reduce_concat"), [3, 4, 6]), "reduce_concat is"),
        (changed(("net", "genotype", "normal"), [["none", 0]] * 10), "normal is .*; a cell has 8 edges"),
    ],
)
def test_altered_and_damaged_files_are_refused_in_one_paragraph(entries, written, tmp_path, change, problem):
    change(entries)
    with pytest.raises(BadTable, match=problem) as caught:
        import_nds(written(entries), tmp_path / "nds.parquet")
    text = str(caught.value)
    assert "DARTS_fix-w-d.json" in text
    assert len(text) < 900
    assert "\n" not in text
    assert not list(tmp_path.glob("*.parquet*"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('[{"net": ', "is not JSON"),
        ("[]", "is not a list of 1 to 100,000 networks"),
        ('"text"', "is not a list"),
        ('{"top": [], "mid": []}', "two parts, `top` and `mid`"),
    ],
)
def test_other_files_are_refused(written, tmp_path, content, problem):
    with pytest.raises(BadTable, match=problem) as caught:
        import_nds(written(content), tmp_path / "nds.parquet")
    assert len(str(caught.value)) < 500


def test_a_file_without_a_cell_of_the_space_is_refused(written, tmp_path):
    rng = random.Random(0)
    some = [entry(rng, apart=False) for _ in range(3)]
    with pytest.raises(BadTable, match="none of its 3 networks is in the search space of DARTS"):
        import_nds(written(some), tmp_path / "nds.parquet", allow_partial=True)


def test_the_command_imports_a_file_and_says_what_it_left_out(entries, written, tmp_path):
    source = written(entries)
    result = CliRunner().invoke(supernet, ["data", "import", "nds", str(source), "--out", str(tmp_path / "t.parquet")])
    assert result.exit_code == 0, result.output
    assert "6 architectures of darts" in result.output
    assert "cifar10 test: 3 epochs (one, mean)" in result.output
    assert "Not the whole space: the 6 of 7 random pairs of cells without a node that reads" in result.output
    result = CliRunner().invoke(supernet, ["data", "verify", str(tmp_path / "t.parquet")])
    assert result.exit_code == 0, result.output


def test_the_command_never_replaces_its_source_and_refuses_a_folder_at_once(entries, written, tmp_path):
    source = written(entries)
    before = source.read_bytes()
    for out, problem in ((source, "is also a source"), (tmp_path, "is a folder")):
        result = CliRunner().invoke(supernet, ["data", "import", "nds", str(source), "--out", str(out)])
        assert result.exit_code != 0
        assert problem in f"{result.output}{result.exception}"
    assert source.read_bytes() == before


def test_the_command_says_where_the_official_file_is():
    result = CliRunner().invoke(supernet, ["data", "fetch", "nds"])
    assert result.exit_code == 1
    assert "https://dl.fbaipublicfiles.com/nds/data.zip" in result.output + str(result.exception)
