import made_up_study
import numpy as np
import pandas as pd
import pytest
from made_up_study import EVIL, typed

from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import Measure
from supernet.harness.correlation.truth import Known, ground_truth
from supernet.harness.report.adds import made as making
from supernet.harness.report.adds import result
from supernet.harness.report.adds.made import Made
from supernet.harness.report.correlation.correlate import correlate
from supernet.harness.report.study.page import page


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return made_up_study.study(tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="module")
def text(study):
    return page(**typed(study))


@pytest.fixture(scope="session")
def compared_page(truth201, tmp_path_factory):
    """The page of a comparison of six scores, the first of which is the reverse of the truth and has an evil name."""
    rows, rng = np.arange(0, 15625, 250), np.random.default_rng(0)
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    frame = pd.DataFrame({"arch": truth201.keys(rows), EVIL: -y})
    for k in range(5):
        frame[f"s{k}"] = y + (0.1 + 5 * k) * rng.normal(size=len(y))
    known = Known("nb201", truth201, Measure("cifar10", "test", "200", "mean"))
    return correlate(frame, truth=known, resamples=20).write(tmp_path_factory.mktemp("compared") / "report")[-1]


@pytest.fixture
def without_computing(monkeypatch):
    """Reports on what super-nets add have made-up scores, and the embedded ground truth alone."""
    rng, within = np.random.default_rng(0), space("nb201")
    n = len(within)

    def made(recipe, seeds, draws, images, out, device, watch, workers):
        values = [rng.normal(size=n), rng.normal(size=(draws, n)), rng.normal(size=(len(seeds), n))]
        return Made(within, *values, 0.5, 100.0, [7.0] * len(seeds))

    monkeypatch.setattr(result, "made", made)
    known = ground_truth("nb201", "digits").table
    monkeypatch.setattr(making.shelf, "intact_tables", lambda: ([known], []))
