"""Ground truth that the project measures itself: stand-alone training of a sample of a space on the digits task.

A training is of one architecture with one seed and one number of epochs, and writes one small file. What has been
trained is not trained again. On one machine, with one version of torch, a training gives the same numbers every time.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.plain_yaml import read_yaml
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.tasks.digits import DigitsRecipe
from supernet.benchmarks.truth.shelf import EMBEDDED
from supernet.benchmarks.truth.table import Measure, write_table
from supernet.benchmarks.truth.training import Training
from supernet.benchmarks.versions import DIGITS_VERSION
from supernet.benchmarks.wording import listed, nearest, quoted
from supernet.harness.measured.results import DAMAGED, ENVIRONMENT, Unusable, move_aside, read_result, write_result
from supernet.harness.runs.environments import NOT_RECORDED, joined
from supernet.harness.runs.parallel import pool
from supernet.harness.runs.workers import begin
from supernet.heuristics import recipe as recipes
from supernet.heuristics.ranges import MOST_SEED
from supernet.heuristics.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """One training."""

    index: int
    """The architecture."""
    seed: int
    epochs: int


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
    cheaper_epochs: tuple[int, ...] = ()
    """Numbers of epochs, ascending and below the recipe's own, with which each architecture is trained as well. These
    are trainings of their own, whose learning rate falls in that time; they are the cheaper fidelities of the table."""

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

    @property
    def epochs(self) -> tuple[int, ...]:
        """All numbers of epochs with which architectures are trained, ascending; the last is that of the recipe."""
        return (*self.cheaper_epochs, self.recipe.training.epochs)

    def jobs(self) -> list[Job]:
        """All trainings, seed by seed and the longest first."""
        indices = self.indices().tolist()
        return [Job(index, seed, epochs) for seed in self.seeds for epochs in self.epochs[::-1] for index in indices]

    def spec(self, index: int, seed: int, epochs: int | None = None) -> Recipe:
        """The recipe of one training; by default with the recipe's own number of epochs."""
        content = self.recipe.as_dict()
        content["seed"] = seed
        content["training"]["epochs"] = epochs or self.recipe.training.epochs
        content["sampling"] |= {"law": "fixed", "architecture": self.within.string(self.within.arch(index))}
        return recipes.from_dict(content)


KINDS: Mapping[str, type] = {"space": str, "among": str, "architectures": int, "seeds": list, "recipe": dict}
"""The keys of every benchmark file, with the types of their values."""
OPTIONAL: Mapping[str, type] = {"cheaper_epochs": list}
"""The keys that a benchmark file may have, too."""
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
    wrong += [key for key, kind in OPTIONAL.items() if key in given and type(given[key]) is not kind]
    unknown = [quoted(key) for key in given if key not in {**KINDS, **OPTIONAL}]
    if wrong or unknown:
        what = f"{', '.join(wrong)} missing or of another type" if wrong else f"{listed(unknown)} unknown"
        raise UserError(f"{what}. It needs the keys {wanted}, and no others but {', '.join(OPTIONAL)}.")
    seeds, recipe = given["seeds"], given["recipe"]
    if not seeds or len(seeds) > MOST_SEEDS or not all(type(seed) is int and 0 <= seed <= MOST_SEED for seed in seeds):
        raise UserError(f"seeds is {quoted(seeds)}, but must be a list of up to {MOST_SEEDS} whole numbers from 0 on.")
    if len(set(seeds)) < len(seeds):
        raise UserError(f"seeds is {quoted(seeds)}: a seed is given twice.")
    if "space" in recipe:
        raise UserError("space is given twice: beside the recipe and in it.")
    base = recipes.from_dict({"space": given["space"], **recipe})
    cheaper = given.get("cheaper_epochs", [])
    if not all(type(epochs) is int for epochs in cheaper) or not _ascend([0, *cheaper, base.training.epochs]):
        raise UserError(
            f"cheaper_epochs is {quoted(cheaper)}, but must be a list of ascending whole numbers from 1 to below the "
            f"{base.training.epochs:,} epochs of the recipe."
        )
    if cheaper and base.training.warmup_epochs >= cheaper[0]:
        raise UserError(f"training.warmup_epochs must be below {cheaper[0]}, the fewest epochs of a training.")
    if given["among"] not in (names := [*space(base.space).subset_names, ALL]):
        raise UserError(f"among is {quoted(given['among'])}, but must be one of {', '.join(names)}.")
    return Benchmark(name, base.space, given["among"], given["architectures"], tuple(seeds), base, tuple(cheaper))


def _ascend(numbers: Sequence[int]) -> bool:
    """Whether each number is larger than the one before it."""
    return all(one < other for one, other in pairwise(numbers))


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
        workers: number of processes, each with one thread; with 1, this process alone.
        progress: called with the number of trainings that are done, and of all trainings.
        say: called with a sentence about files of trainings that cannot be used; these trainings are made again.
    """
    done = folder / benchmark.name
    done.mkdir(parents=True, exist_ok=True)
    jobs = benchmark.jobs()
    missing, outdated, damaged = [], 0, []
    for job in jobs:
        path = _path(done, benchmark, job)
        found = read_result(path, _identity(benchmark, job))
        if isinstance(found, Mapping):
            continue
        missing.append(job)
        if found.kind == "damaged":
            damaged.append(f"{path.name}: {found.reason}")
            move_aside(path)
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
    jobs: Sequence[Job],
    done: Path,
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Make trainings, and write the results of each to a file in the folder `done`.

    Returns:
        A sentence for each training that diverged, which does not stop the others.

    Raises:
        UserError: a worker died.
    """
    done.mkdir(parents=True, exist_ok=True)
    problems = []
    with _trainings(benchmark, jobs, done, min(workers, len(jobs))) as ended:
        for count, result in enumerate(ended, 1):
            try:
                result()
            except UserError as problem:
                problems.append(str(problem))
            if progress:
                progress(count, len(jobs))
    return problems


@contextmanager
def _trainings(
    benchmark: Benchmark, jobs: Sequence[Job], done: Path, workers: int
) -> Iterator[Iterator[Callable[[], None]]]:
    """Yield a function for each training, as they end, that raises what the training raised.

    With one worker, the trainings are made in this process, each when its function is called. As in a worker, it then
    computes with one thread, whose number changes the last bits of results.
    """
    if workers > 1:
        with pool(workers, begin, os.getpid()) as opened:
            futures = [opened.submit(measure, benchmark, job, done) for job in jobs]
            yield (future.result for future in as_completed(futures))
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield (partial(measure, benchmark, job, done) for job in jobs)
    finally:
        torch.set_num_threads(before)


def measure(benchmark: Benchmark, job: Job, done: Path) -> None:
    """Make one training, and write its results to the folder `done`."""
    from supernet.harness.scoring.supernet import rank
    from supernet.harness.training.folder import environment
    from supernet.harness.training.loop import Diverged, train
    from supernet.harness.training.run import task_of

    recipe = benchmark.spec(job.index, job.seed, job.epochs)
    task = task_of(recipe.task)  # before the clock starts: only the first training of a process makes the canvases
    started = time.process_time()
    try:
        run = train(recipe, task=task)
    except Diverged as problem:
        raise UserError(f"{benchmark.name}, architecture {job.index}, seed {job.seed}: {problem}") from None
    seconds = time.process_time() - started
    scores = {}
    for name, images in (("valid", run.task.valid), ("test", run.task.test)):
        protocol = dataclasses.replace(run.recipe.evaluation, images=len(images))
        scores[name] = float(rank(run, [job.index], images=images, evaluation=protocol).accuracy[0])
    arch = benchmark.within.string(benchmark.within.arch(job.index))
    result = {**_identity(benchmark, job), "arch": arch, "train_seconds": round(seconds, 3), **scores}
    result[ENVIRONMENT] = environment()
    write_result(_path(done, benchmark, job), result)


def assemble(benchmark: Benchmark, folder: Path) -> Path:
    """Write the table of all results in the folder; its path.

    Raises:
        UserError: a training is missing.
    """
    indices = benchmark.indices()
    found: dict[Job, Mapping[str, Any]] = {}
    for job in benchmark.jobs():
        result = _result(folder / benchmark.name, benchmark, job)
        if result is None:
            raise UserError(
                f"{benchmark.name} lacks architecture {job.index} with seed {job.seed}: run `supernet benchmark build "
                f"{benchmark.name} --out {folder}`."
            )
        found[job] = result
    within, recipe = benchmark.within, benchmark.recipe
    archs, dataset = within.archs(indices), recipe.task.name

    def values(key: str, seed: int, epochs: int) -> NDArray[np.float64]:
        return np.array([found[Job(index, seed, epochs)][key] for index in indices.tolist()], dtype=np.float64)

    columns: dict[str, Any] = dict(within.table_columns(archs))
    for epochs in benchmark.epochs:
        for split in ("valid", "test"):
            by_seed = {f"s{seed}": values(split, seed, epochs) for seed in benchmark.seeds}
            by_seed = {"mean": np.mean(list(by_seed.values()), axis=0), **by_seed}
            columns |= {Measure(dataset, split, str(epochs), s).column: column for s, column in by_seed.items()}
    params, flops = costs(recipe, indices)
    columns |= {f"{dataset}.params": params, f"{dataset}.flops": flops}
    for epochs in benchmark.epochs:
        seconds = [values("train_seconds", seed, epochs) for seed in benchmark.seeds]
        columns[f"{dataset}.train_seconds.e{epochs}"] = np.mean(seconds, axis=0)
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
        "environment": joined(result.get(ENVIRONMENT, NOT_RECORDED) for result in found.values()),
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


# ---- files of single trainings ---------------------------------------------------------------------------------------


def result_of(done: Path, benchmark: Benchmark, index: int, seed: int) -> Mapping[str, Any] | None:
    """The result of a training of the recipe's own length; None if it is missing, damaged, or of another recipe or
    version."""
    return _result(done, benchmark, Job(index, seed, benchmark.recipe.training.epochs))


def _result(done: Path, benchmark: Benchmark, job: Job) -> Mapping[str, Any] | None:
    found = read_result(_path(done, benchmark, job), _identity(benchmark, job))
    return None if isinstance(found, Unusable) else found


def _identity(benchmark: Benchmark, job: Job) -> dict[str, Any]:
    """What a training's result depends on."""
    from supernet.harness.runs.job import FORMAT

    recipe = benchmark.spec(job.index, job.seed, job.epochs).hash
    return {"recipe": recipe, "index": job.index, "seed": job.seed, "format": FORMAT, "digits_version": DIGITS_VERSION}


def _path(done: Path, benchmark: Benchmark, job: Job) -> Path:
    """The file of a training, such as 12-s0.json, or 12-s0-e1.json for one of `cheaper_epochs`."""
    own = job.epochs == benchmark.recipe.training.epochs
    return done / (f"{job.index}-s{job.seed}" + ("" if own else f"-e{job.epochs}") + ".json")
