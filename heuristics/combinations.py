"""Which values of a recipe cannot be, or not together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from benchmarks.spaces import SPACE_NAMES

if TYPE_CHECKING:
    from heuristics.recipe import Recipe


def problems(r: Recipe, laws: Sequence[str]) -> Iterable[str]:
    """What cannot be used, or not together, in words.

    Args:
        laws: sampling laws that there are.
    """
    if r.space not in SPACE_NAMES:
        yield f"there is no space {r.space!r}, only {', '.join(SPACE_NAMES)}"
    if r.sampling.law not in laws:
        near = difflib.get_close_matches(r.sampling.law, laws, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        yield f"sampling.law is {r.sampling.law!r}, but must be one of {', '.join(laws)}{hint}"
    for name, value in (
        ("network.channels", r.network.channels),
        ("network.cells", r.network.cells),
        ("training.epochs", r.training.epochs),
        ("training.batch_size", r.training.batch_size),
        ("sampling.paths", r.sampling.paths),
        ("evaluation.images", r.evaluation.images),
        ("evaluation.batch_size", r.evaluation.batch_size),
        ("evaluation.recalibration_batches", r.evaluation.recalibration_batches),
    ):
        if value < 1:
            yield f"{name} is {value}, but must be at least 1"
    for name, rate in (
        ("network.path_dropout", r.network.path_dropout),
        ("network.global_dropout", r.network.global_dropout),
    ):
        if not 0 <= rate < 1:
            yield f"{name} is {rate}, but must lie in [0, 1)"
    t, d = r.training, r.distribution
    for name, number, low, high in (
        ("seed", r.seed, 0, None),
        ("training.learning_rate", t.learning_rate, 0, None),
        ("training.final_learning_rate", t.final_learning_rate, 0, None),
        ("training.momentum", t.momentum, 0, None),
        ("training.weight_decay", t.weight_decay, 0, None),
        ("training.warmup_epochs", t.warmup_epochs, 0, None),
        ("training.label_smoothing", t.label_smoothing, 0, 1),
        ("training.clip", t.clip, 0, None),
        ("distribution.learning_rate", d.learning_rate, 0, None),
        ("distribution.weight_decay", d.weight_decay, 0, None),
        ("distribution.beta1", d.beta1, 0, 1),
    ):
        if number is not None and not (low <= number and (high is None or number < high)):
            yield f"{name} is {number}, but must be at least {low}" + ("" if high is None else f" and below {high:g}")
    if not 0 < r.task.train_portion <= 1:
        yield f"task.train_portion is {r.task.train_portion}, but must lie in (0, 1]"
    if r.space == "nb201":
        if r.network.channel_mode != "fixed":
            yield "network.channel_mode is for the 1Shot1 spaces: no width of nb201 depends on the architecture"
        if r.network.channels % max(1, r.network.partial_channels):
            yield f"network.channels is {r.network.channels}, not a multiple of partial_channels"
        if r.network.ws_bn:
            yield "network.ws_bn is for the 1Shot1 spaces: an edge of nb201 has one input"
    elif r.network.op_on == "node":
        yield "network.op_on=node is for nb201: the 1Shot1 spaces have their operations on nodes already"
    if r.evaluation.bn == "running" and not r.network.bn_track:
        yield "evaluation.bn=running needs network.bn_track=true: without it there are no running statistics"
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
    yield from _distribution_problems(r)
    if r.training.nesterov and r.training.momentum == 0:
        yield "training.nesterov needs training.momentum above 0"
    if r.training.warmup_epochs >= r.training.epochs:
        yield "training.warmup_epochs must be below training.epochs"


def _distribution_problems(r: Recipe) -> Iterable[str]:
    d = r.distribution
    for name, value in (("samples", d.samples), ("updates", d.updates)):
        if value < 1:
            yield f"distribution.{name} is {value}, but must be at least 1"
    if r.network.partial_channels < 1:
        yield f"network.partial_channels is {r.network.partial_channels}, but must be at least 1"
    if r.network.partial_channels > 1 and r.space != "nb201":
        yield "network.partial_channels is for nb201: widths of the 1Shot1 spaces follow from their parents"
    if r.network.partial_channels > 1 and r.network.path_dropout:
        yield "network.partial_channels and path_dropout do not go together: what passes by would be dropped, too"
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
    if not 0 <= d.start_epoch <= r.training.epochs:
        yield f"distribution.start_epoch is {d.start_epoch}, beyond the {r.training.epochs} epochs of training"
