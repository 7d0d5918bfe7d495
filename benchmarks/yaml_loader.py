"""The loader of YAML as the project's files use it; it is imported only where YAML is read."""

from __future__ import annotations

from typing import Any

import yaml

from supernet.benchmarks.errors import BadYaml

MOST_DEPTH = 50
"""Largest depth of nesting: our choice; recipes and studies have about five levels."""


class Loader(yaml.SafeLoader):
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
