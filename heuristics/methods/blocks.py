"""A super-net whose operations have several blocks of weights, and a gate that assigns operations to blocks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch, SearchSpace
from supernet.heuristics.hooks import Supernet

TEMPERATURE = 5.0
"""Temperature of the Gumbel softmax of the gate, as in the authors' code."""
Gate = tuple[int, Tensor | None]
"""The chosen block, and in training weights over the active blocks: one at the chosen block, zero elsewhere."""
Encode = Callable[[Sequence[Arch]], Tensor]
_GATES: ContextVar[Sequence[Sequence[Gate]] | None] = ContextVar("gates", default=None)
"""Cell -> decision -> gate in the present pass; None for the first block everywhere. Each thread has its own value."""


class Blocks(nn.Module):
    """An operation with several blocks of weights, one of which computes it.

    Args:
        operation: the operation, whose weights are the first block.
        count: number of blocks.
        place: number of its cell and of its decision.
    """

    def __init__(self, operation: nn.Module, count: int, place: tuple[int, int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([operation, *(copy.deepcopy(operation) for _ in range(count - 1))])
        self._cell, self._decision = place

    def forward(self, *inputs: Any) -> Any:
        gates = _GATES.get()
        block, weights = (0, None) if gates is None else gates[self._cell][self._decision]
        if weights is None:
            return self.blocks[block](*inputs)
        named = [dict(one.named_parameters()) for one in self.blocks[: len(weights)]]
        mixed = {name: sum(w * one[name] for w, one in zip(weights, named, strict=True)) for name in named[0]}
        return functional_call(self.blocks[block], mixed, inputs)


class BlockGate(nn.Module):
    """The gate: a network that assigns each decision of an architecture to a block.

    Args:
        encode: maps architectures to the input of the gate, (n, width).
        hidden: the hidden layer, (n, width) -> (n, units).
        last: the last layer, which gives logits of blocks, (n, units) -> (n, decisions * count).
        count: number of blocks.
    """

    def __init__(self, encode: Encode, hidden: nn.Module, last: nn.Linear, count: int) -> None:
        super().__init__()
        self._encode, self.hidden, self.last, self._count = encode, hidden, last, count

    def forward(self, archs: Sequence[Arch], active: int) -> list[list[Gate]]:
        """Return architecture -> decision -> gate. In training the blocks are drawn, otherwise the likeliest is taken.

        Args:
            active: number of blocks in use.
        """
        logits = self.logits(archs, active)
        if not self.training:
            return [[(block, None) for block in blocks] for blocks in logits.argmax(2).tolist()]
        soft = F.gumbel_softmax(logits, TEMPERATURE)
        chosen = soft.argmax(2)
        hard = F.one_hot(chosen, active) + (soft - soft.detach())  # straight-through: exactly one and zeros
        return [list(zip(blocks, own, strict=True)) for blocks, own in zip(chosen.tolist(), hard, strict=True)]

    def logits(self, archs: Sequence[Arch], active: int) -> Tensor:
        """Return the logits of the active blocks: (architectures, decisions, active).

        They are equal for architectures that differ only in decisions on which their output does not depend.
        """
        weight = self.last.weight
        with torch.autocast(weight.device.type, enabled=False):
            found: Tensor = self.last(self.hidden(self._encode(archs).to(weight)))
        return found.view(len(archs), -1, self._count)[:, :, :active]

    @torch.no_grad()
    def copy(self, old: int, new: int) -> None:
        """Give a block the logits of another one."""
        for rows in (self.last.weight, self.last.bias):
            by_block = rows.view(-1, self._count, *rows.shape[1:])
            by_block[:, new] = by_block[:, old]


class BlockNet(Supernet):
    """A super-net whose operations have several blocks of weights, and a gate that assigns operations to blocks.

    Args:
        network: the super-net, whose operations with weights are `Blocks`.
        gate: the gate.
    """

    def __init__(self, network: Supernet, gate: BlockGate) -> None:
        super().__init__()
        self.network, self.gate = network, gate
        self.active = 1
        """Number of blocks in use."""

    @property
    def cell_count(self) -> int:
        return self.network.cell_count

    def set_progress(self, share: float) -> None:
        self.network.set_progress(share)

    def parameters_of(self, decision: int, option: int) -> list[nn.Parameter]:
        """Return the weights of an option of a decision in all blocks."""
        return self.network.parameters_of(decision, option)

    def operations_of(self, decision: int, option: int) -> list[list[nn.Module]]:
        return self.network.operations_of(decision, option)

    def forward(self, x: Tensor, routing: Any, features: list[Tensor] | None = None) -> Tensor:
        before = _GATES.set(self._gates(routing) if self.active > 1 else None)
        try:
            logits: Tensor = self.network(x, routing, features)
        finally:
            _GATES.reset(before)
        return logits

    def logits_of(self, x: Tensor, archs: Sequence[Arch]) -> Iterator[Tensor]:
        """See `Supernet.logits_of`; with one block, the super-net's own way is used."""
        yield from self.network.logits_of(x, archs) if self.active == 1 else super().logits_of(x, archs)

    def _gates(self, routing: Any) -> list[list[Gate]]:
        """Return cell -> decision -> gate."""
        routings = routing if isinstance(routing[0], tuple) else (routing,)
        if not all(isinstance(choice, int) for one in routings for choice in one):
            raise UserError("The method close assigns single operations to blocks; mixtures have none.")
        rows: list[list[Gate]] = self.gate(routings, self.active)
        return rows if len(rows) > 1 else rows * self.cell_count

    def grow(self) -> None:
        """Take the next block into use; it and its logits start as copies of those of the block before."""
        old, new = self.active - 1, self.active
        for module in self.modules():
            if isinstance(module, Blocks):
                module.blocks[new].load_state_dict(module.blocks[old].state_dict())
        self.gate.copy(old, new)
        self.active += 1


def encoder(space: SearchSpace) -> Encode:
    """Return a function that encodes architectures by one-hot vectors of their live decisions.

    It is a plain function, so that copies of a network do not copy the space.
    """

    def encode(archs: Sequence[Arch]) -> Tensor:
        columns = torch.from_numpy(space.live(archs)).long().T
        return torch.cat(
            [F.one_hot(column, options) for column, options in zip(columns, space.options, strict=True)], 1
        )

    return encode


def divide(network: Supernet, count: int, space: SearchSpace) -> None:
    """Replace every operation with weights by `Blocks`; one that several decisions share follows the first of them."""
    replaced: dict[int, Blocks] = {}
    for decision in space.operations:
        for option in range(space.options[decision]):
            for cell, modules in enumerate(network.operations_of(decision, option)):
                for operation in modules:
                    if id(operation) not in replaced:
                        replaced[id(operation)] = Blocks(operation, count, (cell, decision))
    if not replaced:
        raise UserError("The super-net of this recipe does not name the modules of its operations, as close needs.")
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if id(child) in replaced:
                setattr(parent, name, replaced[id(child)])
