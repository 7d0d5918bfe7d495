"""Training-free scores of architectures, and their file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.wording import quoted
from supernet.harness.report.free.place import score_file, write
from supernet.harness.report.html.markup import table as html_table
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.scoring.proxies.probe import Probe
from supernet.harness.scoring.proxies.registry import COUNTS, PROXIES
from supernet.harness.scoring.proxies.whole import Scored, score
from supernet.harness.scoring.selection import Wanted, selected
from supernet.harness.statistics.fusion import mean_of_ranks, with_last

ABOUT = b"free_scores"
"""Key of the file's metadata that holds the probe, the number of draws and the seconds."""
TITLES = ("score", "seconds", "ms per network", "without a value", "what it measures")
MOST_DRAWS = 1000
"""Most draws of images and weights: our choice."""


@dataclass(frozen=True)
class FreeScores:
    """Training-free scores of n architectures."""

    scored: Scored

    @property
    def within(self) -> SearchSpace:
        """The search space."""
        return space(self.scored.probe.space)

    def frame(self) -> pd.DataFrame:
        """A row for each architecture: index, arch, and a column for each score, higher is better.

        With several draws, a score is the mean over draws of rank / n, and NAME.DRAW has its value in each of them. An
        architecture without a value has one just below the lowest of the others: it ranks last.
        """
        indices = self.scored.indices
        columns: dict[str, Any] = {"index": indices, "arch": self.within.strings(self.within.archs(indices))}
        for name, values in self.scored.values.items():
            columns[name] = mean_of_ranks(values) if len(values) > 1 else with_last(values[0])
        for name, values in self.scored.values.items():
            if len(values) > 1:
                columns |= {f"{name}.{draw}": with_last(each) for draw, each in enumerate(values)}
        return pd.DataFrame(columns)

    def write(self, path: Path | str) -> Path:
        """Write the frame as Parquet, with the probe in its metadata, or as CSV if the name ends so.

        Raises:
            UserError: the name has another ending.
        """
        path = score_file(path)
        write(self.frame(), path, {ABOUT: json.dumps(self.about()).encode()})
        return path

    def about(self) -> dict[str, Any]:
        """How the scores were computed: the probe, the draws, and the seconds of one process for each score."""
        found = self.scored
        return {"probe": found.probe.as_dict(), "draws": found.draws, "seconds": found.seconds}

    def _rows(self) -> list[list[object]]:
        found = self.scored
        rows: list[list[object]] = []
        for name, values in found.values.items():
            looks = len(values) * max(found.distinct, 1)
            rows.append(
                [
                    name,
                    f"{found.seconds[name]:,.1f}",
                    f"{1000 * found.seconds[name] / looks:,.1f}" if name in PROXIES else "",
                    f"{int(np.isnan(values).any(axis=0).sum()):,}" if name in PROXIES else "",
                    PROXIES[name].what if name in PROXIES else COUNTS[name],
                ]
            )
        return rows

    def __rich__(self) -> Table:
        summary = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for title in TITLES:
            left = title in (TITLES[0], TITLES[-1])
            summary.add_column(title, justify="left" if left else "right", no_wrap=title != TITLES[-1])
        for row in self._rows():
            summary.add_row(*map(str, row))
        return summary

    def _repr_html_(self) -> str:
        return html_table(list(TITLES), self._rows(), f"{self.within.title}: training-free scores")


def free_scores(
    within: str,
    scores: str | Sequence[str] = ("live-params", "jacob-cov"),
    archs: Wanted = "all",
    *,
    draws: int = 1,
    sample_seed: int = 0,
    workers: int | None = None,
    device: str = "cpu",
    out: Path | str | None = None,
    watch: Watch = SILENT,
    **probe: Any,
) -> FreeScores:
    """Score architectures without any training.

    Args:
        within: name of the search space.
        scores: names of scores (`supernet score --list`), as a list or separated by commas.
        archs: `all`, for the whole space; a number, to sample that many; a file; or indices or official strings.
        draws: number of independent draws of images and weights.
        sample_seed: seed of the sample.
        workers: number of processes; by default one for each CPU core.
        device: cpu, or cuda and the like, where one process does all the work.
        out: file for the scores, .parquet or .csv; an interrupted call continues from what it left beside it.
        watch: receives messages and progress.
        probe: settings of the untrained networks and their images; see `Probe`.

    Raises:
        UserError: a score, an architecture or a setting cannot be used, or the task is not available.
    """
    chosen = Probe.of(within, probe)
    names = [name.strip() for name in scores.split(",")] if isinstance(scores, str) else list(scores)
    if isinstance(draws, bool) or not isinstance(draws, int) or not 1 <= draws <= MOST_DRAWS:
        raise UserError(f"The draws are a whole number from 1 to {MOST_DRAWS:,}, not {quoted(draws)}.")
    indices = _indices(chosen.within, archs, sample_seed)
    keep = None
    if out is not None:
        listing = [Path(archs)] if isinstance(archs, str | Path) else []
        out = score_file(out, listing)
        out.parent.mkdir(parents=True, exist_ok=True)
        keep = out.with_name(f".{out.name}.partial")
    with watch.progress("scoring") as told:
        scored = score(
            chosen,
            names,
            indices,
            draws=draws,
            workers=workers,
            device=device,
            keep=keep,
            progress=told,
            notice=watch.note,
        )
    found = FreeScores(scored)
    if out is not None:
        found.write(out)
        assert keep is not None
        keep.unlink(missing_ok=True)
    return found


def _indices(within: SearchSpace, archs: Wanted, sample_seed: int) -> NDArray[np.int64]:
    if isinstance(archs, str) and archs == "all":
        return within.every_index("a list of all architectures")
    return selected(within, archs, sample_seed)
