"""Encodes, decodes and verifies checkpoints, and loads them into runs.

A checkpoint is read as a whole and verified before torch reads it, because torch itself compares no checksums, and
returns uninitialised memory for entries of an archive that are marked as folders.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from supernet.benchmarks.sealed import Unsealed, sealed, unsealed
from supernet.harness.runs.environments import NOT_RECORDED, is_environment
from supernet.harness.training.nesting import shares_many_tuples
from supernet.harness.training.oracle import Oracle
from supernet.harness.training.run import Run
from supernet.heuristics.distribution.learner import Learner
from supernet.heuristics.hooks import Method, overrides

ENTRY = ("loss", "accuracy", "learning_rate", "images", "seconds", "images_per_second")
"""Keys of the numbers that a log entry has in addition to its epoch."""


class Damage(Exception):
    """The bytes are not a complete checkpoint, or the state is not one of this run; the text says why."""


def encode(state: Mapping[str, Any]) -> bytes:
    """The bytes of a checkpoint: what `torch.save` writes, followed by its checksum."""
    content = io.BytesIO()
    torch.save(dict(state), content)
    return sealed(content.getbuffer())


def decode(data: bytes) -> dict[str, Any]:
    """The state in the bytes of a checkpoint, its tensors on the CPU.

    Raises:
        Damage: the bytes are not those that were written.
        MemoryError: there is not enough memory for the state.
    """
    try:
        archive = unsealed(data)
        if shares_many_tuples(archive):
            raise Damage("it nests tuples in a way that no training writes")
        state = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
    except (MemoryError, torch.OutOfMemoryError, Damage):
        raise
    except Unsealed as error:
        raise Damage(str(error)) from None
    except Exception as error:  # damaged bytes can lead to errors of any type
        if isinstance(error, RuntimeError) and "allocate memory" in str(error):  # torch's own MemoryError
            raise MemoryError(str(error)) from None
        raise Damage(f"it cannot be read as an archive of tensors ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise Damage("it does not hold the state of a run")
    return state


# ---- whether a state is one of a run -----------------------------------------------------------------------------


def load(state: Mapping[str, Any], run: Run) -> None:
    """Load a state into a run, after checking that it has the form that the run needs.

    The states of methods are loaded before that of the network, because methods may reshape the network.

    Raises:
        Damage: an entry is missing, or has another type, shape or type of number. The run must not be used then; it is
            unchanged only if no method has a state.
    """
    _check_progress(state, run.recipe.training.epochs)
    methods, restarted, asked = state.get("methods"), state.get("restarted"), state.get("asked")
    if not isinstance(methods, Mapping):
        raise Damage("it lacks what methods of this recipe remember")
    remembering = {name: method for name, method in run.methods.items() if overrides(method, "state_dict")}
    if any(not isinstance(methods.get(name), Mapping) for name in remembering):
        raise Damage("it lacks what a method of this recipe remembers")
    if type(restarted) is not int or not isinstance(asked, Mapping):
        raise Damage("its schedule or its ground truth is not that of a run")
    # Checkpoints of earlier versions have none.
    environments = state.get("environments", [dict(NOT_RECORDED)] if state["epoch"] else [])
    if not isinstance(environments, list) or not all(map(is_environment, environments)):
        raise Damage("its environments are not those of a run")
    if not any(_may_reshape(method) for method in run.methods.values()):
        _check_weights(state, run)
    run.context.step = state["epoch"] * run.steps_per_epoch
    for name, method in remembering.items():
        if isinstance(method, Learner):
            _check_distribution(methods[name], method)
        try:
            method.load_state_dict(methods[name], run.context)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise Damage(f"what the method {name} remembers is not its state ({type(error).__name__})") from None
    _check_weights(state, run)
    run.network.load_state_dict(state["network"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.epoch, run.log, run.restarted = state["epoch"], state["log"], restarted
    run.environments = environments
    if asked and run.oracle is None:  # the run was opened for ranking, not for further training
        run.oracle = Oracle(list(asked), lambda indices: np.array([asked[index] for index in indices.tolist()]))
    if run.oracle is not None:
        run.oracle.asked.update(asked)


def _may_reshape(method: Method) -> bool:
    """Whether loading a method's state may reshape the network, so that weights can be checked only afterwards."""
    return overrides(method, "load_state_dict") and not isinstance(method, Learner)


def _check_weights(state: Mapping[str, Any], run: Run) -> None:
    _check_tensors(state.get("network"), run.network.state_dict(), "the network")
    _check_optimiser(state.get("optimiser"), run.optimiser)


def _check_distribution(learned: Mapping[str, Any], learner: Learner) -> None:
    if not {"model", "rule", "updater"} <= learned.keys():
        raise Damage("it lacks the distribution over architectures")
    _check_tensors(learned["model"], learner.model.state_dict(), "the distribution")
    if not isinstance(learned["rule"], Mapping):
        raise Damage("the state of the rule that trains the distribution is missing")
    updater = learned["updater"]
    if not isinstance(updater, Mapping) or not isinstance(updater.get("baseline"), float | None):
        raise Damage("the baseline of the distribution is not a number")


def _check_progress(state: Mapping[str, Any], epochs: int) -> None:
    epoch, log = state.get("epoch"), state.get("log")
    if type(epoch) is not int or not 0 <= epoch <= epochs:
        raise Damage("its number of epochs is not one of this recipe")
    if not isinstance(log, list) or [e.get("epoch") for e in log if isinstance(e, dict)] != [*range(1, epoch + 1)]:
        raise Damage("its log is not that of its epochs")
    if not all(isinstance(entry.get(name), int | float) for entry in log for name in ENTRY):
        raise Damage("an entry of its log lacks a number")


def _check_tensors(found: Any, like: Mapping[str, torch.Tensor], what: str) -> None:
    if not isinstance(found, Mapping) or found.keys() != like.keys():
        raise Damage(f"the tensors of {what} are not those of this recipe")
    for name, tensor in like.items():
        _check_tensor(found[name], tensor, f"{name} of {what}")


def _check_tensor(found: Any, like: torch.Tensor, what: str) -> None:
    if not isinstance(found, torch.Tensor) or found.shape != like.shape or found.dtype != like.dtype:
        raise Damage(f"{what} has another shape or type of number than in this recipe")


def _check_optimiser(found: Any, optimiser: torch.optim.Optimizer) -> None:
    like = optimiser.state_dict()
    try:
        groups, state = found["param_groups"], found["state"]
        fits = [group["params"] for group in groups] == [group["params"] for group in like["param_groups"]]
        fits &= all(old.keys() <= new.keys() for old, new in zip(like["param_groups"], groups, strict=False))
        fits &= all(isinstance(group["lr"], float) and math.isfinite(group["lr"]) for group in groups)
        fits &= state.keys() == like["state"].keys()
        buffers = [(state[k], kept) for k, kept in like["state"].items()]
        fits &= all(new.keys() == old.keys() for new, old in buffers)
    except (KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise Damage("the state of the optimiser is not one of this recipe")
    for number, kept in like["state"].items():
        for name, tensor in kept.items():
            _check_tensor(state[number][name], tensor, f"{name} {number} of the optimiser")
