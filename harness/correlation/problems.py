"""Collects what is wrong with the lines of a file of scores, so that everything is reported at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import listed
from supernet.harness.correlation.formats import RawTable

KINDS = 12
"""Most kinds of problems that a message describes one by one."""


class Problems:
    """Kinds of problems, with the lines that have them.

    Args:
        path: what messages call the source of the scores.
        table: gives the numbers of the lines, and the problems that were found while reading.
    """

    def __init__(self, path: Path | str, table: RawTable) -> None:
        self.path, self.unit, self.lines = path, table.unit, table.lines
        self._lines: dict[str, list[int]] = defaultdict(list)
        self._absent: dict[int, str] = {}
        self._repeats: list[str] = []
        for line, what in table.problems:
            self._lines[what].append(line)

    def add(self, position: int, what: str) -> None:
        """Add a problem of the line at this position in the table."""
        self._lines[what].append(self.lines[position])

    def absent(self, position: int, what: str) -> None:
        """Add a line whose architecture is one of the space, but has no ground truth."""
        self._absent[position] = what

    def leave_out_absent(self, table: RawTable) -> tuple[RawTable, list[int]]:
        """Leave out the lines whose architecture has no ground truth, which are problems no longer.

        Returns:
            The table without them, whose positions later problems refer to; and the positions of the others.
        """
        kept = [position for position in range(len(self.lines)) if position not in self._absent]
        self._absent.clear()
        self.lines = [self.lines[position] for position in kept]
        columns = {name: [cells[position] for position in kept] for name, cells in table.columns.items()}
        return replace(table, columns=columns, lines=self.lines), kept

    def repeat(self, position: int, original: int) -> None:
        """Add a line that repeats the architecture of an earlier one; both are positions in the table."""
        self._repeats.append(f"{self.lines[position]} (as {self.lines[original]})")

    def report(self) -> None:
        """Report all problems, if there are any.

        Raises:
            UserError: there are problems; the message names the lines.
        """
        for position, what in self._absent.items():
            self.add(position, what)
        if not self._lines and not self._repeats:
            return
        count = len({line for lines in self._lines.values() for line in lines}) + len(self._repeats)
        kinds = list(self._lines.items())
        details = [f"  {self.unit} {ranges(lines)}: {what}" for what, lines in kinds[:KINDS]]
        if len(kinds) > KINDS:
            rest = {line for _, lines in kinds[KINDS:] for line in lines}
            details.append(f"  {self.unit} {ranges(rest)}: {len(kinds) - KINDS:,} more problems")
        if self._repeats:
            details.append(
                f"  {self.unit} {listed(self._repeats)}: repeats an architecture; --average-repeats "
                "(`average_repeats`) averages repeats"
            )
        raise UserError(f"{self.path}: {count:,} {self.unit}(s) cannot be used as they stand.\n" + "\n".join(details))


def ranges(lines: Iterable[int]) -> str:
    """Numbers as ranges, such as 1-3, 7 for 1, 2, 3, 7; only the first few are listed, then how many there are more."""
    spans: list[list[int]] = []
    for line in sorted(set(lines)):
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    return listed(str(a) if a == b else f"{a}-{b}" for a, b in spans)
