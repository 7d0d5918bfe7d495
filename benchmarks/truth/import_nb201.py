"""NAS-Bench-201 from its official files: `NAS-Bench-201-v1_*.pth`, or the NATS-Bench topology archive.

The archive holds one small file per architecture and is read in constant memory; the `.pth` is a single pickle
that has to be in memory as a whole (tens of gigabytes). Prefer the archive, which also has more trials.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.files import file_digests, whole
from supernet.benchmarks.regular import open_regular
from supernet.benchmarks.spaces import NB201
from supernet.benchmarks.spaces.nb201 import DATASETS
from supernet.benchmarks.truth import nb201_sources as sources
from supernet.benchmarks.truth.archive import is_tar
from supernet.benchmarks.truth.nb201_records import Record
from supernet.benchmarks.truth.table import GroundTruth, store_table

Progress = Callable[[int, int], None]
"""Called with the number of architectures read and their total."""

CURVES = pa.schema(
    [
        ("index", pa.int32()),
        *((name, pa.string()) for name in ("dataset", "epochs", "seed", "series")),
        ("values", pa.list_(pa.float32())),
    ]
)
"""Schema of the curves: a row per training run and series (`valid.accuracy`, `train.loss`, …), a value per epoch."""

OFFICIAL_MD5 = {"55e847143ce1f7c2d89b676f6b096897": "NAS-Bench-201-v1_1-096897.pth"}
"""MD5 sums that the benchmark's authors published in full -> name of the file."""
_SPACE = NB201()


def import_nb201(
    source: Path, target: Path, *, allow_partial: bool = False, progress: Progress | None = None
) -> GroundTruth:
    """Write the ground-truth table `target`, and the training curves next to it as `STEM.curves.parquet`.

    Args:
        source: the official .pth, or the NATS-Bench topology archive as a folder or .tar.
        allow_partial: accept a source that lacks architectures; their values are NaN.

    Raises:
        BadTable: the source is truncated, altered, or of another kind; nothing is written.
    """
    if source.is_dir() or is_tar(source):
        family, records = "NATS-Bench tss records", sources.read_archive(source)
        vouched = {
            "source_check": "each record agrees with its bzip2 checksum; no checksum of the archive is published"
        }
    else:
        family, records, vouched = "NAS-Bench-201 records", sources.read_pth(source), _checked_sum(source)
    table = _Table(source)
    curves_path = target.with_suffix(".curves.parquet")
    target.parent.mkdir(parents=True, exist_ok=True)
    # The curves are renamed first, so that an existing table always has its curves.
    with whole(target) as unfinished_table, whole(curves_path) as unfinished_curves:
        with pq.ParquetWriter(unfinished_curves, CURVES, compression="zstd", write_page_checksum=True) as curves:
            for batch in sources.batches(records, 256):
                for record in batch:
                    table.add(record)
                rows = [row for record in batch for row in record.curves]
                curves.write_table(pa.Table.from_pylist(rows, schema=CURVES))
                if progress:
                    progress(len(table.seen), len(_SPACE))
        table.check(allow_partial)
        about = {"space": NB201.name, "family": family, "accuracy_unit": "percent", "source": source.name, **vouched}
        store_table(unfinished_table, table.columns(), about)
    return GroundTruth(target)


@dataclass
class _Table:
    """The columns while records are read; NaN where nothing was recorded."""

    source: Path
    arrays: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def add(self, record: Record) -> None:
        """Fill in the row of one architecture; BadTable if it is filled already."""
        if record.index in self.seen:
            raise BadTable(
                f"{self.source} has two records of architecture {record.index}, which may contradict each other. An "
                "official archive has one of each; fetch it again, or remove the one that does not belong there."
            )
        self.seen.add(record.index)
        for name, value in record.values.items():
            if name not in self.arrays:
                self.arrays[name] = np.full(len(_SPACE), np.nan)
            self.arrays[name][record.index] = value

    def check(self, allow_partial: bool) -> None:
        """Raise BadTable if results are missing, or costs differ from those computed from the architectures."""
        if not self.seen:
            raise BadTable(f"{self.source} holds no architecture's results.")
        if len(self.seen) < len(_SPACE) and not allow_partial:
            raise BadTable(
                f"{self.source} holds {len(self.seen):,} of the {len(_SPACE):,} architectures, so it is incomplete. "
                "Fetch it again, or import what is there with --allow-partial."
            )
        rows = np.array(sorted(self.seen))
        for name, values in self.arrays.items():
            dataset, _, what = name.partition(".")
            if what in ("params", "flops"):
                there = rows[~np.isnan(values[rows])]
                classes, size = DATASETS[dataset]
                counted = getattr(_SPACE, what)(_SPACE.archs(there), size=size, classes=classes)
                wrong = there[values[there] != counted]
                if len(wrong):
                    raise BadTable(
                        f"{self.source}: {name} of {len(wrong):,} architecture(s), the first {wrong[0]}, is not what "
                        "the network has. The file was altered, or trained another network."
                    )

    def columns(self) -> dict[str, Any]:
        order = sorted(self.arrays, key=lambda name: ("params" not in name and "flops" not in name, name))
        columns: dict[str, Any] = {
            "index": np.arange(len(_SPACE), dtype=np.int32),
            "arch": [_SPACE.string(arch) for arch in _SPACE.archs().tolist()],
        }
        for name in order:
            counts = name.endswith((".params", ".flops")) and not np.isnan(self.arrays[name]).any()
            columns[name] = self.arrays[name].astype(np.int64) if counts else self.arrays[name]
        return columns


def _checked_sum(path: Path) -> dict[str, str]:
    """The metadata that verify a .pth: its SHA-256, and whether its MD5 sum is that of an official file.

    Raises:
        BadTable: the MD5 sum does not end in the digits that an official file name carries; or it is not a regular
            file.
    """
    open_regular(path).close()
    sha256, md5 = file_digests(path, "sha256", "md5")
    tag = re.fullmatch(r"NAS-Bench-201-v\d_\d-([0-9a-f]{6})\.pth", path.name)
    if tag and not md5.endswith(tag[1]):
        raise BadTable(
            f"{path} is truncated or altered: its MD5 sum is {md5}, which does not end in {tag[1]} as the "
            "name of the official file says. Fetch it again."
        )
    if md5 in OFFICIAL_MD5:
        check = f"its MD5 sum is the published one of {OFFICIAL_MD5[md5]}"
    elif tag:
        check = f"its MD5 sum ends in {tag[1]}, as the name of the official file says"
    else:
        check = (
            "nothing vouches for the file: neither its name nor its MD5 sum is that of an official one, so altered "
            "values would go unnoticed"
        )
    return {"source_sha256": sha256, "source_check": check}
