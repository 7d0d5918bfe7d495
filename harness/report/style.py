"""One look for all figures: fit for a two-column paper, safe for the colour-blind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from supernet.benchmarks.files import whole

COLUMN = 3.4
"""Width of a column, inches."""
PALETTE = sns.color_palette("colorblind")
BASELINE, INK, FAINT = "0.45", "0.15", "0.75"
DENSITY = sns.color_palette("mako_r", as_cmap=True)


@contextmanager
def paper() -> Iterator[None]:
    """The style, for the figures made inside."""
    settings: Any = {
        "figure.dpi": 100,
        "savefig.dpi": 220,
        "savefig.bbox": "tight",
        "savefig.pad_inches": 0.03,
        "font.size": 8,
        "axes.labelsize": 8,
        "axes.titlesize": 8.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "lines.linewidth": 1.4,
        "axes.linewidth": 0.6,
        "grid.linewidth": 0.4,
        "svg.fonttype": "none",
        "svg.hashsalt": "supernet-study",
    }
    with mpl.rc_context(), sns.axes_style("ticks"), mpl.rc_context(settings):
        yield


def fitted(figure: Figure) -> Figure:
    """The figure with room for its labels, however it is saved or shown."""
    figure.set_layout_engine("constrained")
    return figure


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write NAME.png and NAME.svg, each whole or not at all; the same figure gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for form, metadata in (("png", None), ("svg", {"Date": None})):
        paths.append(folder / f"{name}.{form}")
        with whole(paths[-1]) as partial:
            figure.savefig(partial, format=form, metadata=metadata)
    return paths
