"""The meter of a training: how many images went forward and backward through the network, and what measuring cost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass
class Counts:
    """Counts of images passed forward and backward; an image passed through a mixture of k options counts k times."""

    forward: float = 0.0
    backward: float = 0.0

    def passes(self, batch_size: int) -> float:
        """Return the counts in path passes: one path, forward and backward, for one batch of this many images.

        A forward pass counts as a third of a path pass and a backward pass as two thirds, since it costs about twice
        as much.
        """
        return (self.forward + 2 * self.backward) / (3 * batch_size)


@dataclass
class Measured(Counts):
    """What measurements in the course of a training cost."""

    seconds: float = 0.0


@dataclass
class Meter(Counts):
    """Counts of a training, and separately those of the measurements that were made meanwhile."""

    measured: Measured = field(default_factory=Measured)
    away: float = 0.0
    """Seconds by the clock that went into work whose cost is charged apart from the clock: in `charged`, or not."""
    charged: float = 0.0
    """Seconds that such work cost, whenever it was done."""

    def copy(self) -> Meter:
        """Return a copy of the present counts."""
        return replace(self, measured=replace(self.measured))
