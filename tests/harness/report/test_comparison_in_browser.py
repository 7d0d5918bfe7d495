"""What the page of a comparison of scores does in a real browser."""

import numpy as np
import pandas as pd
from made_up_study import EVIL

from supernet.benchmarks.truth.table import Measure
from supernet.benchmarks.wording import shown
from supernet.harness.correlation.truth import Known
from supernet.harness.report.correlation.correlate import correlate
from supernet.harness.report.correlation.verdict import LONGEST


def test_the_page_of_a_comparison_folds_sorts_and_shows_architectures(browser, tmp_path, truth201):
    from selenium.webdriver.support.select import Select

    def find(css):
        return browser.find_element("css selector", css)

    rows, rng = np.arange(0, 15625, 250), np.random.default_rng(0)
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    frame = pd.DataFrame({"arch": truth201.keys(rows), EVIL: -y})
    for k in range(5):
        frame[f"s{k}"] = y + (0.1 + 5 * k) * rng.normal(size=len(y))
    known = Known("nb201", truth201, Measure("cifar10", "test", "200", "mean"))
    path = correlate(frame, truth=known, resamples=20).write(tmp_path / "report")[-1]
    browser.get(path.as_uri())
    assert find("#plot").get_attribute("data-label") == shown(EVIL, LONGEST)
    Select(find("#run")).select_by_value("score-2")
    assert find("#plot").get_attribute("data-points") == "63"
    assert "run=score-2" in browser.current_url
    assert not find("#effects thead .more").is_displayed()
    find("#columns").click()
    assert find("#effects thead .more").is_displayed()
    find("#effects thead th:nth-child(2) button").click()
    find("#effects thead th:nth-child(2) button").click()
    assert find("#effects tbody tr th").text == shown(EVIL, LONGEST)
    assert browser.get_log("browser") == []
