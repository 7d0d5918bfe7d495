"""Rank disorder in weight-sharing neural architecture search, measured against real ground truth.

    import supernet as sn

    run = sn.train(task="digits", channels=4, cells=1, epochs=2)
    report = sn.correlate(run.rank(100))
    report.plot().savefig("tau.png")

Every name is imported when it is first used, so that `import supernet` takes no time.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers understand it, without the import of typing
if TYPE_CHECKING:
    from typing import Any

    from supernet.benchmarks.errors import UserError
    from supernet.benchmarks.spaces import space
    from supernet.harness.correlation.truth import ground_truth
    from supernet.harness.query.ask import query
    from supernet.harness.report.across.result import compare_studies
    from supernet.harness.report.adds.result import adds
    from supernet.harness.report.correlation.baselines import baselines
    from supernet.harness.report.correlation.correlate import correlate
    from supernet.harness.report.correlation.ranked import rank
    from supernet.harness.report.free.comparison import compare_free
    from supernet.harness.report.free.fused import fused
    from supernet.harness.report.free.scores import free_scores
    from supernet.harness.report.interference.compared import compare_interference
    from supernet.harness.report.interference.result import interference
    from supernet.harness.report.leaderboard.result import leaderboard
    from supernet.harness.report.search.result import search
    from supernet.harness.report.study.result import study
    from supernet.harness.report.training.trained import train
    from supernet.harness.scoring.angle import Angle
    from supernet.harness.scoring.scorer import score, side_by_side
    from supernet.harness.scoring.shifting import Shifted
    from supernet.harness.scoring.tse import TSE
    from supernet.harness.statistics.fusion import fuse
    from supernet.heuristics.catalogue import heuristic
    from supernet.heuristics.hooks import Context, Method, Output
    from supernet.heuristics.recipe import Recipe
    from supernet.heuristics.registry import method
    from supernet.heuristics.routes import Path

    __version__: str

_PLACES = {
    "train": "harness.report.training.trained",
    "rank": "harness.report.correlation.ranked",
    "correlate": "harness.report.correlation.correlate",
    "adds": "harness.report.adds.result",
    "baselines": "harness.report.correlation.baselines",
    "interference": "harness.report.interference.result",
    "compare_interference": "harness.report.interference.compared",
    "leaderboard": "harness.report.leaderboard.result",
    "score": "harness.scoring.scorer",
    "free_scores": "harness.report.free.scores",
    "compare_free": "harness.report.free.comparison",
    "fuse": "harness.statistics.fusion",
    "fused": "harness.report.free.fused",
    "side_by_side": "harness.scoring.scorer",
    "Angle": "harness.scoring.angle",
    "TSE": "harness.scoring.tse",
    "Shifted": "harness.scoring.shifting",
    "study": "harness.report.study.result",
    "compare_studies": "harness.report.across.result",
    "search": "harness.report.search.result",
    "query": "harness.query.ask",
    "ground_truth": "harness.correlation.truth",
    "space": "benchmarks.spaces",
    "Recipe": "heuristics.recipe",
    "method": "heuristics.registry",
    "heuristic": "heuristics.catalogue",
    "Method": "heuristics.hooks",
    "Output": "heuristics.hooks",
    "Path": "heuristics.routes",
    "Context": "heuristics.hooks",
    "UserError": "benchmarks.errors",
}
"""Name -> the module that has it."""

__all__ = [
    "TSE", "Angle", "Context", "Method", "Output", "Path", "Recipe", "Shifted", "UserError", "__version__", "adds",
    "baselines", "compare_free", "compare_interference", "compare_studies", "correlate", "free_scores", "fuse", "fused",
    "ground_truth", "heuristic", "interference", "leaderboard", "method", "query", "rank", "score", "search",
    "side_by_side", "space", "study", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    import importlib

    if name == "__version__":
        value: Any = _version()
    elif name in _PLACES:
        value = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def _version() -> str:
    """The version that is installed; in a clone that is not, the one that its project file says."""
    import re
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path

    try:
        return version("supernet-study")
    except PackageNotFoundError:
        pass
    try:
        text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    return found[1] if found else "0+unknown"
