"""The tree-structured Parzen estimator, through Optuna."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.ask import Query
from supernet.harness.search.algorithms.moves import Moves


class TPE:
    """Proposes options that are more frequent among good observations than among others (Bergstra et al., 2011).

    This is Optuna's sampler with its defaults: 10 random architectures first, then the best of 24 candidates; the best
    tenth of the observations, at most 25, are the good ones. It may propose an architecture again.

    Args:
        startup: number of random architectures at the start.
        candidates: number of candidates from which the best is proposed.
        multivariate: whether all decisions are estimated jointly instead of independently, as in the paper. The default
            of Optuna 5 is True and that of Optuna 4 is False, so that this is always passed. Jointly, TPE finds better
            cells of NAS-Bench-201.
        start: the first architectures, in place of random ones.
    """

    def __init__(
        self,
        moves: Moves,
        top: int,
        rng: Random,
        startup: int = 10,
        candidates: int = 24,
        multivariate: bool = False,
        start: Iterable[Arch] = (),
    ) -> None:
        try:
            import optuna
        except ImportError:
            raise UserError("TPE needs Optuna: pip install 'supernet-study[tpe]'.") from None
        # Optuna logs every new study, and every search makes one.
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=startup, n_ei_candidates=candidates, multivariate=multivariate, seed=rng.getrandbits(32)
        )
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._names = [decision.name for decision in moves.space.decisions]
        self._options: dict[str, optuna.distributions.BaseDistribution] = {
            name: optuna.distributions.CategoricalDistribution(range(k))
            for name, k in zip(self._names, moves.options, strict=True)
        }
        self._top, self._start = top, iter(start)

    def ask(self) -> Query:
        given = next(self._start, None)
        if given is not None:
            self._study.enqueue_trial(dict(zip(self._names, given, strict=True)))
        self._trial = self._study.ask(self._options)
        return Query(tuple(self._trial.params[name] for name in self._names), self._top)

    def tell(self, query: Query, value: float) -> None:
        self._study.tell(self._trial, value)
