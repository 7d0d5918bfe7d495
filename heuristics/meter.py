"""The meter of a training: how many images went forward and backward through the network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Meter:
    """Counts of images passed forward and backward; an image passed through a mixture of k options counts k times."""

    forward: float = 0.0
    backward: float = 0.0

    def passes(self, batch_size: int) -> float:
        """Return the counts in path passes: one path, forward and backward, for one batch of this many images.

        A forward pass counts as a third of a path pass and a backward pass as two thirds, since it costs about twice
        as much.
        """
        return (self.forward + 2 * self.backward) / (3 * batch_size)

    def copy(self) -> Meter:
        """Return a copy of the present counts."""
        return Meter(self.forward, self.backward)
