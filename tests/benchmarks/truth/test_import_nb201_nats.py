"""The NAS-Bench-201 importer on the NATS-Bench archive, made here."""

import bz2
import io
import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from nb201_records import (
    NATS,
    RunsCode,
    SomeClass,
    archive,
    assert_holds_the_curves,
    assert_holds_the_records,
    expected,
    packed,
    refused,
    tar_of,
)

from benchmarks.errors import BadTable
from benchmarks.truth import import_nb201 as module
from benchmarks.truth.import_nb201 import CURVES, RestrictedUnpickler, import_nb201


@pytest.fixture
def in_process(monkeypatch):
    """Decodes archives without starting processes."""
    monkeypatch.setattr(module, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))


def test_an_archive_is_imported_by_worker_processes(tmp_path):
    table = import_nb201(archive(tmp_path), tmp_path / "nats.parquet", allow_partial=True)
    assert_holds_the_records(table)
    assert_holds_the_curves(tmp_path / "nats.curves.parquet")
    assert table.about | {"content_sha256": ""} == {
        "space": "nb201",
        "family": "NATS-Bench tss records",
        "accuracy_unit": "percent",
        "source": NATS,
        "content_sha256": "",
    }


def test_what_a_worker_process_refuses_is_said_here(tmp_path):
    source = archive(tmp_path, indices=[7])
    marker = tmp_path / "it-ran"
    (source / "000008.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"12": RunsCode(marker)})))
    target = tmp_path / "target" / "nats.parquet"
    with pytest.raises(BadTable, match=r"000008\.pickle\.pbz2: the pickle asks for \w+\.system"):
        import_nb201(source, target, allow_partial=True)
    assert os.listdir(target.parent) == []
    assert not marker.exists()


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz")])
def test_a_tar_holds_the_same_as_its_folder(tmp_path, in_process, suffix, mode):
    folder = archive(tmp_path)
    one = import_nb201(folder, tmp_path / "one.parquet", allow_partial=True)
    two = import_nb201(tar_of(folder, suffix, mode), tmp_path / "two.parquet", allow_partial=True)
    assert_holds_the_records(two)
    assert two.about == one.about | {"source": NATS + suffix}
    assert pq.read_table(tmp_path / "one.curves.parquet").num_rows > 0
    assert_holds_the_curves(tmp_path / "two.curves.parquet")


def test_an_incomplete_archive_is_refused(tmp_path, in_process):
    refused(archive(tmp_path), tmp_path, "holds 3 of the 15,625 architectures", allow_partial=False)


def test_the_size_search_space_is_refused(tmp_path):
    source = archive(tmp_path, "NATS-sss-v1_0-50262-simple", [7])
    refused(source, tmp_path, "size search space")
    refused(tar_of(source), tmp_path, "size search space")


def test_a_folder_or_tar_without_records_is_refused(tmp_path):
    source = archive(tmp_path, indices=[])
    refused(source, tmp_path, "holds no NATS-Bench records")
    refused(tar_of(source), tmp_path, "holds no NATS-Bench records")


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_truncated_tar_is_refused(tmp_path, in_process, compression):
    source = tar_of(archive(tmp_path, indices=[0]), f".tar.{compression}", f"w:{compression}")
    whole = source.read_bytes()
    for part in (0.5, 0.8):  # within the record
        source.write_bytes(whole[: int(len(whole) * part)])
        refused(source, tmp_path, "cannot be read to its end, it may be truncated|is no intact")


def decoded(data, index=7):
    return module._decode(("where", index, data))


def test_a_record_without_change_decodes():
    record = decoded(packed(7))
    wanted = {name: rows[7] for name, rows in expected().items() if 7 in rows}
    assert record.values == pytest.approx(wanted, rel=1e-12)


def test_numpy_scalars_of_old_records_decode():
    data = pickle.dumps({"a": np.float64(1.25), "b": np.float32(0.5), "c": np.int64(-7)}, protocol=3)
    for name in (b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"):
        spelled = data.replace(b"cnumpy._core.multiarray\n", name)
        assert RestrictedUnpickler(io.BytesIO(spelled)).load() == {"a": 1.25, "b": 0.5, "c": -7}


def test_no_damage_of_a_record_goes_unnoticed():
    data = packed(7)
    for position in np.linspace(0, len(data) - 2, 20).astype(int):  # the last bits are padding
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        with pytest.raises(BadTable, match="where is damaged"):
            decoded(bytes(damaged))
    for length in (0, 1, 10, len(data) // 2, len(data) - 1):
        with pytest.raises(BadTable, match="where is damaged"):
            decoded(data[:length])


def test_a_record_of_the_size_search_space_is_refused_whatever_its_name():
    def rename(states):
        states["01"], states["90"] = states.pop("12"), states.pop("200")

    with pytest.raises(BadTable, match=r"where is no NAS-Bench-201 record \(KeyError: '12'\)"):
        decoded(packed(7, rename))


def test_a_record_under_the_name_of_another_is_refused():
    with pytest.raises(BadTable, match=r"where is about .* but architecture 8 is"):
        decoded(packed(7), index=8)


class Calls:
    """Pickles as a call."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "bad",
    [
        Calls(os.system, "exit 1"),
        Calls(eval, "1 + 1"),
        Calls(getattr, {}, "pop"),
        Calls(bytearray, 10**12),
        eval,
        SomeClass,
        SomeClass(),
        np.zeros(3),
        np.dtype("O"),
        np.dtype([("a", "f8")]),
        Calls(np.float64(0).__reduce__()[0], np.dtype("O"), b"12345678"),
        np.str_("text"),
        np.datetime64(0, "s"),
        torch.zeros(2),
    ],
    ids=lambda bad: type(bad).__name__,
)
def test_a_record_that_asks_for_anything_but_plain_data_is_refused(bad, protocol):
    data = bz2.compress(pickle.dumps({"12": bad}, protocol=protocol))
    with pytest.raises(BadTable, match=r"^where: (the pickle asks for|the NumPy type|a NumPy scalar) .*"):
        decoded(data)


def test_a_record_cannot_change_numpy_itself():
    swapped = np.dtype("f8").newbyteorder(">")
    with pytest.raises(BadTable):
        decoded(bz2.compress(pickle.dumps(swapped)))
    assert np.dtype("f8").isnative


def test_real_records_agree_with_the_real_table(data_dir, nb201_truth, tmp_path, in_process):
    if not (data_dir / NATS).is_dir():
        pytest.skip(f"no {NATS} in $SUPERNET_DATA")
    table = import_nb201(data_dir / NATS, tmp_path / "nats.parquet", allow_partial=True)
    common = [name for name in nb201_truth.columns if name in table.columns and name not in ("index", "arch")]
    assert set(nb201_truth.columns) <= {*table.columns}
    rows = [0, 11, 284]
    for name in common:
        found, wanted = (t.read(name).to_numpy(zero_copy_only=False)[rows] for t in (table, nb201_truth))
        if name.endswith((".params", ".flops")):
            assert found.tolist() == wanted.tolist(), name
        elif ".train_seconds." in name:
            np.testing.assert_allclose(found, wanted, rtol=1e-6, err_msg=name)
        else:
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5, err_msg=name)
    assert np.isnan(np.delete(table.readings("cifar10", "test", 200, "mean"), rows)).all()
    curves = pq.read_table(tmp_path / "nats.curves.parquet")
    assert curves.schema.equals(CURVES)
    assert set(curves["index"].to_pylist()) == set(rows)
    assert json.loads(pq.read_schema(table.path).metadata[b"ground_truth"])["source"] == NATS
