"""The files of a ranking, and warnings about scores at chance level."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import replace
from supernet.benchmarks.regular import open_plain
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.wording import quoted
from supernet.harness.scoring.supernet import Scores, write_scores
from supernet.harness.statistics import chance
from supernet.heuristics.recipe import EvaluationSection, Recipe


def protocol_of(recipe: Recipe, settings: str | Sequence[str] = (), images: int | None = None) -> EvaluationSection:
    """The evaluation protocol: the recipe's evaluation section, with changes such as evaluation.bn=recalibrate.

    Args:
        settings: changes of the form evaluation.KEY=VALUE, or a single one.
        images: number of scoring images; by default that of the recipe.

    Raises:
        UserError: a setting is not one of that section, or cannot be combined with the recipe.
    """
    settings = [settings] if isinstance(settings, str) else settings
    for setting in settings:
        if not setting.startswith("evaluation."):
            raise UserError(
                f"--set (`settings`) {quoted(setting)}: a ranking can only change keys of the evaluation section, "
                "such as evaluation.bn=recalibrate. All other keys decide how the super-net is trained: set them with "
                "`supernet train`."
            )
    return recipe.override([*settings, *([f"evaluation.images={images}"] if images is not None else [])]).evaluation


@dataclass(frozen=True)
class Files:
    """The files of a ranking. Results under another protocol than the recipe's have names of their own."""

    folder: Path
    suffix: str = ""
    """What these names end with; empty for the protocol of the recipe."""

    @classmethod
    def of(cls, folder: Path, own: EvaluationSection, protocol: EvaluationSection) -> Files:
        """The files of a ranking under a protocol; `own` is the protocol of the recipe."""
        if protocol == own:
            return cls(folder)
        content = json.dumps(dataclasses.asdict(protocol), sort_keys=True)
        return cls(folder, "-" + hashlib.sha256(content.encode()).hexdigest()[:8])

    @property
    def scores(self) -> Path:
        """The file of scores."""
        return self.folder / f"scores{self.suffix}.parquet"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.folder / f"report{self.suffix}"

    @property
    def metrics(self) -> Path:
        """The file of metrics."""
        return self.folder / f"metrics{self.suffix}.json"

    def write_scores(self, frame: pd.DataFrame, tell: Callable[[str], None]) -> None:
        """Write the scores. Existing scores of more architectures are kept under another name; `tell` says so.

        Existing scores that cannot be read are replaced.
        """
        if _rows(self.scores) > len(frame):
            number = 1
            while (earlier := self.scores.with_name(f"{self.scores.stem}.earlier-{number}.parquet")).exists():
                number += 1
            replace(self.scores, earlier)
            tell(f"The earlier scores, which are of more architectures, are kept as {earlier}.")
        write_scores(frame, self.scores)


def _rows(path: Path) -> int:
    """Number of rows of a Parquet file; 0 if it is missing or unreadable."""
    import pyarrow as pa  # imported here: scores can also be computed where it is not installed
    import pyarrow.parquet as pq

    try:
        with open_plain(path) as file:
            return int(pq.ParquetFile(file).metadata.num_rows)
    except (OSError, pa.ArrowException):
        return 0


def frame_of(within: SearchSpace, scores: Scores) -> pd.DataFrame:
    """A row for each architecture, with the columns index, arch, accuracy (percent) and negative_loss."""
    names = [within.string(arch) for arch in within.archs(scores.indices).tolist()]
    return pd.DataFrame(
        {"index": scores.indices, "arch": names, "accuracy": scores.accuracy, "negative_loss": -scores.loss}
    )


def chance_of(scores: Scores, classes: int) -> dict[str, Any]:
    """The share of architectures, from 0 to 1, that are better than guessing, and whether the super-net is not."""
    values = scores.accuracy, scores.images, classes
    return {"classes": classes, "share_above": chance.above_chance(*values), "at_chance": chance.at_chance(*values)}


def chance_notes(scores: Scores, classes: int) -> list[str]:
    """Warnings about accuracies that are not, or not all, better than chance."""
    found = chance_of(scores, classes)
    share, mean = found["share_above"], scores.accuracy.mean()
    if found["at_chance"]:
        return [
            f"the super-net classifies no better than chance ({mean:.1f} %, {classes} classes): train it longer "
            f"before you read its ranking. {100 * share:.0f} % of the architectures are better than chance by a "
            f"one-sided binomial test at 5 %; guessing would give about 5 %"
        ]
    if share < 0.5:
        return [
            f"{100 * share:.0f} % of the architectures are better than chance ({100 / classes:.1f} %) by a one-sided "
            "binomial test at 5 %; the accuracies of the others do not show that they learnt anything"
        ]
    return []
