"""CTNAS: a policy learns to beat a baseline, as a network says that compares architectures."""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.adam import Adam
from supernet.harness.search.algorithms.ask import Query
from supernet.harness.search.algorithms.comparator import Comparator, Settings, probability
from supernet.harness.search.algorithms.moves import Moves, unseen


class CTNAS:
    """Learns a policy by the probability that its architectures beat a baseline (Chen et al., CTNAS, CVPR 2021).

    From the paper: a `Comparator` learns from pairs of known architectures; a policy is trained by REINFORCE, whose
    reward is the comparator's probability that an architecture is better than the baseline; at times the baseline is
    replaced by the winner of a round robin among architectures of the policy and earlier baselines, since comparisons
    need not be transitive. All architectures with known accuracies are queries, which are charged.

    Our choice: the numbers below and the sizes of the comparator; the policy has independent decisions, not an LSTM;
    the labels come in rounds, so that the search can use any budget: after a random round, each one queries the
    architectures of the policy that most probably beat the baseline, and the comparator is fitted again. There are no
    pseudo-labels. No architecture is queried twice until the whole space has been.

    Args:
        initial: number of random architectures at the start.
        per_round: number of queries of a round.
        steps: number of steps of the policy in a round.
        samples: number of architectures of a step.
        patience: number of steps after which the baseline is chosen again.
        rate: learning rate of the policy.
        entropy: weight of the policy's entropy in its reward.
        most: largest number of known architectures whose pairs the comparator is fitted to, at random beyond it: the
            time of a fit grows with its square.
    """

    def __init__(
        self,
        moves: Moves,
        top: int,
        rng: Random,
        initial: int = 20,
        per_round: int = 10,
        steps: int = 40,
        samples: int = 20,
        patience: int = 10,
        rate: float = 0.1,
        entropy: float = 0.01,
        most: int = 300,
        comparator: Settings = Settings(),  # noqa: B008  frozen
    ) -> None:
        import torch  # takes seconds, which a list of the algorithms need not wait for

        self._moves, self._top, self._rng = moves, top, rng
        self._initial, self._per_round, self._samples = initial, per_round, samples
        self._steps, self._patience, self._rate, self._entropy = steps, patience, rate, entropy
        self._most = most
        self._numbers = np.random.default_rng(rng.getrandbits(63))
        self._comparator = Comparator(moves.space, comparator, torch.Generator().manual_seed(rng.getrandbits(63)))
        self._seen: dict[Arch, float] = {}
        self._baselines: list[Arch] = []
        self._queue: list[Arch] = []

    def ask(self) -> Query:
        if not self._queue:
            self._queue = self._round() if len(self._seen) > 1 else self._random(max(2, self._initial))
        return Query(self._queue.pop(0), self._top)

    def tell(self, query: Query, value: float) -> None:
        self._seen[query.arch] = value

    def _random(self, count: int) -> list[Arch]:
        best = max(self._seen, key=self._seen.__getitem__, default=None)
        drawn = unseen(self._moves, self._seen, count, self._rng)
        return drawn or ([] if best is None else [best])

    def _round(self) -> list[Arch]:
        """Return the new architectures that most probably beat the baseline, as the policy draws them."""
        if len(self._seen) >= len(self._moves.space):
            return self._random(1)
        known = list(self._seen)
        if len(known) > self._most:
            known = self._rng.sample(known, self._most)
        self._comparator.fit(known, [self._seen[arch] for arch in known])
        drawn = [arch for arch in self._drawn_by_policy() if arch not in self._seen]
        if not drawn:
            return self._random(self._per_round)
        chances = self._beats(drawn, self._baselines[-1])
        order = np.argsort(-chances, kind="stable").tolist()
        return [drawn[place] for place in order[: self._per_round]]

    def _drawn_by_policy(self) -> list[Arch]:
        """Train a new policy; return the distinct architectures that it drew."""
        logits = [np.zeros(options) for options in self._moves.options]
        adam, drawn = Adam(logits, self._rate), dict[Arch, None]()
        self._baselines = [max(self._seen, key=self._seen.__getitem__)]
        for step in range(self._steps):
            chances = [np.exp(row - row.max()) / np.exp(row - row.max()).sum() for row in logits]
            columns = [self._numbers.choice(len(row), self._samples, p=row) for row in chances]
            archs: list[Arch] = list(zip(*(column.tolist() for column in columns), strict=True))
            drawn |= dict.fromkeys(archs)
            if step % self._patience == self._patience - 1:
                self._baselines.append(self._winner(archs))
            reward = self._beats(archs, self._baselines[-1])
            adam.step([self._slope(p, c, reward - reward.mean()) for p, c in zip(chances, columns, strict=True)])
        return list(drawn)

    def _slope(
        self, chances: NDArray[np.float64], drawn: NDArray[np.int64], advantage: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the gradient of the loss with respect to the logits of a decision: (options,)."""
        taken = np.eye(len(chances))[drawn]
        surprise = -np.log(chances + 1e-12)
        return -(advantage @ (taken - chances)) / len(drawn) - self._entropy * chances * (surprise - chances @ surprise)

    def _winner(self, archs: list[Arch]) -> Arch:
        """Return the architecture that most probably beats the others of a round robin with earlier baselines."""
        rivals = list(dict.fromkeys([*self._baselines, *archs]))
        sides = self._comparator.sides(rivals)
        return rivals[int(np.argmax(probability(sides, sides).mean(axis=1)))]

    def _beats(self, archs: list[Arch], baseline: Arch) -> NDArray[np.float64]:
        """Return the probability that each architecture is better than the baseline: (archs,)."""
        sides = self._comparator.sides([*archs, baseline])
        return probability(sides[:-1], sides[-1:])[:, 0]
