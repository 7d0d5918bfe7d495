import shutil

import made_up_study
import pytest
from made_up_study import typed

from supernet.harness.report.study.page import page


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return made_up_study.study(tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="module")
def text(study):
    return page(**typed(study))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    binaries = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in binaries.items() if path is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} on this machine: the page is not tested in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = binaries["chromium"]
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(binaries["chromedriver"]))
    yield driver
    driver.quit()
