"""A study with more seeds for the settings that are undecided, as a file of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_text
from supernet.benchmarks.plain_yaml import read_yaml
from supernet.harness.study.plan import Study
from supernet.harness.study.reading import MOST_SEEDS, file_of, load_study
from supernet.harness.study.results import Analysis
from supernet.harness.study.verdict import untested

_NUMBERED = re.compile(r"(.*-extended)(?:-(\d+))?$")


def extended(named: str | Path, study: Study, analysis: Analysis, more: int) -> dict[str, Any]:
    """The contents of a study file that gives every undecided setting more seeds; the runs that exist are kept.

    Args:
        named: the study's name or file, as it was loaded.
        more: seeds that every undecided setting gets beside those that it has.

    Raises:
        UserError: nothing is undecided, or the plan is staged or a screen, whose settings need equal seeds.
    """
    if study.design in ("staged", "screen"):
        plan = "staged plan" if study.design == "staged" else "screen"
        raise UserError(f"A {plan} cannot be extended by settings: raise `seeds` in its file instead.")
    if not analysis.undecided:
        raise UserError(_nothing_to_extend(analysis))
    file = file_of(named)
    content = dict(read_yaml(file))
    wanted = {label: list(seeds) for label, seeds in study.seeds_by}
    by_label = {setting.label: study.seeds_of(setting) for setting in study.settings(lambda _: None)}
    for row in analysis.undecided:
        had = by_label[row.label]
        new = [seed for seed in range(MOST_SEEDS) if seed not in had][:more]
        if len(had) + len(new) > MOST_SEEDS or len(new) < more:
            raise UserError(f"{row.label} would have more than {MOST_SEEDS:,} seeds.")
        wanted[row.label] = [*had, *new]
    content["seeds"] = {"base": list(study.base_seeds), "others": list(study.seeds), **wanted}
    content["title"] = study.title
    if study.base != load_study(file).base:  # changed by `--set`, of which the new file must know
        recipe = study.base.as_dict()
        recipe.pop("seed")
        content["space"], content["recipe"] = recipe.pop("space"), recipe
    if content.get("plugins"):
        content["plugins"] = [os.path.abspath(file.parent / name) for name in content["plugins"]]
    return content


def _nothing_to_extend(analysis: Analysis) -> str:
    """Why no setting can be given more seeds."""
    if analysis.tested:
        return (
            "No setting is undecided: every tested change is clear or shown to be negligible, so that more seeds have "
            "nothing to decide."
        )
    if analysis.missing:
        return "No setting is tested yet: finish the study first (`supernet study status` says what is missing)."
    if analysis.base.tau is None:
        return f"{untested(analysis)} More seeds do not change that: find a base that trains."
    return f"{untested(analysis)} Raise `seeds` in the study's file."


def write_extended(named: str | Path, content: Mapping[str, Any], folder: Path) -> Path:
    """Write the file NAME-extended.yaml, or -extended-2, -3, … where one of that name is there with other contents.

    Raises:
        UserError: the folder cannot be written to.
    """
    text = (
        "# Made by `supernet study extend`: settings that were undecided have more seeds, which were chosen after a\n"
        "# look at earlier results.\n" + yaml.safe_dump(dict(content), sort_keys=False, width=110, allow_unicode=True)
    )
    stem, number = file_of(named).stem, 1
    if numbered := _NUMBERED.fullmatch(stem):
        stem, number = numbered[1], int(numbered[2] or 1) + 1
    else:
        stem += "-extended"
    while True:
        path = folder / f"{stem}{'' if number == 1 else f'-{number}'}.yaml"
        try:
            if not path.exists():
                write_text(path, text)
                return path
            if path.read_text(encoding="utf-8") == text:
                return path
        except (OSError, ValueError) as error:
            raise UserError(f"The extended study {path} cannot be written: {error}.") from None
        number += 1
