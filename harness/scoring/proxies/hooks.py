"""Forward hooks on all modules of one kind, which are removed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

Hook = Callable[[Any, tuple[Tensor, ...], Tensor], Tensor | None]
"""Called with a module, its inputs and its output; a tensor that it returns replaces the output."""


@contextmanager
def hooked(network: nn.Module, kind: type[nn.Module] | tuple[type[nn.Module], ...], hook: Hook) -> Iterator[None]:
    """Calls a hook whenever a module of this kind, or of one of several, has computed, until the context is left."""
    handles = [module.register_forward_hook(hook) for module in network.modules() if isinstance(module, kind)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
