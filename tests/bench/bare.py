"""What the scripts for a GPU share. They need torch, NumPy and pandas alone."""

import subprocess
from pathlib import Path

import torch

from supernet.benchmarks.tasks.task import Split, Task
from supernet.heuristics.recipe import from_dict

ROOT = Path(__file__).resolve().parents[2]


def recipe(changes):
    """A recipe from keys with their sections, such as {"network.channels": 16}; it is made without YAML."""
    content = {}
    for name, value in changes.items():
        section, _, key = name.rpartition(".")
        (content.setdefault(section, {}) if section else content)[key] = value
    return from_dict(content)


def noise_task(size, images):
    """A task with random images and labels, which cost what real ones do; its splits are the same images."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (images, 3, size, size), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (images,), generator=generator)
    split = Split(pixels.to(memory_format=torch.channels_last), labels)
    return Task("noise", 10, split, split, split, (0.5,) * 3, (0.25,) * 3, 4, True)


def synchronise(device):
    """Wait until a device has done its work."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def commit():
    """The commit of the project, with a + if files differ from it; None outside a clone."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
