"""Adds the generated pages and the reports that ship to the site, and checks that it asks for nothing outside."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

from docs.generator.outside import outside
from docs.generator.pages import navigation, pages

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "results" / "reference"
OF_THE_ROOT = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
"""Page -> the file at the root of the repository that it shows."""
SHOWN = {".html", ".svg", ".png", ".csv", ".tex", ".json", ".yaml", ".jsonl"}
generated = cache(pages)


def on_config(config: Any) -> Any:
    """Put the generated pages into the navigation, under Reference."""
    for entry in config.nav:
        if "Reference" in entry:
            entry["Reference"] = navigation(list(generated()))
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages, those of the repository's root, and the reports."""
    for path, content in generated().items():
        files.append(File.generated(config, path, content=content))
    for path, source in OF_THE_ROOT.items():
        files.append(File.generated(config, path, abs_src_path=str(ROOT / source)))
    for file in sorted(REPORTS.rglob("*")):
        if file.suffix in SHOWN:
            files.append(File.generated(config, file.relative_to(ROOT).as_posix(), abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files of the repository lead to their place in the site."""
    if page.file.src_uri in OF_THE_ROOT:
        return markdown.replace("](docs/", "](")
    for path, source in OF_THE_ROOT.items():
        markdown = markdown.replace(f"](../{source})", f"]({path})")
    return markdown.replace("](../results/", "](results/")


def on_post_build(config: Any) -> None:
    """Refuse a site whose pages load anything from another server."""
    site = Path(config.site_dir)
    for file in sorted(site.rglob("*")):
        if file.suffix in (".html", ".css"):
            found = outside(file.read_text(encoding="utf-8"))
            if found:
                raise PluginError(f"{file.relative_to(site)} asks another server: {found[:200]}")
