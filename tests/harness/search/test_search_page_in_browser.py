"""What the page of a comparison of searches does in a real browser."""

import made_up_comparison
import pytest
from made_up_comparison import SEVENTEEN

from supernet.harness.report.search.page import page


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(page(made_up_comparison.outcome(SEVENTEEN), {}), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """The page, fresh; afterwards the browser's log must be empty."""
    size(browser, 1400)
    browser.get("about:blank")
    browser.get(address)
    yield browser
    assert browser.get_log("browser") == []


def size(browser, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def names(browser):
    return [e.text for e in browser.find_elements("css selector", "#table tbody code")]


@pytest.mark.parametrize("width", [360, 900, 1400])
def test_the_page_never_scrolls_sideways(opened, width):
    size(opened, width)
    opened.execute_script("for (const one of document.querySelectorAll('details')) one.open = true;")
    assert opened.execute_script("return document.documentElement.scrollWidth") == width
    assert width != 1400 or opened.execute_script(
        "return [...document.querySelectorAll('.scroll')].every((one) => one.scrollWidth <= one.clientWidth)"
    )


def test_a_click_sorts_and_the_best_stand_first_before_it(opened):
    before = names(opened)
    heads = opened.find_elements("css selector", "#table th[aria-sort]")
    assert [head.get_attribute("aria-sort") for head in heads[:3]] == ["none", "none", "descending"]
    heads[2].find_element("css selector", "button").click()
    assert heads[2].get_attribute("aria-sort") == "ascending"
    assert names(opened) == before[::-1]


def test_further_columns_are_shown_when_they_are_asked_for(opened):
    rank = next(
        e
        for e in opened.find_elements("css selector", "#table thead th.more")
        if "Rank" in e.get_attribute("textContent")
    )
    assert not rank.is_displayed()
    opened.find_element("css selector", "#columns").click()
    assert rank.is_displayed()
    assert "columns=all" in opened.current_url
    opened.refresh()
    assert opened.find_element("css selector", "#columns").is_selected()
