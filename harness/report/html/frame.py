"""What the pages of all reports share: head, style, headings and the list of sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from supernet.harness.report.html.markup import Html, el, join

_FOLDER = Path(__file__).parent
_SLOT = re.compile(r"<!--=(\w+)-->")
_SECTION = re.compile(r'<section id="([^"]+)".*?<h2[^>]*>([^<]+)</h2>', re.DOTALL)


def document(title: Html, what: Html, template: Path, parts: Mapping[str, str], scripts: str = "") -> str:
    """A whole page.

    Args:
        what: the line below the title.
        template: file with the sections; `<!--=name-->` marks where a part goes.
    """
    main = template.read_text(encoding="utf-8")
    links = join(el("li", el("a", heading, href=f"#{name}")) for name, heading in _SECTION.findall(main))
    outer = {
        "title": title,
        "what": what,
        "style": _read("page.css"),
        "sections": links,
        "main": _filled(main, parts),
        "scripts": scripts,
    }
    return _filled(_read("frame.html"), outer)


def scripts(*names: str | Path) -> Html:
    """A script element with these scripts, in the order in which they need each other.

    Args:
        names: of scripts that pages share (`script/NAME.js` beside this file), or paths of a page's own.
    """
    paths = [name if isinstance(name, Path) else _FOLDER / "script" / f"{name}.js" for name in names]
    return el("script", Html("\n" + "\n".join(path.read_text(encoding="utf-8") for path in paths)))


def scatter(ranking: str = "Run") -> Html:
    """The controls and plots that the script `scatter` fills; its data is `html.points`.

    Args:
        ranking: what the page calls a ranking that can be chosen.
    """
    return Html(_filled(_read("scatter.html"), {"ranking": ranking, "lower": ranking.lower()}))


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _filled(template: str, parts: Mapping[str, str]) -> str:
    # One pass, so that a mark inside what is put in stays what it is.
    return _SLOT.sub(lambda mark: parts[mark[1]], template)
