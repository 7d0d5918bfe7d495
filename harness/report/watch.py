"""What a long piece of work tells whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Done = Callable[[int, "int | None"], None]
"""Told how much is done, and how much there is in all; None while that is not known."""


class Watch:
    """Hears of the progress of a piece of work. This one says nothing; a command line has one that prints."""

    def tell(self, text: str) -> None:
        """A sentence about the work, as soon as it is known."""

    def note(self, text: str) -> None:
        """A sentence about something that the user may not expect."""
        self.tell(f"Note: {text}")

    def progress(self, what: str) -> AbstractContextManager[Done]:
        """Whom to tell of the progress of one stage."""
        return nullcontext(_silently)

    def working(self, what: str) -> AbstractContextManager[None]:
        """Around a stage of unknown length."""
        return nullcontext()


def _silently(done: int, total: int | None) -> None:
    """Hear of progress and say nothing."""


SILENT = Watch()
