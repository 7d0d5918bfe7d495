"""The reference of `import supernet as sn`: names, signatures, and what their docstrings say."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import supernet
from docs.generator.markdown import code, fence, page, text

WIDE = 90
"""Characters from which on every parameter of a signature has a line of its own."""
SECTION = re.compile(r"(Args|Returns|Raises):")
LABELS = {"Args": "Arguments", "Returns": "Returns", "Raises": "Raises"}
"""Section of a docstring -> its heading on the page."""
ORDER = (
    "train", "rank", "correlate", "study", "search", "query", "baselines", "leaderboard",
    "score", "ground_truth", "space",
    "Recipe", "method", "heuristic", "Method", "Path", "Output", "Context", "UserError",
)  # fmt: skip
"""Names of the façade, calls first."""


def facade_page() -> str:
    """Return the page with a section for each name, and for each kind of result that a call returns."""
    blocks = [
        "# Python interface",
        "`import supernet as sn` gives these names. See [Python](../python.md) for examples.",
    ]
    for name in [*ORDER, *sorted({*supernet.__all__} - {*ORDER, "__version__"})]:
        blocks += [f"## sn.{name}", *_described(f"sn.{name}", getattr(supernet, name))]
    blocks.append("## Results")
    for kind in results():
        blocks += [f"### {kind.__name__}", *_described(kind.__name__, kind)]
    return page(*blocks)


def results() -> list[type]:
    """Return the classes of the project that the calls return, without those that are names of the façade."""
    known = [getattr(supernet, name) for name in ORDER]
    found = [_returned(call) for call in known if inspect.isfunction(call)]
    return list(dict.fromkeys(kind for kind in found if kind is not None and kind not in known))


def _returned(call: Any) -> type | None:
    """Return the class that a function says it returns, if it is a class of the project."""
    annotation = str(call.__annotations__.get("return", ""))
    kind = getattr(importlib.import_module(call.__module__), annotation.split(" |")[0], None)
    return kind if inspect.isclass(kind) and kind.__module__.startswith("supernet.") else None


def _described(name: str, thing: Any) -> Iterator[str]:
    """Yield the signature, the docstring and, of a class, its public members."""
    if not (inspect.isclass(thing) and issubclass(thing, Exception)):
        yield fence(_signature(name, thing), "python")
    yield from _docstring(inspect.getdoc(thing) or "")
    if inspect.isclass(thing):
        yield "\n".join(f"* {_member(key, value)}" for key, value in vars(thing).items() if _public(key, value))


def _public(name: str, value: Any) -> bool:
    return not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))


def _member(name: str, value: Any) -> str:
    """Return a method or property with the first paragraph of its docstring."""
    shown = name if isinstance(value, property) else _signature(name, value, own=True)
    what = (inspect.getdoc(value) or "").partition("\n\n")[0]
    return f"{code(' '.join(shown.split()))}{': ' + text(what) if what else ''}"


class _Plain(str):
    """Text that a signature shows without quotation marks."""

    __slots__ = ()
    __repr__ = str.__str__


def _signature(name: str, thing: Any, own: bool = False) -> str:
    """Return how a function or class is called.

    Args:
        own: whether the first parameter is the object itself, which is left out.
    """
    signature = inspect.signature(thing)
    parts = [_plain(part) for part in list(signature.parameters.values())[own:]]
    returned = signature.return_annotation
    result = "" if inspect.isclass(thing) or returned is signature.empty else _Plain(returned)
    made = str(signature.replace(parameters=parts, return_annotation=result or signature.empty))
    if len(name + made) <= WIDE:
        return name + made
    inner = "".join(f"    {line},\n" for line in _lines(parts))
    return f"{name}(\n{inner}){f' -> {result}' if result else ''}"


def _plain(part: inspect.Parameter) -> inspect.Parameter:
    """Return the parameter as the page shows it; a default that is an object without a literal becomes `...`."""
    if repr(part.default).startswith("<") and part.default is not part.empty:
        part = part.replace(default=_Plain("..."))
    if part.annotation is part.empty:
        return part
    shown = part.annotation if isinstance(part.annotation, str) else inspect.formatannotation(part.annotation)
    return part.replace(annotation=_Plain(shown))


def _lines(parts: list[inspect.Parameter]) -> Iterator[str]:
    """Yield the parameters as Python writes them, with the star before those that are given by name alone."""
    starred = False
    for part in parts:
        if part.kind is part.KEYWORD_ONLY and not starred:
            yield "*"
        starred = starred or part.kind in (part.KEYWORD_ONLY, part.VAR_POSITIONAL)
        yield str(part)


def _docstring(content: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring in this project's form, its sections as lists."""
    for block in content.split("\n\n"):
        head, _, rest = block.partition("\n")
        if SECTION.fullmatch(head):
            yield f"**{LABELS[head[:-1]]}**"
            items = re.split(r"\n(?=\S)", inspect.cleandoc(rest))
            yield "\n".join(f"* {_item(item)}" for item in items)
        elif block.startswith("    "):
            yield fence(inspect.cleandoc(block))
        else:
            yield text(block)


def _item(item: str) -> str:
    name, colon, what = item.partition(":")
    return f"{code(name)}: {text(what)}" if colon and " " not in name else text(item)
