"""The import of NAS-Bench-301's training records, on records made in that format."""

import copy
import json
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner
from darts_cells import SPACE, V2

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.spaces import darts_costs
from supernet.benchmarks.spaces.darts import OPS
from supernet.benchmarks.truth.import_nb301 import CONFIG, EPOCHS, NETWORK, import_nb301
from supernet.benchmarks.truth.join import measured_in
from supernet.benchmarks.truth.nb301_sources import Records
from supernet.benchmarks.truth.verify import verify
from supernet.harness.commands.cli import supernet

HEAD = 5_000
"""Parameters of what all networks of these tests share besides cells, stem and classifier."""


def config_of(arch):
    """An architecture as NAS-Bench-301 writes it."""
    config = {}
    for name, cell in zip(("normal", "reduce"), SPACE.cells(arch), strict=True):
        first = {2: 0, 3: 2, 4: 5, 5: 9}
        for node, (low, op, high, other) in enumerate(cell, 2):
            config[f"{NETWORK}edge_{name}_{first[node] + low}"] = OPS[op]
            config[f"{NETWORK}edge_{name}_{first[node] + high}"] = OPS[other]
            if node > 2:
                config[f"{NETWORK}inputs_node_{name}_{node}"] = f"{low}_{high}"
    return config


def params_of(arch):
    states, ops = SPACE.edges([arch])
    return int(darts_costs.network_costs(states, ops, OPS, darts_costs.placed(32, 8), 32, 10)[0][0])


def record(arch, valid=90.0, test=89.5, seconds=3600.0, **settings):
    settings = {f"{NETWORK}init_channels": 32, f"{NETWORK}layers": 8, EPOCHS: 100, "seeds": "True", **settings}
    return {
        CONFIG: {**config_of(arch), **settings},
        "budget": 100.0,
        "info": [{"val_accuracy": valid, "train_accuracy": 99.0, "model_parameters": params_of(arch) + HEAD}],
        "test_accuracy": test,
        "runtime": seconds,
        "learning_curves": {"Train/val_accuracy": [10.0, valid]},
    }


@pytest.fixture
def archs():
    rng = np.random.default_rng(0)
    within = [tuple(arch) for arch in SPACE.archs(SPACE.sample(rng, 400)).tolist()]
    without_none = [a for a in within if all(op and other for cell in SPACE.cells(a) for _, op, _, other in cell)]
    return without_none[:12]


@pytest.fixture
def records(archs):
    """Path -> record: six drawn by random search, five by evolution, one of each group trained again."""
    found = {f"rs/results_{n}.json": record(arch, 90 + n / 8, 89 + n / 8) for n, arch in enumerate(archs[:6])}
    found |= {f"de/results_{n}.json": record(arch, 93 + n / 8, 92 + n / 8) for n, arch in enumerate(archs[6:11])}
    found["rs/results_10.json"] = record(archs[0], 91.0, 90.0, 3800.0)
    return found


@pytest.fixture
def folder(tmp_path):
    def write(records):
        for name, item in records.items():
            path = tmp_path / "nb_301_v13" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(item if isinstance(item, str) else json.dumps(item))
        return tmp_path / "nb_301_v13"

    return write


def test_records_become_a_table(archs, records, folder, tmp_path):
    told = []
    table = import_nb301(folder(records), tmp_path / "t.parquet", progress=lambda *done: told.append(done))
    order = [*archs[6:11], *archs[:6]]  # in the order of paths
    assert table.space == "darts"
    assert table.keys() == SPACE.strings(order)
    assert table.read("drawn_by").to_pylist() == ["de"] * 5 + ["rs"] * 6
    assert table.read("trainings").to_pylist() == [1] * 5 + [2] + [1] * 5
    np.testing.assert_allclose(
        table.accuracy("cifar10", "test", 100, "one"), [92 + n / 8 for n in range(5)] + [89 + n / 8 for n in range(6)]
    )
    assert table.accuracy("cifar10", "valid", 100, "mean")[5] == pytest.approx((90 + 91) / 2)
    assert table.accuracy("cifar10", "valid", 100, "one")[5] == 90
    assert table.train_seconds("cifar10", 100)[5] == 3700
    assert table.params("cifar10").tolist() == [params_of(arch) for arch in order]
    assert (table.about["channels"], table.about["cells"], table.about["train_images"]) == (32, 2, 40_000)
    assert table.about["sample"] == (
        "11 pairs of cells in 12 trainings, drawn by: rs 6, de 5; only those of rs were drawn uniformly"
    )
    assert "the parameters in 12 records are those of their cells, and 5,000 more" in table.about["source_check"]
    indices, rows = measured_in(SPACE, table)
    assert SPACE.strings(SPACE.archs(indices)) == table.keys(rows)
    assert [what for what, right, _ in verify(table) if not right] == []
    assert told[-1] == (12, 12)


def test_an_archive_and_a_folder_make_one_table(records, folder, tmp_path):
    source = folder(records)
    (source / "rs" / "notes.json").write_text("not a record")
    with zipfile.ZipFile(tmp_path / "nb301.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in source.rglob("*"):
            archive.write(path, path.relative_to(tmp_path))
    one, other = (import_nb301(path, tmp_path / f"{path.stem}.parquet") for path in (source, tmp_path / "nb301.zip"))
    assert one.keys() == other.keys()
    assert one.about["source_sha256"] == other.about["source_sha256"]
    assert one.about["content_sha256"] == other.about["content_sha256"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_two_members_of_one_name_is_refused(records, folder, tmp_path):
    path = next(folder(records).rglob("results_*.json"))
    with zipfile.ZipFile(tmp_path / "nb301.zip", "w") as archive:
        archive.write(path, "rs/results_0.json")
        archive.writestr("rs/results_0.json", "{}")
    with pytest.raises(BadTable, match=r"two members named 'rs/results_0.json'"):
        import_nb301(tmp_path / "nb301.zip", tmp_path / "t.parquet")


@pytest.mark.parametrize("fields", [("val_accuracy", "test_accuracy"), ("val_accuracy",), ("test_accuracy",)])
def test_accuracies_that_are_fractions_are_refused(fields, records, folder, tmp_path):
    for item in records.values():
        for part in (item, item["info"][0]):
            part |= {field: part[field] / 100 for field in fields if field in part}
    with pytest.raises(BadTable, match=r"the best validation accuracy is .* are fractions, where .* has percentages"):
        import_nb301(folder(records), tmp_path / "t.parquet")
    assert not list(tmp_path.glob("*.parquet*"))


def test_one_folder_is_a_sample_of_its_own(records, folder, tmp_path):
    table = import_nb301(folder(records) / "rs", tmp_path / "t.parquet")
    assert table.about["sample"] == "6 pairs of cells in 7 trainings, drawn by: rs 6"


def test_records_are_read_in_the_order_of_their_numbers(records, folder):
    assert [item.where.rpartition("/")[2] for item in Records(folder(records) / "rs")][-2:] == [
        "results_5.json", "results_10.json",
    ]  # fmt: skip


def test_trainings_with_other_settings_are_left_out(archs, records, folder, tmp_path):
    records["fidelity/results_0.json"] = record(archs[11], **{f"{NETWORK}layers": 11})
    records["fidelity/results_1.json"] = record(archs[0], **{EPOCHS: 50})
    table = import_nb301(folder(records), tmp_path / "t.parquet")
    assert len(table) == 11
    assert "in 12 trainings, without 2 trainings with other settings" in table.about["sample"]


def test_the_cells_of_darts_are_read_as_the_genotype_that_its_authors_print():
    arch = SPACE.parse(V2)
    config = config_of(arch)
    assert config[f"{NETWORK}inputs_node_normal_5"] == "0_2"
    assert config[f"{NETWORK}edge_normal_9"] == "skip_connect"  # node 5 reads state 0
    assert config[f"{NETWORK}edge_normal_11"] == "dil_conv_3x3"  # and state 2


def changed(path, value):
    def change(item):
        part = item
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda item: item.pop(CONFIG), "it has no object 'optimized_hyperparamater_config'"),
        (lambda item: item[CONFIG].pop(f"{NETWORK}inputs_node_normal_4"), "it lacks .*inputs_node_normal_4"),
        (lambda item: item.pop("info"), "`info` is not a list with an object"),
        (lambda item: item.pop("runtime"), "runtime is None, not a number"),
        (changed(("info",), []), "`info` is not a list"),
        (changed((CONFIG, f"{NETWORK}inputs_node_reduce_3"), "0_3"), "reduce: node 3 reads state 3"),
        (changed((CONFIG, f"{NETWORK}inputs_node_reduce_3"), "1"), "inputs_node_reduce_3 is '1', not two states"),
        (changed((CONFIG, f"{NETWORK}inputs_node_reduce_3"), "1_1"), "reads state 1 twice"),
        (changed((CONFIG, f"{NETWORK}edge_normal_0"), "conv_7x7"), "unknown operation 'conv_7x7'"),
        (changed((CONFIG, f"{NETWORK}edge_normal_0"), 3), "edge_normal_0 is 3, not a text"),
        (changed((CONFIG, f"{NETWORK}layers"), 10**9), "layers is 1000000000, not a whole number from 1 to 100"),
        (changed(("info", 0, "val_accuracy"), 0.9e9), "val_accuracy is .* not a number from 0 to 100"),
        (changed(("test_accuracy",), float("nan")), "test_accuracy is nan"),
        (changed(("info", 0, "model_parameters"), 10**4000), "model_parameters is a whole number of"),
        (changed(("info", 0, "model_parameters"), 1_000), "was altered: it states 1,000 parameters"),
    ],
)
def test_altered_records_are_refused_in_one_paragraph(records, folder, tmp_path, change, problem):
    change(records["rs/results_3.json"])
    with pytest.raises(BadTable, match=problem) as caught:
        import_nb301(folder(records), tmp_path / "t.parquet")
    assert "results_3.json" in str(caught.value)
    assert len(str(caught.value)) < 900
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.parquet*"))


def test_parameters_by_another_rule_are_no_reason_to_refuse(records, folder, tmp_path):
    for number, item in enumerate(records.values()):
        item["info"][0]["model_parameters"] += number
    table = import_nb301(folder(records), tmp_path / "t.parquet")
    assert table.about["source_check"].startswith("the parameters in the records are not those of the cells")
    for item in records.values():
        item["info"][0].pop("model_parameters")
    table = import_nb301(folder(copy.deepcopy(records)), tmp_path / "u.parquet")
    assert table.about["source_check"].startswith("the records state no parameters")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not JSON"),
        ('{"info": ', "is not JSON"),
        ("[" * 100_000, "is not a record"),
        ("[1]", "it has no object"),
    ],
)
def test_other_files_are_refused(records, folder, tmp_path, content, problem):
    records["rs/results_3.json"] = content
    with pytest.raises(BadTable, match=problem):
        import_nb301(folder(records), tmp_path / "t.parquet")


def test_other_sources_are_refused(folder, tmp_path):
    with pytest.raises(BadTable, match=r"holds no records of NAS-Bench-301 \(files like rs/results_0.json\)"):
        import_nb301(tmp_path, tmp_path / "t.parquet")
    (tmp_path / "nb301.zip").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(BadTable, match="cannot be read as a zip archive"):
        import_nb301(tmp_path / "nb301.zip", tmp_path / "t.parquet")


def test_a_damaged_or_expanding_member_is_refused(records, tmp_path):
    path = tmp_path / "nb301.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rs/results_0.json", "0" * (5 << 20))
    with pytest.raises(BadTable, match=r"results_0\.json has more than 4,194,304 bytes"):
        import_nb301(path, tmp_path / "t.parquet")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rs/results_0.json", json.dumps(records["rs/results_0.json"]))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"test_accuracy", b"best_accuracy"))
    with pytest.raises(BadTable, match=r"cannot be read as a zip archive .*CRC"):
        import_nb301(path, tmp_path / "t.parquet")


def test_the_command_imports_records_and_says_what_they_are_a_sample_of(records, folder, tmp_path):
    arguments = ["data", "import", "nb301", str(folder(records)), "--out", str(tmp_path / "t.parquet")]
    result = CliRunner().invoke(supernet, arguments)
    assert result.exit_code == 0, result.output
    assert "11 architectures of darts" in result.output
    assert "Not the whole space: 11 pairs of cells in 12 trainings" in result.output
    assert CliRunner().invoke(supernet, ["data", "verify", str(tmp_path / "t.parquet")]).exit_code == 0
