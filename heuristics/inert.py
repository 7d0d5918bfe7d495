"""Keys of a recipe that decide nothing together with its others, so that every value trains the same weights."""

from __future__ import annotations

from collections.abc import Collection

from supernet.benchmarks.wording import series
from supernet.heuristics.sections import Sections

OF_SEVERAL_PATHS = frozenset({"sampling.reduce", "sampling.batch"})
"""Keys that say what happens between the paths of a step."""
PORTION = "task.train_portion"
DIVIDED = ("cifar10-valid", "imagenet16-120")
"""Tasks whose official files divide training from validation images."""


def why_inert(recipe: Sections, keys: Collection[str]) -> str | None:
    """Say why no value of these keys makes a difference in a recipe; None if one does, or if that is not known."""
    wanted = set(keys)
    verb = "is" if len(wanted) == 1 else "are"
    if wanted and wanted <= OF_SEVERAL_PATHS and _one_path(recipe):
        return f"{series(sorted(wanted))} {verb} about several paths of a step, and every step of this recipe has one"
    if wanted != {PORTION}:
        return None
    task = recipe.task
    if task.name in DIVIDED:
        return f"the files of {task.name} divide training from validation images, whatever {PORTION} is"
    if task.train_images is not None and (task.name == "digits" or task.valid_images is not None):
        return f"task.train_images={task.train_images:,} decides how many images train, whatever {PORTION} is"
    return None


def _one_path(recipe: Sections) -> bool:
    """Whether every step trains one path; methods may plan others."""
    laws = ("uniform", "architectures", "classes", "fixed")
    return not recipe.methods and recipe.sampling.law in laws and recipe.sampling.paths == 1
