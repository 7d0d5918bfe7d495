"""The computation of a DARTS cell for a routing: which operations run on which edges, and with which weights.

The space is a product of decisions: each of the two inputs of a node has a distribution over operations, and the node
has one over pairs of states. Its relaxation gives the operation o on the edge from state s to the node the weight

    P(first input = s) a_o + P(second input = s) b_o,

where a and b are the weights of the operations of the first and of the second input. DARTS itself relaxes another
parametrisation, with one distribution over operations for each of the 14 edges of a cell and no decision about edges:
it chooses the two edges of a node at the end, by their strongest operations. Here, a distribution over operations
belongs to an input of a node, whichever state that input reads, and the weights of edges are those of the pairs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from supernet.benchmarks.spaces import Arch
from supernet.benchmarks.spaces.darts import DARTS, NONE, OPS, PARENTS
from supernet.heuristics.routes import Choice, Gate, Routing

Share = Tensor | None
"""Weight of a term, a scalar; None for the chosen option of a discrete decision, which needs no weight."""
Numbers = tuple[int, int, int | None]
"""The numbers of a node's decisions within a routing: first operation, second operation, parents."""


@dataclass(frozen=True)
class NodeProgram:
    """The sum that is the value of a node. A node without terms carries nothing, and no other node reads it."""

    terms: tuple[tuple[int, int, Share], ...]
    """(state, operation, weight): each state and operation occurs once, and `none` does not occur."""
    rest: Share = None
    """For gated operations, a scalar zero with gradients to the options that are not executed."""


Program = tuple[NodeProgram, ...]
"""The four nodes of a cell."""


def program(space: DARTS, cell: int, routing: Routing) -> Program:
    """The computation of a cell; cached if none of its decisions is relaxed.

    Args:
        cell: 0 for the normal cell, 1 for the reduction cell.
        routing: choices for all decisions of the space.
    """
    numbers = space.decision_numbers(cell)
    chosen = tuple((routing[a], routing[b], 0 if pair is None else routing[pair]) for a, b, pair in numbers)
    discrete = all(isinstance(choice, int) for choices in chosen for choice in choices)
    return _known(chosen) if discrete else _program(chosen)


def _program(chosen: tuple[tuple[Choice, Choice, Choice], ...]) -> Program:
    carrying, nodes = {0, 1}, []
    for node, (first, second, pair) in enumerate(chosen):
        if isinstance(first, int) and isinstance(second, int) and isinstance(pair, int):
            low, high = PARENTS[node][pair]
            terms: list[tuple[int, int, Share]] = [
                (state, op, None) for state, op in ((low, first), (high, second)) if op != NONE and state in carrying
            ]
        else:
            terms = _relaxed(node, first, second, pair, carrying)
        rests = [choice.rest for choice in (first, second, pair) if isinstance(choice, Gate)]
        nodes.append(NodeProgram(tuple(terms), torch.stack(rests).sum() if rests else None))
        if terms:
            carrying.add(node + 2)
    return tuple(nodes)


_known = lru_cache(maxsize=2**10)(_program)  # bounded, because there are billions of cells


def _relaxed(
    node: int, first: Choice, second: Choice, pair: Choice, carrying: Collection[int]
) -> list[tuple[int, int, Share]]:
    """The terms of a node of which some decision is relaxed or gated, with the weights of the module's formula."""
    like = next(weights for choice in (first, second, pair) if (weights := _weights(choice)) is not None)
    pairs, count = _vector(pair, len(PARENTS[node]), like), node + 2
    by_pair = torch.tensor(PARENTS[node], device=like.device)
    reads = [like.new_zeros(count).index_add(0, by_pair[:, side], pairs) for side in (0, 1)]
    ops = [_vector(choice, len(OPS), like) for choice in (first, second)]
    weights = torch.outer(reads[0], ops[0]) + torch.outer(reads[1], ops[1])
    possible = {
        (PARENTS[node][option][side], op)
        for option in _options(pair, len(PARENTS[node]))
        for side, choice in enumerate((first, second))
        for op in _options(choice, len(OPS))
    }
    rows = [row.unbind() for row in weights.unbind()]
    return [(state, op, rows[state][op]) for state, op in sorted(possible) if op != NONE and state in carrying]


def _weights(choice: Choice) -> Tensor | None:
    return choice.weights if isinstance(choice, Gate) else None if isinstance(choice, int) else choice


def _options(choice: Choice, count: int) -> Collection[int]:
    """The options of a choice that are executed."""
    if isinstance(choice, Gate):
        return (choice.option,)
    return (choice,) if isinstance(choice, int) else range(count)


def _vector(choice: Choice, count: int, like: Tensor) -> Tensor:
    """The weights of the options that a choice executes, zero for others: (count,)."""
    if isinstance(choice, Tensor):
        return choice
    option = choice.option if isinstance(choice, Gate) else choice
    hot = torch.zeros(count, dtype=like.dtype, device=like.device)
    hot[option] = 1
    return hot * choice.weights if isinstance(choice, Gate) else hot


def edges_of(space: DARTS, arch: Arch, cell: int) -> set[tuple[int, int, int]]:
    """The (node, state, operation) of a cell of an architecture, without `none`; its output may not depend on all."""
    return {
        (node, state, op)
        for node, (low, first, high, second) in enumerate(space.cells(arch)[cell])
        for state, op in ((low, first), (high, second))
        if op != NONE
    }


def readers(space: DARTS, decision: int) -> tuple[int, int, range] | None:
    """The cell, the node and the states that the input of an operation decision may read; None for parents."""
    for cell in (0, 1):
        for node, numbers in enumerate(space.decision_numbers(cell)):
            if decision in numbers[:2]:
                side = numbers.index(decision)
                return cell, node, range(side, node + 1 + side)
    return None
