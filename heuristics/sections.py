"""The sections of a recipe: plain data, with the meaning of every key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from supernet.heuristics.plugins import Plugin


@dataclass(frozen=True)
class TaskSection:
    """What the super-net learns."""

    name: str = "cifar10"
    size: int | None = None
    """Images are down-sampled to this many pixels a side; None keeps them."""
    train_portion: float = 0.9
    """Share of the training images that train; the rest validates."""
    train_images: int | None = None
    """Training images kept after the split; None keeps all."""
    valid_images: int | None = None
    test_images: int | None = None
    """Only stand-alone training is tested."""
    seed: int = 0
    """Seed of the split into training and validation images (digits: of the canvases). It is not the recipe's seed,
    so that runs of several seeds see the same data and are scored on the same images."""


@dataclass(frozen=True)
class NetworkSection:
    """How the super-net is built and how an architecture maps onto its weights."""

    channels: int = 16
    """Channels of the first stage."""
    cells: int = 5
    """Cells per stage."""
    bn_affine: bool = True
    bn_track: bool = False
    """Keep running statistics while training."""
    op_on: Literal["edge", "node"] = "edge"
    """On `node`, edges into a node share one set of weights per operation, except those from the cell's input."""
    ofa_kernel: Literal["own", "centre", "transform"] = "own"
    """The 1x1 convolution has weights of its own, or is the centre of the 3x3 one, as it is or scaled by a learned
    factor."""
    channel_mode: Literal["fixed", "fixed_chunk", "random_chunk", "shuffle", "interpolate"] = "fixed"
    """1Shot1: nodes keep one width, or take the benchmark's (output channels / edges into the output) as a part of
    shared weights: the first channels, a random chunk, a random selection, or an interpolation."""
    ws_bn: bool = False
    """1Shot1: one batch norm per set of parents of a node."""
    path_dropout: float = 0.0
    """Probability with which the output of an edge is dropped, reached linearly over layers and steps."""
    global_dropout: float = 0.0
    """Dropout of the pooled features."""
    partial_channels: int = 1
    """nb201: operations see one in k channels of their node, the others pass by (k of PC-DARTS)."""


@dataclass(frozen=True)
class TrainingSection:
    """How the weights are trained."""

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    """`step` divides by ten at 30 % and 60 % of the steps; all change with every step."""
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    clip: float | None = 5.0
    """Norm to which the whole gradient is clipped; None does not."""
    label_smoothing: float = 0.0
    unsampled: Literal["keep", "zero"] = "keep"
    """What an optimiser step does to weights without a gradient: leave them, or (as zero-filled gradients do)
    apply momentum and weight decay to them."""
    amp: bool = False
    """bfloat16 autocast."""


@dataclass(frozen=True)
class SamplingSection:
    """Which paths a step trains."""

    law: Literal["uniform", "architectures", "classes", "fair", "sandwich", "fixed", "distribution"] = "uniform"
    """`uniform` draws every decision on its own (Random-NAS, SPOS); `architectures` draws from those that differ
    (Random-A), `classes` from those that compute different functions; `fair` trains every option equally often in
    every step (FairNAS); `sandwich` takes the largest, the smallest and two random ones; `fixed` trains one
    architecture alone; `distribution` follows the one that is learned."""
    paths: int = 1
    """Paths per step, where the law leaves it open."""
    batch: Literal["whole", "split"] = "whole"
    """Every path of a step sees the whole batch, or its own part of it."""
    reduce: Literal["mean", "sum"] = "mean"
    """How the gradients of a step's paths add up."""
    per_cell: bool = False
    """Draw an architecture for every cell instead of one for all."""
    with_none: bool = True
    """Also sample the operation none."""
    architecture: str | None = None
    """The architecture of the `fixed` law, as its official string."""


@dataclass(frozen=True)
class DistributionSection:
    """A distribution over architectures, learned in turn with the weights."""

    model: Literal["none", "softmax", "simplex", "dirichlet", "controller"] = "none"
    """Logits of a softmax; points of the simplex themselves, learned by exponentiated gradients (GAEA); a Dirichlet
    distribution of mixtures (DrNAS); or an LSTM that decides one thing after the other (ENAS)."""
    step: Literal["first-order", "second-order", "importance", "reinforce"] = "first-order"
    """How it learns: by gradients through a relaxed network, of first or second order (DARTS); by weighing sampled
    architectures with their likelihoods (PARSEC); or by policy gradients (ENAS)."""
    route: Literal["mixture", "gate"] = "mixture"
    """How the network is relaxed: all options, weighed (DARTS), or one that is drawn, with a gradient to all (GDAS)."""
    perturbation: Literal["none", "random", "adversarial"] = "none"
    """How the mixture is perturbed in steps of the weights (SmoothDARTS)."""
    data: Literal["valid", "train"] = "valid"
    """What it learns from: validation images (bilevel), or further batches of training images (single-level, ERM)."""
    first: Literal["distribution", "weights"] = "distribution"
    """Which of the two learns first in a step."""
    start_epoch: int = 0
    """Epochs in which the weights learn alone."""
    learning_rate: float = 3e-4
    weight_decay: float = 1e-3
    """Adam's decay of logits; for a Dirichlet, of its parameters, which are elu^-1(concentration - 1)."""
    beta1: float = 0.5
    """Adam's decay of the mean gradient."""
    epsilon: float = 1e-8
    """Adam's epsilon."""
    edge_weights: bool = False
    """nb201: also weigh the edges into a node (PC-DARTS)."""
    floor: float = 1e-5
    """simplex: the least weight."""
    entropy: float = 0.0
    """simplex: factor of sum(w log w) in the loss; reinforce: factor of the entropy in the reward."""
    temperature: float = 10.0
    """gate: temperature of the first epoch; it falls linearly."""
    final_temperature: float = 0.1
    radius: float = 0.03
    """perturbation: radius in the first epoch; it grows linearly."""
    final_radius: float = 0.3
    samples: int = 16
    """importance: architectures per step; reinforce: per update of the controller."""
    likelihood: float = 1.0
    """importance: power to which a batch's likelihood is raised; 1 makes one architecture have nearly all weight."""
    updates: int = 50
    """reinforce: updates of the controller after every epoch."""


@dataclass(frozen=True)
class EvaluationSection:
    """How architectures are scored with the shared weights."""

    bn: Literal["batch", "running", "recalibrate"] = "batch"
    """Batch norm uses the statistics of the scoring batch, running ones, or ones recomputed for every architecture."""
    recalibration_batches: int = 4
    images: int = 1000
    """Validation images, the same for all architectures."""
    batch_size: int = 250
    metric: Literal["loss", "accuracy"] = "loss"
    """The score that ranks; both are written."""


@dataclass(frozen=True)
class Chosen:
    """A method that a recipe lists, with the parameters that differ from their defaults."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()
    """Names and values, in the order of the names."""
    plugin: Plugin | None = None
    """The file that defines it, of methods that do not ship."""

    def as_dict(self) -> dict[str, Any]:
        """As a recipe lists it."""
        return {"name": self.name, **dict(self.parameters)}


class Sections(Protocol):
    """The parts of a recipe."""

    @property
    def space(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def task(self) -> TaskSection: ...
    @property
    def network(self) -> NetworkSection: ...
    @property
    def training(self) -> TrainingSection: ...
    @property
    def sampling(self) -> SamplingSection: ...
    @property
    def distribution(self) -> DistributionSection: ...
    @property
    def evaluation(self) -> EvaluationSection: ...
    @property
    def methods(self) -> Sequence[Chosen]: ...
