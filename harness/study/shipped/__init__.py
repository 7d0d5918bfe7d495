"""Recipes that ship with the project."""

from __future__ import annotations

from pathlib import Path

from supernet.benchmarks.wording import nearest, quoted
from supernet.heuristics.recipe import RecipeError

FOLDER = Path(__file__).parent
MOST_NAME = 4_000
"""Characters of a path that the system takes."""


def shipped_recipe(named: Path) -> Path:
    """The file itself, or the shipped recipe of this name.

    Raises:
        RecipeError: there is neither; names the nearest shipped one, also if that is a study.
    """
    if len(str(named)) <= MOST_NAME and named.is_file():
        return named
    kinds = {path.stem: "heuristics:" in path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yaml"))}
    name = str(named)
    if name in kinds and not kinds[name]:
        return FOLDER / f"{name}.yaml"
    recipes = [stem for stem, is_study in kinds.items() if not is_study]
    if name in kinds:
        raise RecipeError(
            f"{name} is a study, not a recipe: run it with `supernet study run {name}`. To train one super-net, give "
            f"a recipe: a YAML file, or one of the shipped ones ({', '.join(recipes)})."
        )
    if len(name) <= MOST_NAME and named.exists():
        raise RecipeError(f"The recipe {quoted(name, 300)} cannot be read: it is not a file.")
    near = nearest(name.removesuffix(".yaml"), kinds)
    hint = f" Did you mean {near}{', which is a study (supernet study run)' if kinds[near] else ''}?" if near else ""
    raise RecipeError(
        f"There is no recipe {quoted(name)}: neither a file nor one of the shipped ones ({', '.join(recipes)}).{hint}"
    )
