"""What the page of a comparison of scores does in a real browser."""

from made_up_study import EVIL

from supernet.benchmarks.wording import shown
from supernet.harness.report.correlation.verdict import LONGEST


def test_the_page_of_a_comparison_folds_sorts_and_shows_architectures(browser, compared_page):
    from selenium.webdriver.support.select import Select

    def find(css):
        return browser.find_element("css selector", css)

    browser.get(compared_page.as_uri())
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
