"""Where scores are written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place, whole
from supernet.benchmarks.wording import quoted


def score_file(path: Path | str, sources: Iterable[Path] = ()) -> Path:
    """The path of a file of scores that is to be written.

    Args:
        sources: files that the scores are made from, which they must not replace.

    Raises:
        UserError: its name does not end in .parquet or .csv, or it cannot be written.
    """
    path = Path(path)
    check_place(path, "--out (`out`)", folder=False, sources=sources)
    if path.suffix not in (".parquet", ".csv"):
        raise UserError(f"Scores are written as .parquet or .csv, not as {quoted(path.suffix or path.name)}.")
    return path


def write(frame: pd.DataFrame, path: Path, about: dict[bytes, bytes] | None = None) -> None:
    """Write scores, whole or not at all.

    Args:
        path: as `score_file` accepts it.
        about: keys and values for the metadata of a Parquet file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        if path.suffix == ".csv":
            frame.to_csv(partial, index=False)
        else:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), **(about or {})})
            pq.write_table(table, partial, write_page_checksum=True)
