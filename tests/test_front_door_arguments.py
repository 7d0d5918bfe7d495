"""Arguments of `import supernet as sn`: one thing in place of a list of it, and values of another kind."""

import numpy as np
import pytest

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.harness.report.training.wanted import wanted

pytestmark = pytest.mark.usefixtures("embedded_alone")

TINY = {
    "task": {"name": "digits", "train_images": 60, "valid_images": 60},
    "channels": 4, "cells": 1, "epochs": 1, "training": {"batch_size": 30}, "images": 30,
}  # fmt: skip


def test_one_name_is_as_good_as_a_list_of_it(tmp_path):
    assert sn.Recipe().override("training.epochs=3") == sn.Recipe().override(["training.epochs=3"])
    for methods in ("magic-t", {"name": "magic-t"}, ["magic-t"]):
        assert [chosen.name for chosen in wanted(methods=methods).methods] == ["magic-t"]
    missing = str(tmp_path / "own.py")
    for call in (
        lambda: sn.train(plugins=missing),
        lambda: sn.study("quick", plugins=missing),
        lambda: sn.search("random", "20q", plugins=missing),
    ):
        with pytest.raises(UserError, match=r"own\.py cannot be read"):
            call()


def test_methods_ask_the_ground_truth_that_a_text_names():
    run = sn.train(**TINY, methods="magic-t", truth="digits/valid@1/s1").run
    known = sn.ground_truth("nb201", "digits/valid@1/s1")
    asked, within = run.oracle.known[:5], sn.space("nb201")
    rows = known.table.rows(within.strings(within.archs(asked)))
    np.testing.assert_array_equal(run.oracle.ask(asked), known.accuracy()[rows])
    with pytest.raises(UserError, match="no data set 'zz'"):
        sn.train(**TINY, truth="zz")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sn.Recipe().override([5]), "5 is not of the form key=value"),
        (lambda: wanted(methods=5), "methods lists 5"),
        (lambda: sn.search("random", "20q", seeds="3"), "seeds, not '3'"),
        (lambda: sn.search("random", "20q", rate="1"), "must be above 0 and finite, not '1'"),
        (lambda: sn.search("random", "20q", dataset=None), "no comparison on nb201 with None"),
        (lambda: sn.fuse([[1, 2], [2, 1]]), "a mapping of names to values, not a list of 2 items"),
        (lambda: sn.correlate({"a": 1.0}, "nb201", "digits/test@1", infinite="first"), "`infinite` is 'first'"),
    ],
)
def test_values_of_another_kind_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()
