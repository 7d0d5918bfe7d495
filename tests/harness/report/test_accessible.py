"""The pages of reports have no serious fault that axe-core finds, in light and in dark colours.

axe-core finds missing names, wrong roles and low contrast; what it does not find is not tested here.
"""

from importlib.resources import files

import pytest
from made_up_comparison import SEVENTEEN, outcome

import supernet as sn
from supernet.harness.report.search.page import page as search_page

SEVERE = ("serious", "critical")
SCHEMES = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}
"""Colours -> what axe-core is asked to test: in dark colours, nothing but the colours differs."""
QUICK = {"resultTypes": ["violations"], "preload": False, "iframes": False}
"""Pages are one file each, and faults are all that is asked about."""


@pytest.fixture(scope="module")
def axe():
    """The script of axe-core."""
    pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    return (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def severe(browser, axe):
    """The severe faults of a page: rule, and the beginning of the first element that breaks it."""

    def severe(path):
        found = []
        for scheme, what in SCHEMES.items():
            wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
            browser.get(path.as_uri())
            browser.execute_script(axe)
            said = browser.execute_async_script("axe.run(document, arguments[0]).then(arguments[1])", what | QUICK)
            found += [
                (scheme, fault["id"], fault["nodes"][0]["html"][:150])
                for fault in said["violations"]
                if fault["impact"] in SEVERE
            ]
        return found

    yield severe
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get_log("browser")


def test_a_severe_fault_is_found(severe, tmp_path):
    (tmp_path / "page.html").write_text('<html lang="en"><title>a</title><main><h1>a</h1><img src="data:,"></main>')
    assert {rule for _, rule, _ in severe(tmp_path / "page.html")} == {"image-alt"}


def test_the_page_of_a_study_is_accessible(severe, text, tmp_path):
    (tmp_path / "index.html").write_text(text, encoding="utf-8")
    assert severe(tmp_path / "index.html") == []


def test_the_page_of_a_comparison_of_searches_is_accessible(severe, tmp_path):
    text = search_page(outcome(dict(list(SEVENTEEN.items())[:6])), {})
    (tmp_path / "index.html").write_text(text, encoding="utf-8")
    assert severe(tmp_path / "index.html") == []


def test_the_page_of_a_comparison_of_scores_is_accessible(severe, compared_page):
    assert severe(compared_page) == []


def test_the_page_on_what_super_nets_add_is_accessible(without_computing, severe, tmp_path):
    sn.adds(task="digits", channels=4, cells=1, seeds=2, draws=2, resamples=20, out=tmp_path)
    assert severe(tmp_path / "report" / "index.html") == []
