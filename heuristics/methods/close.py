"""CLOSE: operations share several blocks of weights, whose number grows in the course of training.

Our choice: a block holds the super-net's own operations, so that one block is the super-net itself (in the code, all
edges of a cell share a block's operations), the gate is a network with one hidden layer over the one-hot architecture
(there, a graph network and three layers), weights rather than outputs are multiplied by the gate, a new block is an
exact copy (there, its random initial weights are added), and the restart forgets momentum. In both, active blocks that
a step does not choose get a gradient of zero, so that momentum and weight decay still move them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar

import torch
from torch import nn

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context, Method, Supernet
from supernet.heuristics.methods.apart import require_no_mixtures
from supernet.heuristics.methods.blocks import BlockGate, BlockNet, divide, encoder
from supernet.heuristics.methods.schedules import first_epoch
from supernet.heuristics.registry import method


@method("close")
class Close(Method):
    """Assigns each operation of an architecture to one of several blocks of weights (CLOSE, Zhou et al., ECCV 2022).

    From the paper: a gate computes the block of each operation from the architecture, training begins with one block,
    further ones are added as a curriculum, a new block starts from the one before, and the learning rate restarts. From
    the authors' code (walkerning/aw_nas): an addition after each fifth of the training, the restart at the second one,
    a Gumbel softmax with temperature 5 and a straight-through gradient, 200 hidden units, and one optimiser for all.
    """

    excludes: ClassVar = {
        "few-shot": "close adds blocks to one network, and few-shot makes several of it",
        "gm-split": "close adds blocks to one network, and gm-split makes several of it",
        "k-shot": "close adds blocks to one network, and k-shot mixes the weights of several",
    }

    blocks: int = 4
    """Number of blocks at the end of training; 1 is the super-net alone."""
    every: float = 0.2
    """Share of the epochs between two additions of a block."""
    restart: int = 2
    """Number of the addition at which the learning-rate schedule restarts over the steps left; 0 for never."""
    hidden: int = 200
    """Units of the gate's hidden layer."""
    _net: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not (
            1 <= self.blocks <= 16 and 0 < self.every <= 1 and 0 <= self.restart <= 16 and 1 <= self.hidden <= 1000
        ):
            raise ValueError("blocks must lie in 1 to 16, every in (0, 1], restart in 0 to 16, and hidden in 1 to 1000")

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        if ctx.recipe.network.ofa_kernel != "own" or ctx.recipe.network.partial_channels > 1:
            raise UserError(
                "The method close needs operations with weights of their own on all channels: leave network.ofa_kernel "
                "at own and network.partial_channels at 1."
            )
        require_no_mixtures("close", ctx)
        divide(network, self.blocks, ctx.space)
        device = next(network.parameters()).device
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(ctx.recipe.seed)
            hidden = nn.Sequential(nn.Linear(sum(ctx.space.options), self.hidden), nn.ReLU())
            last = nn.Linear(self.hidden, len(ctx.space.options) * self.blocks)
        self._net = BlockNet(network, BlockGate(encoder(ctx.space), hidden, last, self.blocks).to(device))
        return self._net

    def start_epoch(self, ctx: Context) -> None:
        epochs = ctx.recipe.training.epochs
        while self._net.active < self.blocks and ctx.epoch >= first_epoch(self.every * self._net.active, epochs):
            self._net.grow()
            if self._net.active - 1 == self.restart:
                ctx.rebuild(restart=True)

    def state_dict(self) -> dict[str, Any]:
        return {"active": self._net.active}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        if not 1 <= int(state["active"]) <= self.blocks:
            raise ValueError("there is no such number of blocks")
        self._net.active = int(state["active"])
