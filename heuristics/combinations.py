"""Which values of a recipe cannot be, or not together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from supernet.benchmarks.spaces import SPACE_NAMES
from supernet.benchmarks.wording import did_you_mean, listed, nearest, quoted
from supernet.heuristics.ranges import MOST_PARAMETERS, RANGES, network_parameters

if TYPE_CHECKING:
    from supernet.heuristics.recipe import Recipe

SAMPLING_READ: dict[str, frozenset[str]] = {}
"""Registered law -> those of the keys in `UNREAD` that it reads; `heuristics.samplers.register` adds to it."""
UNREAD: Mapping[str, object] = {"paths": 1, "per_cell": False, "with_none": True}
"""Keys of `sampling` that a law may ignore -> the values at which this makes no difference."""


def problems(r: Recipe, laws: Sequence[str]) -> Iterable[str]:
    """What cannot be used, or not together, in words.

    Args:
        laws: sampling laws that there are.
    """
    if r.space not in SPACE_NAMES:
        yield f"there is no space {quoted(r.space)}; {did_you_mean(r.space, SPACE_NAMES).removesuffix('.')}"
    if r.sampling.law not in laws:
        near = nearest(r.sampling.law, laws)
        hint = f" (did you mean {near}?)" if near else ""
        yield f"sampling.law is {quoted(r.sampling.law)}, but must be one of {listed(laws)}{hint}"
    wrong = list(_out_of_range(r))
    yield from wrong
    if wrong:
        return  # what follows calculates with these numbers
    yield from _network_problems(r)
    yield from _sampling_problems(r)
    yield from _distribution_problems(r)
    yield from _training_problems(r)


def _out_of_range(r: Recipe) -> Iterable[str]:
    """Numbers outside of their ranges, and those that are not numbers."""
    for name, allowed in RANGES.items():
        *sections, key = name.split(".")
        value = getattr(getattr(r, sections[0]) if sections else r, key)
        if value is not None and (problem := allowed.problem(name, value)):
            yield problem


def _network_problems(r: Recipe) -> Iterable[str]:
    n = r.network
    weights = network_parameters(r.space, n.channels, n.cells, n.channel_mode != "fixed")
    if weights > MOST_PARAMETERS:
        yield (
            f"network.channels={n.channels:,} and network.cells={n.cells:,} make a network of about {weights:,} "
            f"weights; at most {MOST_PARAMETERS:,} are supported"
        )
    if r.space == "nb201":
        if r.network.channel_mode != "fixed":
            yield "network.channel_mode is for the 1Shot1 spaces: no width of nb201 depends on the architecture"
        if r.network.channels % r.network.partial_channels:
            yield f"network.channels is {r.network.channels}, not a multiple of partial_channels"
        if r.network.ws_bn:
            yield "network.ws_bn is for the 1Shot1 spaces: an edge of nb201 has one input"
    elif r.network.op_on == "node":
        yield "network.op_on=node is for nb201: the 1Shot1 spaces have their operations on nodes already"
    if n.partial_channels > 1 and r.space != "nb201":
        yield "network.partial_channels is for nb201: widths of the 1Shot1 spaces follow from their parents"
    if n.partial_channels > 1 and n.path_dropout:
        yield "network.partial_channels and path_dropout do not go together: what passes by would be dropped, too"
    if r.evaluation.bn == "running" and not r.network.bn_track:
        yield "evaluation.bn=running needs network.bn_track=true: without it there are no running statistics"


def _sampling_problems(r: Recipe) -> Iterable[str]:
    if r.sampling.batch == "split" and r.sampling.law == "sandwich":
        yield "sampling.batch=split does not go with law=sandwich: students would see other images than their teacher"
    if r.sampling.batch == "split" and r.sampling.law == "distribution" and r.distribution.step == "importance":
        yield "sampling.batch=split does not go with distribution.step=importance: likelihoods are of the whole batch"
    if (r.sampling.law == "fixed") != (r.sampling.architecture is not None):
        yield "sampling.law=fixed and sampling.architecture go together: it trains that one alone"
    if r.sampling.law in ("fair", "sandwich", "fixed") and r.sampling.paths != 1:
        yield f"sampling.paths is for laws that leave the number open; {r.sampling.law} sets it"
    if r.sampling.law in ("architectures", "classes", "fixed") and r.sampling.per_cell:
        yield f"sampling.per_cell draws decisions cell by cell, which the law {r.sampling.law} does not"
    if not r.sampling.with_none and r.space != "nb201":
        yield f"sampling.with_none=false is for nb201: {r.space} has no operation none"
    if r.sampling.law in SAMPLING_READ:
        yield from _unread(r)


def _unread(r: Recipe) -> Iterable[str]:
    """Keys that the registered law of the recipe ignores although the recipe sets them."""
    law = r.sampling.law
    for key, harmless in UNREAD.items():
        value = getattr(r.sampling, key)
        if value != harmless and key not in SAMPLING_READ[law]:
            yield (
                f"sampling.{key} is {str(value).lower()}, which the law {law} does not read: leave it at "
                f"{str(harmless).lower()}. A law that reads it says so when it is registered: "
                f'register("{law}", …, reads=["{key}"])'
            )


def _training_problems(r: Recipe) -> Iterable[str]:
    if r.training.nesterov and r.training.momentum == 0:
        yield "training.nesterov needs training.momentum above 0"
    if r.training.warmup_epochs >= r.training.epochs:
        yield "training.warmup_epochs must be below training.epochs"


def _distribution_problems(r: Recipe) -> Iterable[str]:
    d = r.distribution
    if d.model == "none":
        if r.sampling.law == "distribution":
            yield "sampling.law=distribution needs distribution.model"
        return
    if r.sampling.per_cell:
        yield "sampling.per_cell draws an architecture for every cell; a distribution has one for all"
    if r.sampling.law not in ("distribution", "uniform"):
        yield f"distribution.model goes with sampling.law=distribution or uniform, not {r.sampling.law}"
    if r.sampling.paths != 1 and r.sampling.law == "distribution":
        yield "sampling.paths is for laws that leave the number open; distribution sets it"
    sampled = d.step in ("importance", "reinforce")
    if d.model == "controller" and d.step != "reinforce":
        yield f"distribution.model=controller learns by step=reinforce, not {d.step}: it has no weights to mix"
    if d.model in ("simplex", "dirichlet") and sampled:
        yield f"distribution.model={d.model} learns by gradients through a mixture, not by step={d.step}"
    if d.route == "gate" and d.model not in ("softmax", "simplex"):
        yield f"distribution.route=gate draws from a softmax or a simplex, not a {d.model}"
    if d.route == "gate" and d.perturbation != "none":
        yield "distribution.perturbation is of a mixture, not of route=gate"
    if (d.perturbation != "none" or d.route == "gate") and sampled:
        yield f"distribution.step={d.step} samples architectures: there is no mixture to route or perturb"
    if d.perturbation != "none" and d.model == "dirichlet":
        yield "distribution.perturbation is of a softmax or a simplex, not a dirichlet"
    if d.step == "second-order" and (d.model == "dirichlet" or d.route == "gate"):
        yield "distribution.step=second-order compares losses of one mixture; this distribution draws another each time"
    if d.edge_weights and (r.space != "nb201" or sampled or d.model not in ("softmax", "simplex")):
        yield "distribution.edge_weights is for mixtures of a softmax or a simplex on nb201"
    if d.edge_weights and (d.route == "gate" or d.perturbation != "none"):
        yield "distribution.edge_weights goes with route=mixture and without perturbation"
    if r.network.channel_mode != "fixed" and not sampled:
        yield "distribution.step with gradients mixes widths, which needs network.channel_mode=fixed"
    if d.start_epoch > r.training.epochs:
        yield f"distribution.start_epoch is {d.start_epoch}, beyond the {r.training.epochs} epochs of training"
