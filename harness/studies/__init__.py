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
    names = ", ".join(sorted(path.stem for path in FOLDER.glob("*.yaml")))
    raise RecipeError(f"There is no recipe {named}: neither a file nor one of the shipped ones ({names}).")
