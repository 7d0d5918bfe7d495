"""A space that nothing but its own file knows: what works with it, and what refuses it."""

from random import Random

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from endless import Endless

from supernet.benchmarks import spaces
from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.shelf import covers, how_to_get
from supernet.benchmarks.truth.table import GroundTruth, Measure, write_table
from supernet.benchmarks.truth.verify import verify
from supernet.harness.commands.data import IMPORTERS
from supernet.harness.commands.search import search
from supernet.harness.correlation.architectures import written_architectures
from supernet.harness.correlation.files import read_scores
from supernet.harness.report.cells import draw_cell
from supernet.harness.scoring.supernet import chosen
from supernet.harness.search.algorithms.bananas import BANANAS
from supernet.harness.search.algorithms.evolution import RegularisedEvolution
from supernet.harness.search.algorithms.moves import Moves
from supernet.harness.search.algorithms.pnas import PNAS
from supernet.harness.search.algorithms.predictor import Ensemble
from supernet.harness.search.objectives.table import objective, reported
from supernet.harness.search.truths import Truths
from supernet.harness.training.oracle import Oracle
from supernet.heuristics.recipe import Recipe


@pytest.fixture
def within(monkeypatch):
    """The space, in the registry as if its file lay beside the others."""
    monkeypatch.setitem(spaces.REGISTRY, "endless", Endless)
    spaces.space.cache_clear()
    yield spaces.space("endless")
    spaces.space.cache_clear()


@pytest.fixture
def truth(within, tmp_path):
    """Thirty architectures that were measured."""
    archs = within.archs(within.sample(np.random.default_rng(0), 30))
    params = within.params(archs, 8, 2)
    columns = {**within.table_columns(archs), "digits.valid.e1.s0": np.linspace(30, 60, 30), "digits.params": params}
    about = {"space": "endless", "family": "made up", "accuracy_unit": "percent", "sample": "30 of them"}
    write_table(tmp_path / "t.parquet", columns, {**about, "channels": 8, "cells": 2, "train_images": 10})
    return GroundTruth(tmp_path / "t.parquet")


def test_its_tables_are_found_and_checked(within, truth):
    assert covers(truth, "endless")
    assert not covers(truth, "nb201")
    assert [what for what, right, _ in verify(truth) if not right] == []
    assert "supernet benchmark build" in how_to_get("endless")


def test_scores_from_elsewhere_are_joined_by_official_string(within, truth, tmp_path):
    frame = pd.DataFrame({"arch": truth.keys()[::-1], "score": np.arange(30.0)})
    frame.to_csv(tmp_path / "s.csv", index=False)
    assert read_scores(tmp_path / "s.csv", "endless", truth).rows.tolist() == list(range(29, -1, -1))
    indices = written_architectures(tmp_path / "s.csv", within)
    assert sorted(within.strings(within.archs(indices))) == sorted(truth.keys())


def test_methods_of_training_may_ask_for_what_was_measured(within, truth):
    oracle = Oracle.of_table(within, truth, Measure("digits", "valid", "1", "s0"))
    assert sorted(within.strings(within.archs(oracle.known))) == sorted(truth.keys())
    wanted = np.array([within.index(within.parse(key)) for key in truth.keys([4, 0])])
    assert oracle.ask(wanted).tolist() == truth.accuracy("digits", "valid", 1, "s0", [4, 0]).tolist()
    with pytest.raises(UserError, match="has no ground truth"):
        oracle.ask([int(max(oracle.known)) + 1])


def test_architectures_are_drawn_without_a_list_of_all(within):
    drawn = chosen(within, 200, 0)
    assert (np.diff(drawn) > 0).all()
    assert (drawn == chosen(within, 200, 0)).all()


@pytest.mark.parametrize("make", [RegularisedEvolution, BANANAS])
def test_algorithms_that_move_from_one_to_the_next_move_in_it(within, make):
    more = {"ensemble": Ensemble(networks=2, layers=1, width=4, epochs=2)} if make is BANANAS else {}
    algorithm = make(Moves(within), 0, Random(0), **more)
    for _ in range(25):
        query = algorithm.ask()
        assert within.parse(within.string(query.arch)) == query.arch
        algorithm.tell(query, float(within.params(query.arch)[0]))


def test_what_needs_every_architecture_refuses_it(within, truth, tmp_path):
    measure = Measure("digits", "valid", "1", "s0")
    for ask in (
        lambda: objective(within, truth, "digits", ("1",), "s0"),
        lambda: reported(within, truth, measure),
        lambda: Truths(within, truth, measure, tmp_path),
        lambda: within.archs(),
        lambda: within.distinct(),
    ):
        with pytest.raises(
            UserError, match=r"A space of pairs of cells has about 9e\+12 architectures, too many to list"
        ):
            ask()
    with pytest.raises(UserError, match="endless has no operation that stands for none"):
        PNAS(Moves(within), 0, Random(0))


def test_both_cells_of_an_architecture_are_drawn(within):
    axis = plt.figure().subplots()
    index = int(within.sample(np.random.default_rng(1), 1)[0])
    draw_cell(axis, within, index)
    edges = sum(len(graph.edges) for graph in within.layout(within.arch(index)))
    assert len(axis.patches) == edges
    low = [text.get_position()[1] for text in axis.texts if text.get_text() == "out"]
    assert len(set(low)) == 2
    bottom, top = axis.get_ylim()
    assert all(bottom < y < top for y in low)
    plt.close("all")


def test_names_that_commands_spell_out_are_those_of_the_registries():
    assert set(IMPORTERS) >= {official.imported_as for official in spaces.OFFICIAL.values()}
    (default,) = (option.default for option in search.params if option.name == "space")
    assert default == spaces.DEFAULT_SPACE == Recipe().space
