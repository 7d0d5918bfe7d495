"""SVG figures put into a page: ids and style rules of their own, nothing to load, a size that the page sets."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from supernet.harness.report.html.markup import Html, el

WIDE = 400
"""Points beyond which a figure takes the whole width."""

_POINTER = re.compile(r"url\(#([^)]+)\)")
_RULE = re.compile(r"([^{}]+)\{")
_XLINK = "{http://www.w3.org/1999/xlink}"


def figure(caption: str, svg: str, number: int) -> Html:
    """A figure whose ids, style rules and look are its own, so that several share a page."""
    root, width = _own(svg, f"figure-{number}")
    root.set("role", "img")
    root.set("aria-label", caption)
    drawing = Html(ElementTree.tostring(root, encoding="unicode"))
    frame = el(
        "div", drawing, class_="card", style=f"--width:{width:.0f}", tabindex=0, role="group", aria_label=caption
    )
    return el("figure", el("figcaption", caption), frame, class_="wide" if width > WIDE else None)


def _own(svg: str, name: str) -> tuple[ElementTree.Element, float]:
    """The drawing with every id below `name`, without namespaces, metadata and fixed size; and its width."""
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise ValueError(f"{name} is no SVG: {error}") from None
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "script"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        if "style" in element.attrib:
            element.set("style", _themed(element.get("style", ""), element.tag))
        if element.tag not in ("text", "tspan", "style"):
            # White space that only indents, of which figures of many points have a lot.
            element.text = (element.text or "").strip()
            element.tail = "\n" if element.tag == "g" else ""
        if element.tag == "style":
            element.text = _RULE.sub(lambda rule: f"{_scoped(rule[1], name)}{{", element.text or "")
        element.attrib = dict(_attribute(key, value, name) for key, value in element.attrib.items())
    box = root.get("viewBox", "0 0 300 200").split()
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.set("id", name)
    return root, float(box[2])


THEMED = {
    "#262626": "ink", "#737373": "soft", "#bfbfbf": "line", "#cccccc": "line", "#ffffff": "panel", "#0173b2": "point",
    "#d55e00": "mark", "#029e73": "mark-2",
}  # fmt: skip
"""Colours of `harness.report.style` that follow the page's: hexadecimal value -> variable of the style sheet."""
_COLOUR = re.compile(r"#[0-9a-f]{6}")


def _themed(style: str, tag: str) -> str:
    """A style whose colours follow the page's light or dark theme; white text stays, as it lies on a colour."""

    def variable(found: re.Match[str]) -> str:
        name = THEMED.get(found[0])
        kept = name is None or (tag == "text" and name == "panel")
        return found[0] if kept else f"var(--{name})"

    return _COLOUR.sub(variable, style)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _scoped(selectors: str, name: str) -> str:
    return ", ".join(f"#{name} {selector.strip()}" for selector in selectors.split(","))


def _attribute(key: str, value: str, name: str) -> tuple[str, str]:
    key = key.removeprefix(_XLINK)
    if key == "id":
        return key, f"{name}-{value}"
    if key == "href" and value.startswith("#"):
        return key, f"#{name}-{value[1:]}"
    if key == "href":
        if not value.startswith("data:"):
            raise ValueError(f"{name} refers to {value}, which the page would have to load.")
        return key, "".join(value.split())
    return _local(key), _POINTER.sub(rf"url(#{name}-\1)", value)
