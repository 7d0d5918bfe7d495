"""Ground truth that the project measures itself: stand-alone training of a sample of a space on the digits task.

One training is one architecture and seed, and leaves one small file; what is there already is not trained again.
On one machine, with one version of torch, a training gives the same numbers every time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.errors import UserError
from benchmarks.spaces import NB201, NB1Shot1, SearchSpace, space
from benchmarks.tasks.digits import DigitsRecipe
from benchmarks.truth.shelf import EMBEDDED
from benchmarks.truth.table import GroundTruth, Measure, write_table
from benchmarks.versions import DIGITS_VERSION
from harness.workers import begin
from heuristics import recipe as recipes
from heuristics.recipe import Recipe


@dataclass(frozen=True)
class Benchmark:
    """What is trained to make one table."""

    name: str
    space: str
    among: str
    """The subset of the space that is sampled from."""
    architectures: int
    seeds: tuple[int, ...]
    recipe: Recipe
    """How each is trained; architecture and seed are put in."""

    @property
    def within(self) -> SearchSpace:
        return space(self.space)

    def indices(self) -> NDArray[np.int64]:
        """The sampled architectures in ascending order: (architectures,)."""
        members = self.within.subset(self.among)
        if not 1 <= self.architectures <= len(members):
            raise UserError(
                f"{self.name} asks for {self.architectures:,} architectures of {self.among}: it has {len(members):,}."
            )
        return np.sort(self.within.sample(np.random.default_rng(0), self.architectures, among=members))

    def spec(self, index: int, seed: int) -> Recipe:
        """The recipe of one training."""
        content = self.recipe.as_dict()
        content["seed"] = seed
        content["sampling"] |= {"law": "fixed", "architecture": self.within.string(self.within.arch(index))}
        return recipes.from_dict(content)


def load(name: str) -> Benchmark:
    """The benchmark of this name, or of a YAML file.

    Raises:
        UserError: there is none; or the file is not one.
    """
    path = Path(name) if name.endswith(".yaml") else EMBEDDED / f"{name}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise UserError(f"There is no embedded benchmark {name!r}; there are {', '.join(names())}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is not a YAML file: {' '.join(str(error).split())}") from None
    wanted = {"space": str, "among": str, "architectures": int, "seeds": list, "recipe": dict}
    given = content if isinstance(content, dict) else {}
    wrong = [key for key in wanted if not isinstance(given.get(key), wanted[key])]
    if wrong or set(given) - set(wanted):
        raise UserError(
            f"{path} is no benchmark: {', '.join(wrong or sorted(set(given) - set(wanted)))} "
            f"{'missing or of another kind' if wrong else 'unknown'}. It has the keys "
            f"{', '.join(f'{key} ({kind.__name__})' for key, kind in wanted.items())} and no others."
        )
    base = recipes.from_dict({"space": given["space"], **given.pop("recipe")})
    return Benchmark(name=path.stem, recipe=base, **{**given, "seeds": tuple(given["seeds"])})


def names() -> list[str]:
    """The benchmarks that ship with the project."""
    return sorted(path.stem for path in EMBEDDED.glob("*.yaml"))


def build(
    benchmark: Benchmark, folder: Path, *, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Train what is missing and write the table: NAME.parquet in `folder`.

    Args:
        folder: also holds a file for each training, so that an interrupted build goes on.
        workers: processes, each with one thread.
        progress: called with trainings done and in all.
    """
    done = folder / benchmark.name
    done.mkdir(parents=True, exist_ok=True)
    jobs = [(index, seed) for seed in benchmark.seeds for index in benchmark.indices().tolist()]
    missing = [job for job in jobs if result_of(done, benchmark, *job) is None]
    before = len(jobs) - len(missing)
    problems = train_all(benchmark, missing, done, workers, progress and (lambda n, _: progress(before + n, len(jobs))))
    if problems:
        raise UserError(f"{len(problems)} training(s) cannot be in a table. {problems[0]}")
    return assemble(benchmark, folder)


def train_all(
    benchmark: Benchmark,
    jobs: Sequence[tuple[int, int]],
    done: Path,
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Train architectures (index, seed), each in its file in the folder `done`.

    Returns:
        What is wrong with those that diverged, which stop no others.
    """
    done.mkdir(parents=True, exist_ok=True)
    problems = []
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=begin, initargs=(os.getpid(),)
    ) as pool:
        futures = [pool.submit(measure, benchmark, *job, done) for job in jobs]
        try:
            for count, future in enumerate(as_completed(futures), 1):
                try:
                    future.result()
                except UserError as problem:
                    problems.append(str(problem))
                if progress:
                    progress(count, len(jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return problems


def measure(benchmark: Benchmark, index: int, seed: int, done: Path) -> None:
    """Train one architecture with one seed and leave its results in the folder `done`."""
    from benchmarks.files import write_json
    from harness.rank import rank
    from harness.study.run import task_of
    from harness.train import Diverged, train

    recipe = benchmark.spec(index, seed)
    started = time.process_time()
    try:
        run = train(recipe, task=task_of(recipe.task))
    except Diverged as problem:
        raise UserError(f"{benchmark.name}, architecture {index}, seed {seed}: {problem}") from None
    seconds = time.process_time() - started
    scores = {}
    for name, images in (("valid", run.task.valid), ("test", run.task.test)):
        protocol = replace(run.recipe.evaluation, images=len(images))
        scores[name] = float(rank(run, [index], images=images, evaluation=protocol).accuracy[0])
    result = {"recipe": recipe.hash, "index": index, "seed": seed, "train_seconds": round(seconds, 3), **scores}
    write_json(_path(done, index, seed), result)


def assemble(benchmark: Benchmark, folder: Path) -> Path:
    """The table of all results in the folder.

    Raises:
        UserError: a training is missing.
    """
    indices = benchmark.indices()
    found: dict[tuple[int, int], Mapping[str, Any]] = {}
    for seed in benchmark.seeds:
        for index in indices.tolist():
            result = result_of(folder / benchmark.name, benchmark, index, seed)
            if result is None:
                raise UserError(
                    f"{benchmark.name} lacks architecture {index} with seed {seed}: run `supernet benchmark build "
                    f"{benchmark.name} --out {folder}`."
                )
            found[index, seed] = result
    within, recipe = benchmark.within, benchmark.recipe
    archs = within.archs(indices)
    columns: dict[str, Any] = {"arch": [within.string(arch) for arch in archs.tolist()]}
    if isinstance(within, NB1Shot1):
        columns = {"hash": within.hashes(indices).tolist(), "spelling": columns["arch"]}
    dataset, epochs = recipe.task.name, str(recipe.training.epochs)
    for split in ("valid", "test"):
        by_seed = {s: np.array([found[i, s][split] for i in indices.tolist()]) for s in benchmark.seeds}
        columns[Measure(dataset, split, epochs, "mean").column] = np.mean(list(by_seed.values()), axis=0)
        columns |= {Measure(dataset, split, epochs, f"s{s}").column: values for s, values in by_seed.items()}
    params, flops = costs(recipe, indices)
    columns |= {f"{dataset}.params": params, f"{dataset}.flops": flops}
    seconds = [[found[i, s]["train_seconds"] for s in benchmark.seeds] for i in indices.tolist()]
    columns[f"{dataset}.train_seconds.e{epochs}"] = np.mean(seconds, axis=1)
    from harness.run_folder import environment

    about = {
        "space": benchmark.space,
        "family": f"embedded {benchmark.name}",
        "accuracy_unit": "percent",
        "source": "measured by this project with `supernet benchmark build`",
        "digits_version": DIGITS_VERSION,
        "recipe": recipe.as_dict(),
        "sample": f"{benchmark.architectures} of the subset {benchmark.among}, uniformly",
        "environment": environment(),
    }
    path = folder / f"{benchmark.name}.parquet"
    write_table(path, columns, about)
    return path


def costs(recipe: Recipe, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Parameters and multiply-accumulates of the stand-alone networks of a recipe with ten classes: (n,) each."""
    within, n = space(recipe.space), recipe.network
    size = recipe.task.size or DigitsRecipe.size
    archs = within.archs(indices)
    if isinstance(within, NB201):
        return (
            within.params(archs, "cifar10", n.channels, n.cells),
            within.flops(archs, "cifar10", n.channels, n.cells, size),
        )
    assert isinstance(within, NB1Shot1)
    cells = within.cells(archs)
    return cells.params(n.channels, n.cells), cells.flops(n.channels, n.cells, size=size)


def agreement(table: GroundTruth, dataset: str, split: str, epochs: str) -> dict[str, float]:
    """What the choice of a task and budget is judged by: spread of accuracies, and taus between seeds and of size."""
    from itertools import combinations

    from harness.metrics import kendall_tau, true_top

    mean = table.accuracy(dataset, split, epochs, "mean")
    seeds = [table.accuracy(dataset, split, epochs, seed) for seed in table.seeds(dataset, split, epochs)]
    top = true_top(mean, 0.25)
    low, quarter, median, three, high = np.quantile(mean, [0, 0.25, 0.5, 0.75, 1])
    return {
        "tau between seeds": float(np.mean([kendall_tau(a, b) for a, b in combinations(seeds, 2)])),
        "tau between seeds, top quarter": float(
            np.mean([kendall_tau(a[top], b[top]) for a, b in combinations(seeds, 2)])
        ),
        "tau of parameter count": kendall_tau(table.params(dataset).astype(float), mean),
        "tau of FLOPs": kendall_tau(table.flops(dataset).astype(float), mean),
        "lowest accuracy": float(low),
        "first quartile": float(quarter),
        "median": float(median),
        "third quartile": float(three),
        "highest accuracy": float(high),
    }


def _path(done: Path, index: int, seed: int) -> Path:
    return done / f"{index}-s{seed}.json"


def result_of(done: Path, benchmark: Benchmark, index: int, seed: int) -> Mapping[str, Any] | None:
    """A training's result; None where there is none whole, or only that of another recipe."""
    wanted = {"recipe", "index", "seed", "train_seconds", "valid", "test"}
    try:
        result: Any = json.loads(_path(done, index, seed).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(result, dict) and wanted <= set(result)
    return result if whole and result["recipe"] == benchmark.spec(index, seed).hash else None
