"""What a run will cost, from a short run of the same words in a temporary folder. Called in a worker process."""

from __future__ import annotations

import gc
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqablate.config.compose import compose_config
from seqablate.config.schema import TrainConfig
from seqablate.errors import RunFailure, UsageError

if TYPE_CHECKING:
    from seqablate.record.rows import Row
    from seqablate.training.session import Ending

SECONDS = 1.5  # of training in a trial
LEAST_PERIODS, MOST_PERIODS = 4, 200
LONGEST_PERIOD = 200  # steps: where gradients are measured more rarely, they count too much or too little
FETCHED = 10  # steps between two reports of a run


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of a run by what they are spent for.

    Attributes:
        step: a training step, with what is measured and recorded of it on average.
        evaluation: one evaluation.
        checkpoint: one checkpoint.
        rest: beginning and end, with the last checkpoint, the test and all views.
        may_stop: whether the run ends early when its task is solved.
    """

    step: float
    evaluation: float
    checkpoint: float
    rest: float
    may_stop: bool = False

    def of_run(self, config: TrainConfig, done: int = 0) -> float:
        """Seconds of a whole run, or of one that goes on after ``done`` steps."""
        evaluations = due(config.steps, config.eval.every, done) + 1
        checkpoints = due(config.steps, config.checkpoint.every, max(done, 1)) if config.checkpoint.every else 0
        spent = self.step * (config.steps - done) + self.evaluation * evaluations + self.checkpoint * checkpoints
        return spent + self.rest


def due(steps: int, every: int, since: int) -> int:
    """How many multiples of ``every`` there are from ``since`` to ``steps`` - 1."""
    return max(0, math.ceil(steps / every) - math.ceil(since / every))


class Stopwatch:
    """The reporter of a trial: when training of so many steps was over, and when an evaluation was.

    Attributes:
        trained: by the number of steps made; of several that are reported at once the last is meant.
        evaluated: by the step.
    """

    def __init__(self) -> None:
        self.begun = 0.0
        self.trained: dict[int, float] = {}
        self.evaluated: dict[int, float] = {}

    def begin(self, path: Path, parts: Any, state: Any) -> None:
        self.begun = time.perf_counter()

    def row(self, row: Row) -> None:
        from seqablate.record.rows import EvalRow, TrainRow

        if isinstance(row, TrainRow):
            self.trained[row.step + 1] = time.perf_counter()
        elif isinstance(row, EvalRow):
            self.evaluated[row.step] = time.perf_counter()

    def warn(self, message: str) -> None:
        pass

    def end(self, path: Path, info: Any) -> None:
        pass


def try_arms(arms: Sequence[list[str]]) -> list[Costs]:
    """What a run of each arm costs; writes in a temporary folder only.

    Args:
        arms: the words of one run of each.

    Raises:
        UsageError: a trial could not be carried out.
    """
    import torch

    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory(prefix="seqablate-") as folder:
            return [try_arm(words, Path(folder) / str(number)) for number, words in enumerate(arms)]
    except RunFailure as error:
        raise UsageError(f"a run to measure its time failed: {error}") from error


def try_arm(words: list[str], folder: Path) -> Costs:
    """Two short runs: one to warm up, which says how long the other may be."""
    config = compose_config(words)
    watch, _, _ = _train(words, folder / "first", 2 * FETCHED)
    period, steps = extent(config, step_seconds(watch))
    saved = math.ceil(steps / 2 / period) * period
    saved = saved if saved + period <= steps else 0
    watch, ending, spent = _train(words, folder / "second", steps, saved)
    if ending.status != "done":  # it diverges: that is how long it takes
        return Costs(0.0, 0.0, 0.0, spent)
    costs = costs_of(watch, steps, saved, period, spent)
    return replace(costs, may_stop=config.stop_when_solved and _has_goal(ending.path))


def step_seconds(watch: Stopwatch) -> float:
    """Of a step in a first run, without its first steps, which take longer, if it has others; inf if it has none."""
    if not watch.trained:
        return math.inf
    last = max(watch.trained)
    begun = FETCHED if last > FETCHED else 0
    return (watch.trained[last] - (watch.trained[begun] if begun else watch.evaluated[0])) / (last - begun)


def extent(config: TrainConfig, seconds: float) -> tuple[int, int]:
    """The steps of a period, after which what is measured repeats, and of the trial, which trains for :data:`SECONDS`.

    Where steps take so many ``seconds`` that this is too short for :data:`LEAST_PERIODS`, periods are shorter.
    """
    affordable = FETCHED * max(1, int(SECONDS / LEAST_PERIODS / seconds / FETCHED))
    period = min(math.lcm(FETCHED, max(config.probe.every, 1)), LONGEST_PERIOD, affordable)
    periods = min(MOST_PERIODS, max(LEAST_PERIODS, round(SECONDS / (period * seconds))))
    return period, min(config.steps, periods * period)


def _train(words: list[str], folder: Path, steps: int, saved: int = 0) -> tuple[Stopwatch, Ending, float]:
    """A run of a few steps, evaluated at both ends, with a checkpoint at step ``saved``; and its seconds."""
    from seqablate.api import Watcher, run_config
    from seqablate.report.lines import say

    started, watch = time.perf_counter(), Stopwatch()
    config = compose_config(words)
    steps = min(steps, config.steps)
    config.steps = config.eval.every = steps
    config.checkpoint.every, config.stop_when_solved = saved, False
    config.output_dir, config.name = str(folder.parent), folder.name
    ending = run_config(config, [], watch=Watcher(watch, say))
    gc.collect()  # as after every run of a worker
    return watch, ending, time.perf_counter() - started


def costs_of(watch: Stopwatch, steps: int, saved: int, period: int, spent: float) -> Costs:
    """Take the times of a trial apart.

    Args:
        watch: of a run that was evaluated at step 0 and at the end.
        steps: how many it had.
        saved: the step with a checkpoint, at least a period before the end; 0 if there was none.
        period: steps after which what is measured repeats; ``saved`` is a multiple of it.
        spent: seconds of the whole run.
    """
    training = watch.trained[steps] - watch.evaluated[0]
    counted, checkpoint = steps, 0.0
    if saved:
        with_checkpoint = watch.trained[saved + period] - watch.trained[saved]
        counted = steps - period
        checkpoint = max(0.0, with_checkpoint - (training - with_checkpoint) / counted * period)
        training -= with_checkpoint
    step = training / counted
    first, last = watch.evaluated[0] - watch.begun, watch.evaluated[steps] - watch.trained[steps]
    evaluation = (first + last) / 2
    return Costs(step, evaluation, checkpoint, max(0.0, spent - step * steps - first - last - checkpoint))


def _has_goal(path: Path) -> bool:
    from seqablate.record.info import read_info

    return read_info(path).metric.goal is not None
