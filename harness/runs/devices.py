"""The devices on which runs were made, which the name of a run does not tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from supernet.benchmarks.wording import listed, quoted
from supernet.harness.runs.environments import SEPARATOR, parts
from supernet.harness.runs.store import Result


def mixture(results: Iterable[Result]) -> str | None:
    """A warning about runs on several devices; None if all were made on one.

    The same recipe has the same name on every device. A device rounds in its own way, so that training ends with other
    weights there, as it does from another seed; if the runs of one setting are on one device and those of another on
    another, their difference is also one between devices.
    """
    counts = Counter(SEPARATOR.join(parts(result.environment.get("device"))) for result in results)
    if len(counts) < 2 and all(len(parts(devices)) == 1 for devices in counts):
        return None
    found = listed(f"{quoted(device)} ({runs:,})" for device, runs in sorted(counts.items()))
    return (
        f"The runs were made on different devices: {found}. Devices round differently, so that one recipe and seed "
        "trains other weights on each: a difference between settings may be one between devices. Give runs on another "
        "device a results folder of their own."
    )
