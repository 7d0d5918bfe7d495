"""The rules of recipes: which values are out of range, and which cannot be combined."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from supernet.benchmarks.spaces import SPACE_NAMES, space
from supernet.benchmarks.wording import did_you_mean, listed, quoted
from supernet.heuristics import registry
from supernet.heuristics.ranges import MOST_PARAMETERS, RANGES, network_parameters
from supernet.heuristics.sections import Sections

UNREAD: Mapping[str, object] = {"paths": 1, "per_cell": False, "with_none": True}
"""Keys of `sampling` that a planning method may ignore -> the values at which ignoring them makes no difference."""


def problems(r: Sections) -> Iterable[str]:
    """Yield a phrase for each value of a recipe that cannot be used, or cannot be combined with the others."""
    unknown = r.space not in SPACE_NAMES
    if unknown:
        yield f"there is no space {quoted(r.space)}; {did_you_mean(r.space, SPACE_NAMES).removesuffix('.')}"
    wrong = list(_out_of_range(r))
    yield from wrong
    if unknown or wrong:
        return  # the rules below need the space, and calculate with these numbers
    yield from _network_problems(r)
    yield from _sampling_problems(r)
    yield from _distribution_problems(r)
    yield from _training_problems(r)
    yield from _method_problems(r)


def _out_of_range(r: Sections) -> Iterable[str]:
    """Yield a phrase for each number outside of its range, and for each NaN."""
    for name, allowed in RANGES.items():
        *sections, key = name.split(".")
        value = getattr(getattr(r, sections[0]) if sections else r, key)
        if value is not None and (problem := allowed.problem(name, value)):
            yield problem


def _network_problems(r: Sections) -> Iterable[str]:
    n, within = r.network, space(r.space)
    weights = network_parameters(r.space, n.channels, n.cells, n.channel_mode != "fixed")
    if weights > MOST_PARAMETERS:
        yield (
            f"network.channels={n.channels:,} and network.cells={n.cells:,} make a network of about {weights:,} "
            f"weights; at most {MOST_PARAMETERS:,} are supported"
        )
    if within.operations_on == "edges":
        if n.channel_mode != "fixed":
            names = _with_operations_on("nodes")
            yield f"network.channel_mode is for {names}: no width of {r.space} depends on the architecture"
        if within.fixed_edges and n.channels % n.partial_channels:
            yield f"network.channels is {n.channels}, not a multiple of partial_channels"
        if n.ws_bn:
            yield f"network.ws_bn is for {_with_operations_on('nodes')}: an edge of {r.space} has one input"
    elif n.op_on == "node":
        yield f"network.op_on=node is for {_with_operations_on('edges')}: {r.space} has its operations on nodes already"
    if n.ofa_kernel != "own" and not within.nested_kernels:
        names = listed(name for name in SPACE_NAMES if space(name).nested_kernels)
        yield f"network.ofa_kernel={n.ofa_kernel} is for {names}: {r.space} has convolutions of one size"
    if n.partial_channels > 1 and not within.fixed_edges:
        yield f"network.partial_channels is for {_with_fixed_edges()}: {r.space} has no fixed edges with operations"
    if n.partial_channels > 1 and n.path_dropout:
        yield (
            "network.partial_channels cannot be combined with path_dropout, "
            "which would also drop the channels that bypass the operation"
        )
    if r.evaluation.bn == "running" and not r.network.bn_track:
        yield "evaluation.bn=running needs network.bn_track=true: without it there are no running statistics"


def _with_operations_on(where: str) -> str:
    """List the names of the spaces whose cells have their operations on `edges` or on `nodes`."""
    return listed(name for name in SPACE_NAMES if space(name).operations_on == where)


def _with_fixed_edges() -> str:
    """List the names of the spaces of which all architectures have the same edges."""
    return listed(name for name in SPACE_NAMES if space(name).fixed_edges)


def _sampling_problems(r: Sections) -> Iterable[str]:
    if r.sampling.batch == "split" and r.sampling.law == "sandwich":
        yield "sampling.batch=split cannot be combined with law=sandwich: students and teacher need the same images"
    if r.sampling.batch == "split" and r.sampling.law == "distribution" and r.distribution.step == "importance":
        yield (
            "sampling.batch=split cannot be combined with distribution.step=importance, which weighs architectures by "
            "their likelihood of the whole batch"
        )
    if (r.sampling.law == "fixed") != (r.sampling.architecture is not None):
        yield "sampling.law=fixed and sampling.architecture go together: the law trains only that architecture"
    if r.sampling.law in ("fair", "sandwich", "fixed") and r.sampling.paths != 1:
        yield f"sampling.paths cannot be set with law={r.sampling.law}, which fixes the number of paths"
    if r.sampling.law in ("architectures", "classes", "fixed") and r.sampling.per_cell:
        yield f"sampling.per_cell draws decisions cell by cell, but law={r.sampling.law} draws whole architectures"
    if not r.sampling.with_none and space(r.space).idle_option is None:
        names = listed(name for name in SPACE_NAMES if space(name).idle_option is not None)
        yield f"sampling.with_none=false is for {names}: {r.space} has no operation none"


def _method_problems(r: Sections) -> Iterable[str]:
    names = [chosen.name for chosen in r.methods]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"methods lists {name} {names.count(name)} times, but a recipe can have each method only once"
    entries = [registry.entry(name) for name in dict.fromkeys(names)]
    for entry in entries:
        if r.space not in entry.spaces:
            yield f"the method {entry.name} is for {listed(entry.spaces)}, not for {r.space}"
    for hook, does in (("plan", "plan the paths of a step"), ("take_step", "turn paths into an update")):
        several = [entry.name for entry in entries if entry.has(hook)]
        if len(several) > 1:
            yield f"the methods {listed(several)} all {does}, but only one method of a recipe can do so"
    yield from _apart_problems(entries)
    for entry in entries:
        if entry.has("plan"):
            yield from _planning_problems(r, entry)


def _apart_problems(entries: Sequence[registry.Entry]) -> Iterable[str]:
    """Yield a phrase for each two methods of which one works only without the other."""
    for one, other in itertools.permutations(entries, 2):
        reason = one.excludes.get(other.name)
        if reason is None and one.has("step_loss") and other.has("take_step"):
            reason = (
                f"{one.name} adds a loss to the whole step (step_loss), whose gradient would enter the update of "
                f"{other.name} (take_step) without a learning rate"
            )
        if reason is not None:
            yield f"the method {one.name} cannot be combined with {other.name}: leave one of them out, since {reason}"


def _planning_problems(r: Sections, entry: registry.Entry) -> Iterable[str]:
    """Yield a phrase for each value that cannot be combined with a method that plans in place of sampling.law."""
    if r.sampling.law != "uniform":
        law = r.sampling.law
        yield f"the method {entry.name} and sampling.law={law} both plan the paths of a step: leave one out"
    for key, harmless in UNREAD.items():
        value = getattr(r.sampling, key)
        if value != harmless and key not in entry.reads:
            yield (
                f"sampling.{key} is {str(value).lower()}, which the method {entry.name} does not read: leave it at "
                f'{str(harmless).lower()}. A method that reads it declares so: reads = frozenset({{"{key}"}})'
            )


def _training_problems(r: Sections) -> Iterable[str]:
    if r.training.nesterov and r.training.momentum == 0:
        yield "training.nesterov needs training.momentum above 0"
    if r.training.warmup_epochs >= r.training.epochs:
        yield "training.warmup_epochs must be below training.epochs"


def _distribution_problems(r: Sections) -> Iterable[str]:
    d = r.distribution
    if d.model == "none":
        if r.sampling.law == "distribution":
            yield "sampling.law=distribution needs distribution.model"
        return
    if r.sampling.per_cell:
        yield "sampling.per_cell draws an architecture for every cell, but a distribution draws one for all cells"
    if r.sampling.law not in ("distribution", "uniform"):
        yield f"distribution.model needs sampling.law=distribution or uniform, not {r.sampling.law}"
    if r.sampling.paths != 1 and r.sampling.law == "distribution":
        yield "sampling.paths cannot be set with law=distribution, which fixes the number of paths"
    sampled = d.step in ("importance", "reinforce")
    if d.model == "controller" and d.step != "reinforce":
        yield f"distribution.model=controller learns by step=reinforce, not {d.step}: it has no weights to mix"
    if d.model == "controller" and d.kept_options is not None:
        yield "distribution.kept_options is for a softmax, a simplex or a dirichlet: a controller has no table to prune"
    if d.model in ("simplex", "dirichlet") and sampled:
        yield f"distribution.model={d.model} learns by gradients through a mixture, not by step={d.step}"
    if d.route != "mixture" and d.model not in ("softmax", "simplex"):
        yield f"distribution.route={d.route} draws from a softmax or a simplex, not from a {d.model}"
    if d.route != "mixture" and d.perturbation != "none":
        yield f"distribution.perturbation needs route=mixture, not {d.route}: it perturbs the weights of a mixture"
    if (d.perturbation != "none" or d.route != "mixture") and sampled:
        yield f"distribution.step={d.step} samples architectures, so that there is no mixture to route or perturb"
    if d.perturbation != "none" and d.model == "dirichlet":
        yield "distribution.perturbation needs model=softmax or simplex, not dirichlet"
    if d.step == "second-order" and (d.model == "dirichlet" or d.route in ("gate", "concrete", "reinmax")):
        yield (
            "distribution.step=second-order compares losses of the same mixture, "
            "but this distribution draws another mixture each time"
        )
    fixed_edges = space(r.space).fixed_edges
    if d.edge_weights and (not fixed_edges or sampled or d.model not in ("softmax", "simplex")):
        yield f"distribution.edge_weights is for mixtures of a softmax or a simplex on {_with_fixed_edges()}"
    if d.edge_weights and (d.route != "mixture" or d.perturbation != "none"):
        yield "distribution.edge_weights needs route=mixture and perturbation=none"
    if r.network.channel_mode != "fixed" and not sampled:
        yield f"distribution.step={d.step} mixes operations of equal width, which needs network.channel_mode=fixed"
    if d.start_epoch > r.training.epochs:
        yield f"distribution.start_epoch is {d.start_epoch}, but training has only {r.training.epochs} epochs"
