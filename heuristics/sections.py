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
    """Name of the data set; `digits` ships with the project."""
    size: int | None = None
    """Pixels per side to which images are down-sampled; None keeps their size."""
    train_portion: float = 0.9
    """Share of the training images that train the weights; the others validate."""
    train_images: int | None = None
    """Number of training images kept after the split; None keeps all."""
    valid_images: int | None = None
    """Number of validation images kept after the split; None keeps all."""
    test_images: int | None = None
    """Number of test images kept; None keeps all. Only stand-alone networks are tested."""
    seed: int = 0
    """Seed of the split into training and validation images (for digits, of the images themselves). It differs from the
    recipe's seed, so that runs with several seeds see the same data and are scored on the same images."""


@dataclass(frozen=True)
class NetworkSection:
    """How the super-net is built and how an architecture maps onto its weights."""

    channels: int = 16
    """Number of channels of the first stage."""
    cells: int = 5
    """Number of cells per stage; in networks of DARTS cells, of normal cells, with a reduction cell between stages."""
    bn_affine: bool = True
    """Whether batch norm learns a scale and a shift."""
    bn_track: bool = False
    """Whether batch norm keeps running statistics while training."""
    op_on: Literal["edge", "node"] = "edge"
    """Whether every edge has weights of its own. With `node`, the edges into a node share one set of weights per
    operation, except those from the cell's input (in DARTS cells, the edges from both inputs share another set)."""
    ofa_kernel: Literal["own", "centre", "transform"] = "own"
    """The weights of the 1x1 convolution: its own, or the centre of the 3x3 kernel, unchanged or scaled by a learned
    factor. In DARTS cells, those of the depthwise 3x3 kernels, as centres of 5x5 ones, with a learned matrix."""
    channel_mode: Literal["fixed", "fixed_chunk", "random_chunk", "shuffle", "interpolate"] = "fixed"
    """1Shot1 only: the width of nodes. With `fixed` it is the same for all architectures. Otherwise it is that of the
    benchmark (output channels / edges into the output), and a node uses the first channels of the shared weights, a
    random chunk, a random selection, or an interpolation of them."""
    ws_bn: bool = False
    """1Shot1 only: whether a node has one batch norm for each set of parents."""
    path_dropout: float = 0.0
    """Probability with which the output of an edge is dropped, in the last cell at the end of training. It grows
    linearly with depth and with the steps done."""
    global_dropout: float = 0.0
    """Dropout probability of the pooled features."""
    partial_channels: int = 1
    """nb201 only: operations see one in k channels of their node, and the others bypass them (the k of PC-DARTS)."""


@dataclass(frozen=True)
class TrainingSection:
    """How the weights are trained."""

    epochs: int = 100
    """Number of passes over the training images."""
    batch_size: int = 64
    """Images per step."""
    learning_rate: float = 0.025
    """Learning rate of SGD after the warm-up."""
    final_learning_rate: float = 0.001
    """Learning rate at the end of the cosine schedule."""
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    """How the learning rate changes after the warm-up: as a cosine, not at all, or divided by ten at 30 % and at 60 %
    of the steps."""
    warmup_epochs: float = 0.0
    """Epochs in which the learning rate grows linearly from 0; fractions are allowed."""
    momentum: float = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Whether the momentum is Nesterov's."""
    weight_decay: float = 3e-4
    """Factor of the L2 penalty on the shared weights."""
    clip: float | None = 5.0
    """L2 norm to which the gradient of all weights together is clipped; None turns clipping off."""
    label_smoothing: float = 0.0
    """Share of the target probability that is spread evenly over all classes."""
    unsampled: Literal["keep", "zero"] = "keep"
    """What an optimiser step does to weights without a gradient: it leaves them as they are, or it applies momentum and
    weight decay to them, as it does with gradients filled with zeros."""
    amp: bool = False
    """Whether the network computes under bfloat16 autocast."""


@dataclass(frozen=True)
class SamplingSection:
    """Which paths a step trains."""

    law: Literal["uniform", "architectures", "classes", "fair", "sandwich", "fixed", "distribution"] = "uniform"
    """`uniform` draws every decision independently (Random-NAS, SPOS); `architectures` draws distinct architectures
    (Random-A), and `classes` one architecture of each functional class, uniformly; `fair` trains all options of
    a decision equally often in every step (FairNAS), or with numbers that differ by one in 1Shot1 and DARTS cells,
    where decisions have different numbers of options; `sandwich` trains the largest, the smallest and two random
    architectures (BigNAS); `fixed` trains only one architecture; `distribution` follows the distribution that is
    learned."""
    paths: int = 1
    """Number of paths per step, for laws that do not fix it."""
    batch: Literal["whole", "split"] = "whole"
    """Whether every path of a step sees the whole batch, or its own part of it."""
    reduce: Literal["mean", "sum"] = "mean"
    """Whether the gradients of a step's paths are averaged or summed."""
    per_cell: bool = False
    """Whether an architecture is drawn for every cell, instead of one for all cells."""
    with_none: bool = True
    """Whether the operation none is sampled, too."""
    architecture: str | None = None
    """The architecture of the law `fixed`, as its official string."""


@dataclass(frozen=True)
class DistributionSection:
    """A distribution over architectures that is learned, alternating with the weights."""

    model: Literal["none", "softmax", "simplex", "dirichlet", "controller"] = "none"
    """The form of the distribution: a softmax of logits; points of the simplex, learned by exponentiated gradients
    (GAEA); a Dirichlet distribution over mixtures (DrNAS); or an LSTM that makes the decisions in order (ENAS)."""
    step: Literal["first-order", "second-order", "importance", "reinforce"] = "first-order"
    """How the distribution learns: by first-order or second-order gradients through a relaxed network (DARTS), from
    sampled architectures weighted by their likelihoods (PARSEC), or by policy gradients (ENAS)."""
    route: Literal["mixture", "gate", "concrete", "reinmax", "annealed"] = "mixture"
    """How the network is relaxed: as a weighted sum of all options (DARTS); as one option that is drawn, with gradients
    to all of them (GDAS); as a weighted sum with weights drawn from the concrete distribution (SNAS); as one option
    that is drawn, with all options executed for the gradients (ReinMax); or as a weighted sum at a temperature that
    falls, so that nearly one architecture is left (single-stage search)."""
    perturbation: Literal["none", "random", "adversarial"] = "none"
    """How the mixture is perturbed while the weights learn (SmoothDARTS)."""
    data: Literal["valid", "train"] = "valid"
    """The images that the distribution learns from: validation images (bilevel), or further batches of training images
    (single-level, ERM)."""
    first: Literal["distribution", "weights"] = "distribution"
    """Which of the two learns first in a step."""
    start_epoch: int = 0
    """Number of epochs at the start in which only the weights learn."""
    learning_rate: float = 3e-4
    """Learning rate of the distribution's parameters."""
    weight_decay: float = 1e-3
    """Adam's weight decay of logits; for a Dirichlet distribution, of its parameters, elu^-1(concentration - 1)."""
    beta1: float = 0.5
    """Adam's decay rate of the mean gradient."""
    epsilon: float = 1e-8
    """Adam's epsilon."""
    edge_weights: bool = False
    """nb201 only: whether the edges into a node have weights, too (PC-DARTS)."""
    floor: float = 1e-5
    """simplex: least weight of an option."""
    entropy: float = 0.0
    """simplex: factor of sum(w log w) in the loss; reinforce: factor of the entropy in the reward."""
    temperature: float = 10.0
    """gate, concrete, annealed: temperature in the first epoch, from which it changes linearly."""
    final_temperature: float = 0.1
    """gate, concrete, annealed: temperature in the last epoch."""
    radius: float = 0.03
    """perturbation: largest change of a weight in the first epoch, from which it changes linearly."""
    final_radius: float = 0.3
    """perturbation: largest change of a weight in the last epoch."""
    kept_options: int | None = None
    """Number of options of each decision that are left after pruning, the most probable ones; None keeps all. DrNAS
    keeps 3 of 5 (and then also widens partial channels, which is not done here)."""
    prune_from: float = 0.5
    """kept_options: share of the epochs after which the other options are pruned."""
    samples: int = 16
    """Number of sampled architectures; importance: per step; reinforce: per update of the controller."""
    likelihood: float = 1.0
    """importance: power to which a batch's likelihood is raised; with 1, one architecture gets nearly all weight."""
    updates: int = 50
    """reinforce: number of updates of the controller after every epoch."""


@dataclass(frozen=True)
class EvaluationSection:
    """How architectures are scored with the shared weights."""

    bn: Literal["batch", "running", "recalibrate"] = "batch"
    """The statistics that batch norm uses: those of the scoring batch, running ones, or ones recomputed for every
    architecture."""
    recalibration_batches: int = 4
    """Number of batches from which statistics are recomputed."""
    images: int = 1000
    """Number of validation images, the same for all architectures."""
    batch_size: int = 250
    """Images per batch in scoring."""
    metric: Literal["loss", "accuracy"] = "loss"
    """The score that architectures are ranked by; results contain both."""


@dataclass(frozen=True)
class Chosen:
    """A method that a recipe lists, with the parameters that differ from their defaults."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()
    """Names and values, sorted by name."""
    plugin: Plugin | None = None
    """The file that defines the method; None for methods that ship."""

    def as_dict(self) -> dict[str, Any]:
        """Return the method as a recipe lists it: its name and its parameters."""
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
