"""The computation of a NAS-Bench-1Shot1 cell for a routing, without nodes that its output does not depend on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from torch import Tensor

from supernet.benchmarks.spaces.nb1shot1 import NB1Shot1
from supernet.benchmarks.spaces.nb101 import SHORT_OPS
from supernet.heuristics.routes import Choice, Gate, Routing

Parents = tuple[int, ...]
T = TypeVar("T")
Share = Tensor | None
"""Weight of a term, a scalar; None for the chosen option of a discrete decision, which needs no weight."""


@dataclass(frozen=True)
class NodeProgram:
    """How a node is computed. A relaxed decision has several options, each with its share."""

    node: int
    ops: tuple[tuple[int, Share], ...]
    parent_sets: tuple[tuple[Parents, Share], ...]
    sources: tuple[tuple[int, Share], ...]
    rest: Share = None
    """For a gated operation, a scalar zero with gradients to the options that are not executed."""


@dataclass(frozen=True)
class Program:
    """How a cell is computed: the nodes that the output depends on, and the output."""

    nodes: tuple[NodeProgram, ...]
    output: tuple[tuple[tuple[int, Share], ...], ...]
    """For each position of the concatenation, the nodes that are mixed there, with their shares."""
    shortcut: tuple[tuple[int, Share], ...]
    """The cell's input, 0, with its share, if its projection is added to the output; else empty."""


@dataclass(frozen=True)
class Wiring:
    """The possible parents of nodes 1, 2, … and, last, of the output."""

    options: tuple[tuple[Parents, ...], ...]
    """For each of them, its possible sets of parents."""
    decisions: tuple[int | None, ...]
    """For each of them, the number of the decision that chooses its set of parents; None where there is one set."""

    @classmethod
    def of(cls, space: NB1Shot1) -> Wiring:
        """The wiring of a space."""
        number = {decision.name: i for i, decision in enumerate(space.decisions)}
        labels = [*map(str, range(1, space.nodes + 1)), "out"]
        options = tuple(space.parent_options.values())
        return cls(options, tuple(number.get(f"parents{label}") for label in labels))

    def program(self, routing: Routing) -> Program:
        """The computation of a cell; cached if no decision is relaxed."""
        relaxed = not all(isinstance(choice, int) for choice in routing)
        return _program(self, routing) if relaxed else _known_program(self, routing)


def _program(wiring: Wiring, routing: Routing) -> Program:
    *interior, ends = [
        _shares(options, 0 if decision is None else routing[decision])
        for options, decision in zip(wiring.options, wiring.decisions, strict=True)
    ]
    used = {parent for parents, _ in ends for parent in parents}
    nodes: list[NodeProgram] = []
    for node in range(len(interior), 0, -1):
        if node in used:
            sets = interior[node - 1]
            sources = _totals((parent, share) for parents, share in sets for parent in parents)
            used |= {parent for parent, _ in sources}
            op = routing[node - 1]
            rest = op.rest if isinstance(op, Gate) else None
            nodes.insert(0, NodeProgram(node, _shares(range(len(SHORT_OPS)), op), sets, sources, rest))
    inner = [(tuple(filter(None, parents)), share) for parents, share in ends]
    return Program(
        nodes=tuple(nodes),
        output=tuple(
            _totals((parents[place], share) for parents, share in inner if place < len(parents))
            for place in range(max(len(parents) for parents, _ in inner))
        ),
        shortcut=_totals((0, share) for parents, share in ends if 0 in parents),
    )


_known_program = lru_cache(maxsize=2**14)(_program)  # bounded, because space 3 has 363,648 architectures


def _shares(options: Sequence[T], choice: Choice) -> tuple[tuple[T, Share], ...]:
    """The options that a choice selects, each with its share."""
    if isinstance(choice, Tensor):
        return tuple(zip(options, choice.unbind(), strict=True))
    if isinstance(choice, Gate):
        return ((options[choice.option], choice.weights[choice.option]),)
    return ((options[choice], None),)


def _totals(terms: Iterable[tuple[int, Share]]) -> tuple[tuple[int, Share], ...]:
    """Shares added up by number, in ascending order."""
    totals: dict[int, Share] = {}
    for number, share in terms:
        before = totals.get(number)
        totals[number] = share if before is None or share is None else before + share
    return tuple(sorted(totals.items()))
