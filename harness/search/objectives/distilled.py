"""The objective of MF-KD: few epochs with a teacher are the cheap answers, and a table has the expensive ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.spaces.live import live_quantity
from supernet.harness.search.ledger import added
from supernet.harness.search.objective import Answer, Objective, Query
from supernet.harness.search.objectives.training import Training
from supernet.heuristics.recipe import Recipe


@dataclass
class Distilled:
    """The `Objective` whose cheaper fidelities are trainings with distillation (Trofimov et al., MF-KD, 2020).

    The teacher is the largest architecture of the space, after the epochs of the most expensive fidelity. Its result is
    a query that is charged with the first answer which needs it; so each search has an objective of its own. This and
    the loss, which is the default of the method distil, are our choice: the authors preferred the loss `selectivity`,
    with a factor that we do not know.
    """

    full: Objective
    """Answers at the most expensive fidelity."""
    few: Training
    """Trains for the epochs of the cheaper fidelities, by a recipe that `with_teacher` gives."""
    _paid: bool = field(default=False, init=False)

    @property
    def space(self) -> SearchSpace:
        return self.full.space

    @property
    def top(self) -> int:
        return self.full.top

    def ask(self, query: Query) -> Answer:
        """Train with a teacher, or ask at the most expensive fidelity; see `Training.ask`."""
        if query.fidelity == self.top:
            return self.full.ask(query)
        answer = self.few.ask(query)
        if self._paid:
            return answer
        self._paid = True
        teacher = self.space.parse(_teacher(self.few.recipe))
        return replace(answer, cost=added(answer.cost, self.full.ask(Query(teacher, self.top)).cost))


def with_teacher(recipe: Recipe, within: SearchSpace, epochs: int) -> Recipe:
    """Return a recipe of stand-alone trainings with a teacher: the architecture with the most parameters on live edges.

    Args:
        epochs: number of epochs for which the teacher is trained.
    """
    network = recipe.network
    every = within.archs(within.every_index("a search with distillation"))
    size = live_quantity(within, "live-params", every, network.channels, network.cells)
    teacher = within.string(tuple(every[size.argmax()].tolist()))
    return recipe.override([f"methods.distil.epochs={epochs}", f"methods.distil.teacher={teacher}"])


def _teacher(recipe: Recipe) -> str:
    """Return the teacher that `with_teacher` put into a recipe."""
    (parameters,) = (dict(chosen.parameters) for chosen in recipe.methods if chosen.name == "distil")
    return str(parameters["teacher"])
