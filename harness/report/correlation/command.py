"""The command that compares a file of scores with ground truth, and the commands that go further from it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Command:
    """A command with its options."""

    parts: tuple[str, ...]
    """The command and the options that all further commands keep."""
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Option -> its values, each of which needs the option before it."""
    flags: frozenset[str] = frozenset()
    """Options without a value; one of them stands for all values where it can have some, too."""

    def __str__(self) -> str:
        given = [part for option, values in self.options.items() for value in values for part in (option, value)]
        return shlex.join([*self.parts, *given, *sorted(self.flags)])

    def printed(self) -> str | None:
        """The command to copy; None if a name in it cannot be printed."""
        return text if (text := str(self)).isprintable() else None

    def has(self, option: str, value: str) -> bool:
        """Whether the option is given with this value, or without one."""
        return option in self.flags or value in self.options.get(option, ())

    def with_values(self, option: str, *values: str) -> Command:
        """The command with these values of an option instead of its own."""
        return replace(self, options={**self.options, option: values}, flags=self.flags - {option})
