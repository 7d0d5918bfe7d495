"""The files of single trainings: written with a checksum, and read only if they are whole and fit the recipe."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from supernet.benchmarks.files import replace, write_json
from supernet.benchmarks.regular import open_plain
from supernet.harness.runs.environments import is_environment

CHECKSUM = "sha256"
"""Key of the checksum in a training's file."""
ENVIRONMENT = "environment"
"""Key of the environment in which a training was made; files of earlier versions lack it."""
DAMAGED = "damaged"
"""Name of the folder to which damaged files are moved."""
MOST_BYTES = 10_000
"""Largest size of a training's file, which really has a few hundred bytes."""
MEASURED = {"train_seconds": math.inf, "valid": 100.0, "test": 100.0}
"""What a training measures -> its largest possible value; the least is 0."""


@dataclass(frozen=True)
class Unusable:
    """Why there is no result of a training."""

    kind: Literal["missing", "damaged", "outdated"]
    reason: str = ""


def read_result(path: Path, identity: Mapping[str, Any]) -> Mapping[str, Any] | Unusable:
    """A training's result, or why there is none.

    Args:
        identity: what the result depends on, as keys and values that the file has to hold.

    Raises:
        OSError: the file is there but cannot be read.
    """
    try:
        with open_plain(path) as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return Unusable("missing")
    try:
        result: Any = json.loads(content.decode("utf-8")) if len(content) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        return Unusable("damaged", "not valid JSON")
    if not isinstance(result, dict):
        return Unusable("damaged", "not a training's result")
    if CHECKSUM not in result and {"recipe", "index", "seed"} <= set(result):
        return Unusable("outdated", "without a checksum")
    if result.pop(CHECKSUM, None) != checksum(result):
        return Unusable("damaged", "the checksum does not match")
    if {key: result.get(key) for key in identity} != identity:
        return Unusable("outdated", "of another recipe or version")
    if ENVIRONMENT in result and not is_environment(result[ENVIRONMENT]):
        return Unusable("damaged", f"{ENVIRONMENT} is not one")
    for key, most in MEASURED.items():
        value: Any = result.get(key)
        if type(value) not in (int, float) or not (0 <= value <= most and math.isfinite(value)):
            return Unusable("damaged", f"{key} is not a possible value")
    return result


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write a training's result with its checksum, whole or not at all."""
    write_json(path, {**result, CHECKSUM: checksum(result)})


def checksum(result: Mapping[str, Any]) -> str:
    """The checksum of a result without its checksum: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()


def move_aside(path: Path) -> None:
    """Move a damaged file to the folder of damaged ones, beside those that are there.

    If another process moves it at the same time, one of the two does.
    """
    folder = path.parent / DAMAGED
    folder.mkdir(exist_ok=True)
    number = 1
    while (target := folder / f"{path.stem}-{number}{path.suffix}").exists():
        number += 1
    with suppress(FileNotFoundError):
        replace(path, target)
