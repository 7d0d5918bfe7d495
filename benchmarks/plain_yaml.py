"""YAML as the project's files use it: plain keys and values, without anchors, of bounded size and depth.

Anchors and merge keys let a few bytes stand for gigabytes ("billion laughs"); no recipe or study needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.regular import open_plain

MOST_BYTES = 100_000
"""Largest size of a file or text: our choice; recipes and studies have a few kilobytes."""
MOST_DEPTH = 50
"""Largest depth of nesting: our choice; recipes and studies have about five levels."""


class BadYaml(UserError):
    """Text that is not YAML of this kind; the message says where and why."""


class _Loader(yaml.SafeLoader):
    """Refuses anchors, deep nesting (both let small files grow huge in memory), and repeated keys in a mapping."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise BadYaml(f"line {event.start_mark.line + 1} has an anchor or alias (& or *), which are not supported")
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise BadYaml(f"line {event.start_mark.line + 1} is nested more than {MOST_DEPTH} levels deep")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen:
                raise BadYaml(f"line {key.start_mark.line + 1} has the key {str(key.value)[:80]!r} a second time")
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str) -> Any:
    """The content of a YAML text.

    Raises:
        BadYaml: it is not valid YAML, is too large or too deep, repeats a key, or uses anchors.
    """
    if len(text) > MOST_BYTES:
        raise BadYaml(f"it has {len(text):,} characters; at most {MOST_BYTES:,} are read")
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise BadYaml(" ".join(str(error).split())[:400]) from None
    except (BadYaml, MemoryError):
        raise
    except Exception as error:  # impossible dates, unhashable keys, and errors of PyYAML on tags such as !!bool x
        raise BadYaml(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from None


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        BadYaml: see `parse_yaml`; or the file is not UTF-8 text.
        OSError: the file cannot be read, or is not a regular file.
    """
    with open_plain(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise BadYaml(f"{path} is not valid YAML for this use: it is larger than {MOST_BYTES:,} bytes.")
    try:
        return parse_yaml(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadYaml(f"{path} is not valid YAML: it is not UTF-8 text ({error.reason}).") from None
    except BadYaml as error:
        raise BadYaml(f"{path} is not valid YAML: {error}.") from None
