"""Ground truth that the project measures itself: stand-alone training of a sample of a space on the digits task.

A training is of one architecture with one seed, and writes one small file. What has been trained is not trained again.
On one machine, with one version of torch, a training gives the same numbers every time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import replace, write_json
from supernet.benchmarks.plain_yaml import read_yaml
from supernet.benchmarks.regular import open_plain
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.tasks.digits import DigitsRecipe
from supernet.benchmarks.truth.shelf import EMBEDDED
from supernet.benchmarks.truth.table import GroundTruth, Measure, write_table
from supernet.benchmarks.truth.training import Training
from supernet.benchmarks.versions import DIGITS_VERSION
from supernet.benchmarks.wording import listed, nearest, quoted
from supernet.harness.runs.workers import begin
from supernet.heuristics import recipe as recipes
from supernet.heuristics.ranges import MOST_SEED
from supernet.heuristics.recipe import Recipe


@dataclass(frozen=True)
class Benchmark:
    """The trainings that make one table."""

    name: str
    space: str
    among: str
    """The subset of the space that is sampled from, or `all`."""
    architectures: int
    seeds: tuple[int, ...]
    recipe: Recipe
    """How each architecture is trained; `spec` fills in the architecture and the seed."""

    @property
    def within(self) -> SearchSpace:
        return space(self.space)

    def indices(self) -> NDArray[np.int64]:
        """The sampled architectures in ascending order: (architectures,)."""
        members = None if self.among == ALL else self.within.subset(self.among)
        size = len(self.within if members is None else members)
        if not 1 <= self.architectures <= size:
            raise UserError(
                f"{self.name} asks for {self.architectures:,} architectures of {self.among}: it has {size:,}."
            )
        return np.sort(self.within.sample(np.random.default_rng(0), self.architectures, among=members))

    def spec(self, index: int, seed: int) -> Recipe:
        """The recipe of one training."""
        content = self.recipe.as_dict()
        content["seed"] = seed
        content["sampling"] |= {"law": "fixed", "architecture": self.within.string(self.within.arch(index))}
        return recipes.from_dict(content)


KINDS: Mapping[str, type] = {"space": str, "among": str, "architectures": int, "seeds": list, "recipe": dict}
"""The keys of a benchmark file, with the types of their values."""
ALL = "all"
"""The value of `among` for a sample of the whole space, which need not be enumerable."""
MOST_SEEDS = 1_000
"""Most seeds of a benchmark; a limit against mistakes."""


def load(name: str) -> Benchmark:
    """The benchmark of this name, or of a YAML file.

    Raises:
        UserError: there is no such benchmark, or the file does not describe one.
    """
    path = Path(name) if name.endswith(".yaml") else EMBEDDED / f"{name}.yaml"
    try:
        content = read_yaml(path)
    except FileNotFoundError:
        near = nearest(name, names())
        hint = f" Did you mean {near}?" if near else ""
        raise UserError(
            f"There is no embedded benchmark {quoted(name)}; there are {', '.join(names())}.{hint}"
        ) from None
    except OSError as error:
        raise UserError(f"The benchmark {quoted(name)} cannot be read: {error.strerror}.") from None
    try:
        return _benchmark(path.stem, content)
    except UserError as error:
        raise UserError(f"{path} is not a benchmark: {error}") from None


def _benchmark(name: str, content: Any) -> Benchmark:
    """The benchmark that a file holds."""
    given = content if isinstance(content, dict) else {}
    wanted = ", ".join(f"{key} ({kind.__name__})" for key, kind in KINDS.items())
    wrong = [key for key, kind in KINDS.items() if type(given.get(key)) is not kind]
    unknown = [quoted(key) for key in given if key not in KINDS]
    if wrong or unknown:
        what = f"{', '.join(wrong)} missing or of another type" if wrong else f"{listed(unknown)} unknown"
        raise UserError(f"{what}. It needs the keys {wanted} and no others.")
    seeds, recipe = given["seeds"], given["recipe"]
    if not seeds or len(seeds) > MOST_SEEDS or not all(type(seed) is int and 0 <= seed <= MOST_SEED for seed in seeds):
        raise UserError(f"seeds is {quoted(seeds)}, but must be a list of up to {MOST_SEEDS} whole numbers from 0 on.")
    if len(set(seeds)) < len(seeds):
        raise UserError(f"seeds is {quoted(seeds)}: a seed is given twice.")
    if "space" in recipe:
        raise UserError("space is given twice: beside the recipe and in it.")
    base = recipes.from_dict({"space": given["space"], **recipe})
    if given["among"] not in (names := [*space(base.space).subset_names, ALL]):
        raise UserError(f"among is {quoted(given['among'])}, but must be one of {', '.join(names)}.")
    return Benchmark(name, base.space, given["among"], given["architectures"], tuple(seeds), base)


def names() -> list[str]:
    """The benchmarks that ship with the project."""
    return sorted(path.stem for path in EMBEDDED.glob("*.yaml"))


def build(
    benchmark: Benchmark,
    folder: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Train what is missing and write the table: NAME.parquet in `folder`.

    Args:
        folder: also holds a file for each training, so that an interrupted build can continue.
        workers: number of processes, each with one thread.
        progress: called with the number of trainings that are done, and of all trainings.
        say: called with a sentence about files of trainings that cannot be used; these trainings are made again.
    """
    done = folder / benchmark.name
    done.mkdir(parents=True, exist_ok=True)
    jobs = [(index, seed) for seed in benchmark.seeds for index in benchmark.indices().tolist()]
    missing, outdated, damaged = [], 0, []
    for job in jobs:
        found = _read_result(done, benchmark, *job)
        if isinstance(found, Mapping):
            continue
        missing.append(job)
        if found.kind == "damaged":
            damaged.append(f"{_path(done, *job).name}: {found.reason}")
            _move_aside(_path(done, *job))
        outdated += found.kind == "outdated"
    if damaged:
        say(
            f"{len(damaged):,} training(s) have damaged files and are made again ({listed(damaged, 3)}). The damaged "
            f"files are kept in {done / DAMAGED}."
        )
    if outdated:
        say(f"{outdated:,} training(s) are of another recipe or an earlier version of this program and are made again.")
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
    """Train architectures (index, seed), and write the results of each to a file in the folder `done`.

    Returns:
        A sentence for each training that diverged, which does not stop the others.
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
    """Train one architecture with one seed, and write its results to the folder `done`."""
    from supernet.harness.scoring.supernet import rank
    from supernet.harness.training.loop import Diverged, train
    from supernet.harness.training.run import task_of

    recipe = benchmark.spec(index, seed)
    started = time.process_time()
    try:
        run = train(recipe, task=task_of(recipe.task))
    except Diverged as problem:
        raise UserError(f"{benchmark.name}, architecture {index}, seed {seed}: {problem}") from None
    seconds = time.process_time() - started
    scores = {}
    for name, images in (("valid", run.task.valid), ("test", run.task.test)):
        protocol = dataclasses.replace(run.recipe.evaluation, images=len(images))
        scores[name] = float(rank(run, [index], images=images, evaluation=protocol).accuracy[0])
    arch = benchmark.within.string(benchmark.within.arch(index))
    result = {**_identity(benchmark, index, seed), "arch": arch, "train_seconds": round(seconds, 3), **scores}
    write_json(_path(done, index, seed), {**result, CHECKSUM: _checksum(result)})


def assemble(benchmark: Benchmark, folder: Path) -> Path:
    """Write the table of all results in the folder; its path.

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
    columns: dict[str, Any] = dict(within.table_columns(archs))
    dataset, epochs = recipe.task.name, str(recipe.training.epochs)
    for split in ("valid", "test"):
        by_seed = {s: np.array([found[i, s][split] for i in indices.tolist()]) for s in benchmark.seeds}
        columns[Measure(dataset, split, epochs, "mean").column] = np.mean(list(by_seed.values()), axis=0)
        columns |= {Measure(dataset, split, epochs, f"s{s}").column: values for s, values in by_seed.items()}
    params, flops = costs(recipe, indices)
    columns |= {f"{dataset}.params": params, f"{dataset}.flops": flops}
    seconds = [[found[i, s]["train_seconds"] for s in benchmark.seeds] for i in indices.tolist()]
    columns[f"{dataset}.train_seconds.e{epochs}"] = np.mean(seconds, axis=1)
    from supernet.harness.training.folder import environment

    among = "the whole space" if benchmark.among == ALL else f"the subset {benchmark.among}"
    about = {
        "space": benchmark.space,
        "family": f"embedded {benchmark.name}",
        "accuracy_unit": "percent",
        "source": "measured by this project with `supernet benchmark build`",
        "digits_version": DIGITS_VERSION,
        **Training(recipe.network.channels, recipe.network.cells, _train_images(recipe)).about(),
        "recipe": recipe.as_dict(),
        "sample": f"{benchmark.architectures} of {among}, uniformly",
        "environment": environment(),
    }
    path = folder / f"{benchmark.name}.parquet"
    write_table(path, columns, about)
    return path


def _train_images(recipe: Recipe) -> int:
    """Images that each architecture is trained on."""
    if recipe.task.train_images is not None:
        return recipe.task.train_images
    from supernet.harness.training.run import task_of

    return len(task_of(recipe.task).train)


def costs(recipe: Recipe, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Parameters and multiply-accumulates of the stand-alone networks of a recipe with ten classes: (n,) each."""
    within, n = space(recipe.space), recipe.network
    return within.costs(within.archs(indices), n.channels, n.cells, recipe.task.size or DigitsRecipe.size)


def agreement(table: GroundTruth, dataset: str, split: str, epochs: str) -> dict[str, float]:
    """Figures for the choice of task and budget: quantiles of accuracy (percent), and tau between seeds and of size."""
    from itertools import combinations

    from supernet.harness.statistics.metrics import kendall_tau, true_top

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


# ---- files of single trainings ---------------------------------------------------------------------------------------

CHECKSUM = "sha256"
"""Key of the checksum in a training's file."""
DAMAGED = "damaged"
"""Name of the folder to which damaged files are moved."""
MOST_BYTES = 10_000
"""Largest size of a training's file, which really has a few hundred bytes."""
MEASURED = {"train_seconds": math.inf, "valid": 100.0, "test": 100.0}
"""What a training measures -> its largest possible value; the least is 0."""


@dataclass(frozen=True)
class Unusable:
    """Why there is no result of a training."""

    kind: Literal["missing", "damaged", "outdated"]
    reason: str = ""


def result_of(done: Path, benchmark: Benchmark, index: int, seed: int) -> Mapping[str, Any] | None:
    """A training's result; None if it is missing, damaged, or of another recipe or version."""
    found = _read_result(done, benchmark, index, seed)
    return None if isinstance(found, Unusable) else found


def _read_result(done: Path, benchmark: Benchmark, index: int, seed: int) -> Mapping[str, Any] | Unusable:
    """A training's result, or why there is none.

    Raises:
        OSError: the file is there but cannot be read.
    """
    try:
        with open_plain(_path(done, index, seed)) as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return Unusable("missing")
    try:
        result: Any = json.loads(content.decode("utf-8")) if len(content) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        return Unusable("damaged", "not valid JSON")
    if not isinstance(result, dict):
        return Unusable("damaged", "not a training's result")
    if CHECKSUM not in result and {"recipe", "index", "seed"} <= set(result):
        return Unusable("outdated", "without a checksum")
    if result.pop(CHECKSUM, None) != _checksum(result):
        return Unusable("damaged", "the checksum does not match")
    identity = _identity(benchmark, index, seed)
    if {key: result.get(key) for key in identity} != identity:
        return Unusable("outdated", "of another recipe or version")
    for key, most in MEASURED.items():
        value: Any = result.get(key)
        if type(value) not in (int, float) or not (0 <= value <= most and math.isfinite(value)):
            return Unusable("damaged", f"{key} is not a possible value")
    return result


def _identity(benchmark: Benchmark, index: int, seed: int) -> dict[str, Any]:
    """What a training's result depends on."""
    from supernet.harness.runs.job import FORMAT

    recipe = benchmark.spec(index, seed).hash
    return {"recipe": recipe, "index": index, "seed": seed, "format": FORMAT, "digits_version": DIGITS_VERSION}


def _checksum(result: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()


def _move_aside(path: Path) -> None:
    """Move a damaged file to the folder of damaged ones, beside those that are there."""
    folder = path.parent / DAMAGED
    folder.mkdir(exist_ok=True)
    number = 1
    while (target := folder / f"{path.stem}-{number}{path.suffix}").exists():
        number += 1
    replace(path, target)


def _path(done: Path, index: int, seed: int) -> Path:
    return done / f"{index}-s{seed}.json"
