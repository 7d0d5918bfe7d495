"""The folder of a run: its recipe, its log, its state, and a checkpoint of its last whole epoch."""

from __future__ import annotations

import fcntl
import io
import json
import math
import platform
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.errors import UserError
from benchmarks.files import write_json, write_text

if TYPE_CHECKING:
    from harness.train import Run

RECIPE, LOG, CHECKPOINT, STATUS = "recipe.yaml", "log.jsonl", "checkpoint.pt", "status.json"


class DamagedCheckpoint(UserError):
    """A checkpoint that cannot be read."""


@contextmanager
def hold(out: Path) -> Iterator[None]:
    """Keep other processes from working in the folder.

    Raises:
        UserError: one does.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"Another process works in {out}: wait for its end, or choose another folder.") from None
        yield


def prepare(run: Run, out: Path, resume: bool) -> None:
    """Make the folder; or, to resume, load the checkpoint that it has.

    Raises:
        UserError: it holds a run already, or one of another recipe.
        DamagedCheckpoint: the checkpoint cannot be read.
    """
    checkpoint = out / CHECKPOINT
    if resume:
        if checkpoint.exists():
            restore(run, out)
    elif (out / RECIPE).exists():
        raise UserError(f"{out} holds a run already. Give --resume to go on with it, or choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    run.recipe.save(out / RECIPE)
    write_status(out, "training", run)


def save(run: Run, out: Path) -> None:
    """Write the checkpoint and the log, each whole or not at all."""
    state = {
        "recipe": run.recipe.hash,
        "epoch": run.epoch,
        "network": run.network.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "log": run.log,
    }
    if run.learner is not None:
        state["distribution"] = run.learner.state_dict()
    content = io.BytesIO()  # writing to a file itself, torch does not say why it cannot
    torch.save(state, content)
    partial = out / f".{CHECKPOINT}.partial"
    partial.write_bytes(content.getbuffer())
    partial.replace(out / CHECKPOINT)
    write_log(run, out)


def restore(run: Run, out: Path) -> None:
    """Load the checkpoint of `out` into the run."""
    try:
        with zipfile.ZipFile(out / CHECKPOINT) as archive:  # torch itself does not compare the checksums
            if altered := archive.testzip():
                raise zipfile.BadZipFile(altered)
        state = torch.load(out / CHECKPOINT, map_location=run.device, weights_only=True)
        recipe = state["recipe"]
    except FileNotFoundError:
        raise UserError(f"{out} holds no checkpoint.") from None
    except (OSError, MemoryError, torch.OutOfMemoryError):  # which say nothing of the checkpoint
        raise
    except Exception as error:  # whatever damaged bytes lead to
        raise DamagedCheckpoint(
            f"The checkpoint {out / CHECKPOINT} is damaged ({type(error).__name__}). Delete it and train again."
        ) from None
    if recipe != run.recipe.hash:
        raise UserError(
            f"The checkpoint in {out} belongs to another recipe ({recipe}, not {run.recipe.hash}). Resume "
            f"with {out / RECIPE}, or choose another folder."
        )
    run.network.load_state_dict(state["network"])
    run.optimiser.load_state_dict(state["optimiser"])
    if run.learner is not None:
        run.learner.load_state_dict(state["distribution"])
    run.epoch, run.log = state["epoch"], state["log"]


def read_log(out: Path) -> list[dict[str, Any]]:
    """The log of a run folder, one entry per epoch."""
    return [json.loads(line) for line in (out / LOG).read_text(encoding="utf-8").splitlines()]


def write_log(run: Run, out: Path) -> None:
    """Write one line of JSON per epoch; a figure that is not finite is null."""
    finite = [{k: v if math.isfinite(v) else None for k, v in entry.items()} for entry in run.log]
    write_text(out / LOG, "".join(json.dumps(entry) + "\n" for entry in finite))


def write_status(out: Path, state: str, run: Run, problem: str | None = None) -> None:
    """Write whether the run is training, trained or diverged, and why."""
    content = {
        "state": state,
        "recipe": run.recipe.hash,
        "epochs_done": run.epoch,
        "environment": environment(run.device),
    }
    write_json(out / STATUS, content | ({"problem": problem} if problem else {}))


def trained_partly(run: Run, out: Path) -> str | None:
    """What to say of a run folder whose training did not reach its end; None where it did."""
    epochs = run.recipe.training.epochs
    if run.epoch == epochs:
        return None
    try:
        diverged = json.loads((out / STATUS).read_text(encoding="utf-8"))["state"] == "diverged"
    except (OSError, ValueError, KeyError):
        diverged = False
    why = ", after which it diverged" if diverged else ""
    return f"the super-net has been trained for {run.epoch:,} of {epochs:,} epochs{why}"


def environment(device: str | torch.device = "cpu") -> dict[str, Any]:
    """What a result made on this device may depend on beside its recipe."""
    kind = torch.device(device)
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name(kind) if kind.type == "cuda" else kind.type,
        "threads": torch.get_num_threads(),
    }


def write_tensorboard(run: Run, out: Path) -> None:
    """Write the log as TensorBoard events."""
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        raise UserError("TensorBoard events need the tensorboard package: pip install tensorboard.") from None
    with SummaryWriter(str(out / "tensorboard")) as writer:
        for entry in run.log:
            for name in ("loss", "accuracy", "learning_rate", "images_per_second"):
                writer.add_scalar(name, entry[name], entry["epoch"])
