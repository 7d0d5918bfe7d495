"""All generated pages of the documentation, and their place in its navigation."""

from __future__ import annotations

from typing import Any

from docs.generator.commands import commands_page
from docs.generator.entries import heuristic_pages, method_pages
from docs.generator.facade import facade_page
from docs.generator.proxies import scores_page
from docs.generator.recipe import recipe_page


def pages() -> dict[str, str]:
    """Path below the root of the site -> Markdown."""
    return {
        "reference/recipe.md": recipe_page(),
        **heuristic_pages(),
        **method_pages(),
        "reference/free-scores.md": scores_page(),
        "reference/commands.md": commands_page(),
        "reference/python.md": facade_page(),
    }


def navigation(paths: list[str]) -> list[Any]:
    """Return the generated pages as MkDocs lists them in a navigation."""
    return [
        {"Keys of a recipe": "reference/recipe.md"},
        {"Heuristics": [path for path in paths if path.startswith("reference/heuristics/")]},
        {"Methods": [path for path in paths if path.startswith("reference/methods/")]},
        {"Scores without training": "reference/free-scores.md"},
        {"Commands": "reference/commands.md"},
        {"Python interface": "reference/python.md"},
    ]
