"""YAML as the project's files use it: plain keys and values, without anchors, of bounded size and depth.

Anchors and merge keys let a few bytes stand for gigabytes ("billion laughs"); no recipe or study needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supernet.benchmarks.errors import BadYaml as BadYaml
from supernet.benchmarks.regular import open_plain

MOST_BYTES = 100_000
"""Largest size of a file or text: our choice; recipes and studies have a few kilobytes."""


def parse_yaml(text: str) -> Any:
    """The content of a YAML text.

    Raises:
        BadYaml: it is not valid YAML, is too large or too deep, repeats a key, or uses anchors.
    """
    if len(text) > MOST_BYTES:
        raise BadYaml(f"it has {len(text):,} characters; at most {MOST_BYTES:,} are read")
    import yaml  # imported here: recipes that are made in Python can be trained without it

    from supernet.benchmarks.yaml_loader import Loader

    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        raise BadYaml(_in_words(error)[:400]) from None
    except yaml.YAMLError as error:
        raise BadYaml(" ".join(str(error).split())[:400]) from None
    except (BadYaml, MemoryError):
        raise
    except Exception as error:  # impossible dates, unhashable keys, and errors of PyYAML on tags such as !!bool x
        raise BadYaml(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from None


def _in_words(error: Any) -> str:
    """Where a `MarkedYAMLError` stopped the reader, counted from 1, what it found there, and what it was reading."""
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return where + ", ".join(text for text in (error.problem, error.context) if text)


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
