"""Suggestions for misspelled keys: from a key that recipes do not have to the one that was probably meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from supernet.benchmarks.wording import listed, nearest, quoted

ALIASES = {
    "lr": "learning_rate", "rate": "learning_rate", "base_lr": "learning_rate", "init_lr": "learning_rate",
    "min_lr": "final_learning_rate", "eta_min": "final_learning_rate", "final_lr": "final_learning_rate",
    "wd": "weight_decay", "decay": "weight_decay", "l2": "weight_decay",
    "bs": "batch_size", "batch": "batch_size", "batchsize": "batch_size", "minibatch": "batch_size",
    "epoch": "epochs", "num_epochs": "epochs", "n_epochs": "epochs", "max_epochs": "epochs",
    "warmup": "warmup_epochs", "scheduler": "schedule", "lr_schedule": "schedule", "lr_scheduler": "schedule",
    "mom": "momentum", "smoothing": "label_smoothing", "grad_clip": "clip", "gradient_clip": "clip",
    "clip_grad": "clip", "max_norm": "clip", "fp16": "amp", "bf16": "amp", "mixed_precision": "amp",
    "dataset": "task.name", "data_set": "task.name", "data": "task.name", "task": "task.name",
    "image_size": "task.size", "img_size": "task.size", "resolution": "task.size", "pixels": "task.size",
    "portion": "train_portion", "training_portion": "train_portion", "train_split": "train_portion",
    "n_train": "train_images", "num_train": "train_images", "train_size": "train_images",
    "n_valid": "valid_images", "val_images": "valid_images", "validation_images": "valid_images",
    "n_test": "test_images", "test_size": "test_images",
    "c": "channels", "channel": "channels", "width": "channels", "init_channels": "channels",
    "n": "cells", "layers": "cells", "depth": "cells", "num_cells": "cells", "n_cells": "cells",
    "affine": "bn_affine", "track": "bn_track", "track_running_stats": "bn_track", "batch_norm": "bn_affine",
    "batchnorm": "bn_affine", "dynamic_channels": "channel_mode", "drop_path": "path_dropout",
    "droppath": "path_dropout", "drop_path_rate": "path_dropout", "dropout": "global_dropout",
    "sampler": "law", "sampling": "law", "path_sampling": "law", "strategy": "law", "arch": "architecture",
    "genotype": "architecture", "paths_see": "sampling.batch", "gradient": "reduce", "n_paths": "paths",
    "score_by": "metric", "eval_images": "evaluation.images", "eval_batch_size": "evaluation.batch_size",
    "search_space": "space", "random_seed": "seed", "rng": "seed", "manual_seed": "seed",
}  # fmt: skip
"""Names that are common elsewhere, in lower case with underscores -> a key, or the last part of one."""
SECTIONS = ("", "training", "task", "evaluation", "network", "sampling", "distribution")
"""The order in which sections are searched for a key that several of them have."""
SIMILAR = 0.65
"""Least similarity (difflib's ratio, from 0 to 1) of a key that is suggested, our choice."""


def unknown_key(name: str, known: Sequence[str]) -> str:
    """Return the message about a key that does not exist, with the one that was probably meant.

    Args:
        name: the key as written, with its section.
        known: all keys, with their sections.
    """
    section = name.partition(".")[0]
    within = [key for key in known if key.startswith(f"{section}.")]
    if name == section and within:
        hint = f"it is a section, which has the keys {listed(within, 40)}"
    elif meant := _meant(name[:80].lower().replace("-", "_"), known):
        hint = f"did you mean {meant}?"
    elif within:
        hint = f"the section {section} has {listed(within, 40)}"
    else:
        sections = dict.fromkeys(key.partition(".")[0] for key in known)
        hint = f"a recipe has {listed(sections)}"
    return f"there is no key {quoted(name)}; {hint}"


def _meant(name: str, known: Sequence[str]) -> str | None:
    """Find the key that was meant: one with the same last part, a common name, or a similar spelling; None if none."""
    section, _, last = name.rpartition(".")
    alias = ALIASES.get(last)
    # A common name takes precedence over a key of the same name in a section that was not asked for.
    wanted = [last] if alias is None or f"{section}.{last}" in known else [alias, last]
    for word in wanted:
        if word in known:
            return word
        same = [key for key in known if key.rpartition(".")[2] == word]
        if same:
            return min(same, key=lambda key: (_section(key) != section, SECTIONS.index(_section(key))))
    for keys in ([key for key in known if _section(key) == section], list(known)):
        by_last = {key.rpartition(".")[2]: key for key in reversed(keys)}
        near = nearest(last, by_last) if last else None
        if near and _close(last, near):
            return by_last[near]
    return None


def _section(key: str) -> str:
    """Return the section of a key, empty for a key outside of sections."""
    return key.rpartition(".")[0]


def _close(name: str, other: str) -> bool:
    """Tell whether two spellings are similar enough to suggest one for the other."""
    return SequenceMatcher(None, name, other).ratio() >= SIMILAR
