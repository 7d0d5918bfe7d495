"""The folder of a run: its recipe, its log, its state, and a checkpoint of its last whole epoch."""

from __future__ import annotations

import json
import math
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place, whole, write_bytes, write_json, write_text
from supernet.benchmarks.regular import open_lock, read_plain, take_lock
from supernet.benchmarks.sealed import put_aside
from supernet.harness.runs.commit import commit
from supernet.harness.runs.environments import is_environment, joined
from supernet.harness.supernet import kernels
from supernet.harness.training import checkpoint
from supernet.harness.training.run import Run

RECIPE, LOG, CHECKPOINT, STATUS = "recipe.yaml", "log.jsonl", "checkpoint.pt", "status.json"
MEASURED = "measured.parquet"
"""Names of the files in a run folder; the last one is there if methods measured something."""


class DamagedCheckpoint(UserError):
    """The checkpoint of a run folder was altered or damaged."""


class DamagedRecord(UserError):
    """The log or the status file of a run folder was altered or damaged."""


@contextmanager
def hold(out: Path) -> Iterator[None]:
    """Keep other processes from working in the folder while the block runs.

    Raises:
        UserError: it is a file, must not be written to, or another process is working there.
    """
    check_place(out, "out", folder=True)
    out.mkdir(parents=True, exist_ok=True)
    with open_lock(out / ".lock") as lock:
        try:
            take_lock(lock, out / ".lock", wait=False)
        except BlockingIOError:
            raise UserError(
                f"Another process is working in {out}: wait until it ends, or choose another folder."
            ) from None
        yield


def holds_run(out: Path) -> bool:
    """Whether a training has begun in the folder."""
    return (out / RECIPE).exists() or (out / CHECKPOINT).exists()


def prepare(run: Run, out: Path, resume: bool) -> None:
    """Make the folder of a run or, to resume, load the checkpoint in it.

    Raises:
        UserError: the folder holds a run already, or to resume, one of another recipe.
        DamagedCheckpoint: the checkpoint is not what was written. It has been renamed, so that the next call starts
            from the beginning.
    """
    if resume:
        if (out / CHECKPOINT).exists():
            try:
                _take_over(run, out)
            except checkpoint.Damage as damage:
                aside = put_aside(out / CHECKPOINT)
                raise DamagedCheckpoint(
                    f"The checkpoint {out / CHECKPOINT} is damaged: {damage}. It is kept as {aside.name}. Nothing else "
                    "holds weights of this run, so its training starts from the beginning."
                ) from None
    elif holds_run(out):
        raise UserError(
            f"{out} holds a run already. Give --resume (`resume`) to continue it, or choose another folder."
        )
    out.mkdir(parents=True, exist_ok=True)
    run.recipe.save(out / RECIPE)
    now = [environment_of(run)] if run.epoch < run.recipe.training.epochs else []
    write_status(out, "training", run.recipe.hash, run.epoch, run.device, environments=[*run.environments, *now])


def save(run: Run, out: Path) -> None:
    """Write the checkpoint and the log, each whole or not at all."""
    state = {
        "recipe": run.recipe.hash,
        "epoch": run.epoch,
        "network": run.network.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "log": run.log,
        "environments": run.environments,
        "methods": {name: method.state_dict() for name, method in run.methods.items()},
        "restarted": run.restarted,
        "asked": run.oracle.asked if run.oracle is not None else {},
    }
    write_bytes(out / CHECKPOINT, checkpoint.encode(state))
    write_log(run, out)


def restore(run: Run, out: Path) -> None:
    """Load the checkpoint of `out` into the run.

    Raises:
        UserError: there is no checkpoint, or it belongs to another recipe.
        DamagedCheckpoint: it is not what was written; the run stays as it was.
        OSError: the file cannot be read.
    """
    try:
        _take_over(run, out)
    except checkpoint.Damage as damage:
        raise DamagedCheckpoint(
            f"The checkpoint {out / CHECKPOINT} is damaged: {damage}. Train it again with `{resume_command(out)}`, "
            "which keeps the damaged file beside the new one."
        ) from None


def _take_over(run: Run, out: Path) -> None:
    """Load the checkpoint as `restore` does.

    Raises:
        Damage: the checkpoint is damaged.
        UserError, OSError: as in `restore`.
    """
    try:
        data = read_plain(out / CHECKPOINT)
    except FileNotFoundError:
        raise UserError(
            f"{out} holds no checkpoint: no epoch of its training is finished, or {CHECKPOINT} was removed. Train it "
            f"with `{resume_command(out)}`."
        ) from None
    state = checkpoint.decode(data)
    recipe = state.get("recipe")
    if not isinstance(recipe, str):
        raise checkpoint.Damage("it does not hold the state of a run")
    if recipe != run.recipe.hash:
        raise UserError(
            f"The checkpoint in {out} belongs to another recipe ({recipe[:16]}, not {run.recipe.hash}). Resume "
            f"with {out / RECIPE}, or choose another folder."
        )
    checkpoint.load(state, run)


def resume_command(out: Path) -> str:
    """The command that continues the training of a run folder."""
    return shlex.join(["supernet", "train", str(out / RECIPE), "--out", str(out), "--resume"])


# ---- log and status ----------------------------------------------------------------------------------------------


def read_log(out: Path) -> list[dict[str, Any]]:
    """The log of a run folder, one entry per epoch.

    Raises:
        DamagedRecord: a line is not an entry.
        OSError: the file cannot be read.
    """
    path = out / LOG
    entries = []
    for number, line in enumerate(read_plain(path).splitlines(), 1):
        entry = _parsed(line)
        if not isinstance(entry, dict) or not all(_number(entry, name) for name in ("epoch", *checkpoint.ENTRY)):
            raise DamagedRecord(
                f"{path} is damaged: line {number} is not the entry of an epoch. `supernet train --resume` writes the "
                "log again from the checkpoint."
            )
        entries.append(entry)
    return entries


def write_log(run: Run, out: Path) -> None:
    """Write one line of JSON per epoch; numbers that are not finite become null."""
    finite = [{k: v if math.isfinite(v) else None for k, v in entry.items()} for entry in run.log]
    write_text(out / LOG, "".join(json.dumps(entry) + "\n" for entry in finite))


def write_measured(run: Run, out: Path) -> None:
    """Write the rows of `Run.measured` as Parquet, if there are any; columns that a method lacks are empty."""
    if run.measured:
        with whole(out / MEASURED) as partial:
            pd.DataFrame(run.measured).to_parquet(partial, write_page_checksum=True)


def read_status(out: Path) -> dict[str, Any]:
    """The status of a run folder; its keys are those that `write_status` writes.

    Raises:
        DamagedRecord: the file holds something else.
        OSError: it cannot be read.
    """
    path = out / STATUS
    status = _parsed(read_plain(path))
    if not isinstance(status, dict) or not isinstance(status.get("state"), str):
        raise DamagedRecord(
            f"{path} is damaged: it does not hold the state of a run. `supernet train --resume` writes it again."
        )
    return {"problem": None, **status}


def write_status(
    out: Path,
    state: str,
    recipe: str | None,
    epochs_done: int | None,
    device: str | torch.device,
    *,
    problem: str | None = None,
    run: str | None = None,
    environments: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write status.json, which says how far a run is.

    Args:
        state: training, trained or diverged; done or diverged for a finished run in a store.
        recipe: hash of the recipe; None for a search, which is not the training of one recipe.
        epochs_done: number of complete epochs of training, without one that diverged; None for a search.
        device: where the run is trained.
        environments: where its epochs were trained, if that is known; default: this process, on this device.
        problem: why it diverged.
        run: hash of a finished run in a store; elsewhere, the key is left out.
    """
    content = {
        "state": state,
        "recipe": recipe,
        "epochs_done": epochs_done,
        "problem": problem,
        "environment": joined(environments or [environment(device)]),
    }
    write_json(out / STATUS, content | ({"run": run} if run is not None else {}))


def _number(entry: Mapping[str, Any], name: str) -> bool:
    """Whether an entry has this number, which is null if it was not finite."""
    return name in entry and (entry[name] is None or type(entry[name]) in (int, float))


def _parsed(text: bytes) -> Any:
    """The content of a text of JSON; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def damaged_records(out: Path) -> list[str]:
    """One sentence for each damaged file among the log and the status of a run folder."""
    problems = []
    for read in (read_log, read_status):
        try:
            read(out)
        except DamagedRecord as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{error.filename} cannot be read: {error.strerror}.")
    return problems


def trained_partly(run: Run, out: Path) -> str | None:
    """A note about a run folder whose training is incomplete; None if it is complete."""
    epochs = run.recipe.training.epochs
    if run.epoch == epochs:
        return None
    try:
        diverged = read_status(out)["state"] == "diverged"
    except (OSError, DamagedRecord):
        diverged = False
    why = ", after which it diverged" if diverged else ""
    return f"the super-net has been trained for {run.epoch:,} of {epochs:,} epochs{why}"


def environment_of(run: Run) -> dict[str, Any]:
    """The environment of a run in this process, with the commit of the project."""
    return {**environment(run.device), "commit": commit()}


def environment_in(out: Path) -> dict[str, Any] | None:
    """The environments of the epochs of a run folder, joined, as its status says; None if there is no such status."""
    try:
        found = read_status(out).get("environment")
    except (OSError, DamagedRecord):
        return None
    return found if is_environment(found) else None


def environment(device: str | torch.device = "cpu") -> dict[str, Any]:
    """Versions and settings on which a result on this device may depend, in addition to the recipe.

    On a GPU, these include the versions of CUDA and cuDNN, and the settings by which torch chooses algorithms and
    precisions. The project does not change these settings.
    """
    kind = torch.device(device)
    found = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # the version is of a class that no checkpoint may hold
        "numpy": np.__version__,
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name(kind) if kind.type == "cuda" else kind.type,
        "threads": torch.get_num_threads(),
    }
    chosen = ",".join(f"{operation}={name}" for operation, name in kernels.choices(kind.type).items())
    return found | ({"kernels": chosen} if chosen else {}) | (_cuda_settings() if kind.type == "cuda" else {})


def _cuda_settings() -> dict[str, Any]:
    cudnn = torch.backends.cudnn
    return {
        "cuda": torch.version.cuda,
        "cudnn": cudnn.version(),
        "cudnn_deterministic": cudnn.deterministic,
        "cudnn_benchmark": cudnn.benchmark,
        "tf32_convolutions": cudnn.allow_tf32,
        "tf32_matrices": torch.backends.cuda.matmul.allow_tf32,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
    }


def write_tensorboard(run: Run, out: Path) -> None:
    """Write the log as TensorBoard events.

    Raises:
        UserError: the tensorboard package is not installed.
    """
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        raise UserError("TensorBoard events need the tensorboard package: pip install tensorboard.") from None
    with SummaryWriter(str(out / "tensorboard")) as writer:
        for entry in run.log:
            for name in ("loss", "accuracy", "learning_rate", "images_per_second"):
                writer.add_scalar(name, entry[name], entry["epoch"])
