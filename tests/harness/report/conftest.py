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
