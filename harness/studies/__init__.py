"""Recipes that ship with the project."""

from __future__ import annotations

from pathlib import Path

from heuristics.recipe import RecipeError

FOLDER = Path(__file__).parent


def shipped_recipe(named: Path) -> Path:
    """The file itself, or the shipped recipe of this name.

    Raises:
        RecipeError: there is neither; lists the shipped ones.
    """
    if named.is_file():
        return named
    shipped = FOLDER / f"{named.name}.yaml"
    if named.name == str(named) and shipped.is_file():
        return shipped
    recipes = [path.stem for path in FOLDER.glob("*.yaml") if "heuristics:" not in path.read_text(encoding="utf-8")]
    names = ", ".join(sorted(recipes))
    raise RecipeError(f"There is no recipe {named}: neither a file nor one of the shipped ones ({names}).")
