"""How long a sweep will take: the arithmetic against sums by hand, and one dry run as a real process."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from planned import standing

from seqablate.config.compose import compose_config
from seqablate.launch.estimate import Estimate, arm_table, makespan, mean
from seqablate.launch.trial import SECONDS, Costs, Stopwatch, costs_of, due, extent, step_seconds
from seqablate.report.console import make_console

COSTS = Costs(step=0.01, evaluation=0.5, checkpoint=0.25, rest=2.0)


def watch(times: dict[int, float], *, first: float, last: float) -> Stopwatch:
    """Of a trial that began at 0 s and was evaluated until these times."""
    found = Stopwatch()
    found.trained = times
    found.evaluated = {0: first, max(times): last}
    return found


def test_the_time_of_a_run_is_the_sum_of_its_steps_evaluations_checkpoints_and_ends():
    config = compose_config(["steps=1000", "eval.every=300", "checkpoint.every=250"])
    evaluations = [0, 300, 600, 900, 1000]
    checkpoints = [250, 500, 750]  # the last one belongs to the end
    expected = 0.01 * 1000 + 0.5 * len(evaluations) + 0.25 * len(checkpoints) + 2.0
    assert COSTS.of_run(config) == pytest.approx(expected)


def test_a_run_that_goes_on_costs_what_is_left_of_it():
    config = compose_config(["steps=1000", "eval.every=300", "checkpoint.every=250"])
    expected = 0.01 * 400 + 0.5 * len([600, 900, 1000]) + 0.25 * len([750]) + 2.0
    assert COSTS.of_run(config, done=600) == pytest.approx(expected)


def test_a_run_without_checkpoints_pays_for_none():
    config = compose_config(["steps=100", "eval.every=100", "checkpoint.every=0"])
    assert COSTS.of_run(config) == pytest.approx(1.0 + 2 * 0.5 + 2.0)


@pytest.mark.parametrize(("steps", "every", "since"), [(1000, 300, 0), (900, 300, 0), (1000, 250, 1), (1000, 7, 500)])
def test_what_is_due_is_counted_as_the_loop_counts_it(steps, every, since):
    assert due(steps, every, since) == sum(step % every == 0 for step in range(since, steps))


def test_the_times_of_a_trial_are_taken_apart():
    """10 ms a step, 0.4 s an evaluation, 0.3 s for the checkpoint at step 20, and 1 s for all else."""
    times = {10: 0.5, 20: 0.6, 30: 1.0, 40: 1.1}
    found = costs_of(watch(times, first=0.4, last=1.5), steps=40, saved=20, period=10, spent=2.5)
    assert found.step == pytest.approx(0.01)
    assert found.evaluation == pytest.approx(0.4)
    assert found.checkpoint == pytest.approx(0.3)
    assert found.rest == pytest.approx(1.0)


def test_a_trial_that_is_too_short_for_a_checkpoint_says_what_it_can():
    found = costs_of(watch({5: 0.45}, first=0.4, last=0.85), steps=5, saved=0, period=10, spent=1.85)
    assert (found.step, found.checkpoint, found.rest) == pytest.approx((0.01, 0.0, 1.0))


@pytest.mark.parametrize(
    ("times", "seconds"),
    [({10: 5.0, 20: 5.5}, 0.05), ({7: 1.1}, 0.1), ({}, math.inf)],  # the first ten steps compile; seven steps; diverged
)
def test_a_step_of_a_first_run_takes_what_it_takes_once_all_is_warm(times, seconds):
    found = Stopwatch()
    found.trained, found.evaluated = times, {0: 0.4}
    assert step_seconds(found) == pytest.approx(seconds)


@pytest.mark.parametrize("seconds", [0.0001, 0.001, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("probed", [0, 10, 500])
def test_a_trial_takes_some_seconds_however_slow_a_step_is_and_however_rarely_it_is_measured(seconds, probed):
    period, steps = extent(compose_config([f"probe.every={probed}", "steps=100000"]), seconds)
    assert steps % period == 0
    assert period % 10 == 0
    assert steps >= 4 * period
    assert steps == 40 or steps * seconds <= 1.5 * SECONDS


def test_a_trial_of_quick_steps_contains_whole_periods_of_what_is_measured():
    """The least common multiple of 10, after which a run reports, and of 15; no more steps than the run has."""
    assert extent(compose_config(["probe.every=15", "steps=100000"]), 0.01) == (30, 150)
    assert extent(compose_config(["probe.every=15", "steps=50"]), 0.01) == (30, 50)


def test_runs_go_to_the_first_worker_that_is_free_in_their_order():
    """Worker 1: 3 s, then 2 s. Worker 2: 1 s, 1 s, 4 s."""
    assert makespan([3, 1, 1, 4, 2], workers=2) == 6
    assert makespan([3, 1, 1, 4, 2], workers=1) == 11
    assert makespan([3, 1], workers=5) == 3


def test_several_trials_of_an_arm_count_equally():
    other = Costs(step=0.03, evaluation=0.5, checkpoint=0.25, rest=4.0, may_stop=True)
    assert mean([COSTS, other]) == Costs(0.02, 0.5, 0.25, 3.0, may_stop=True)


def test_the_table_has_a_row_for_each_arm_with_its_seeds():
    runs = [standing("pending", model=model, seed=str(seed)) for model in ("rnn", "lstm") for seed in range(3)]
    runs.append(standing("pending", model="rnn", seed="7"))
    estimate = Estimate(runs, [0, 0, 0, 1, 1, 1, 0], [COSTS, COSTS], [10.0] * 6 + [4.0], before=1.0)
    console = make_console()
    with console.capture() as captured:
        console.print(arm_table(estimate))
    lines = [line.split() for line in captured.get().splitlines()]
    assert lines[1:] == [
        ["rnn", "0,", "1,", "2,", "7", "4", "10", "ms", "10.0", "s"],
        ["lstm", "0", "to", "2", "3", "10", "ms", "10.0", "s"],
    ]
    assert estimate.in_all(2) == 1.0 + max(10 + 10 + 10 + 4, 30)


def call(*words: str, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "seqablate", *words], capture_output=True, text=True, timeout=100, **kwargs
    )


def test_a_dry_run_is_refused_where_there_is_no_sweep(tmp_path):
    done = call("train", "--dry-run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "-m" in done.stderr


@pytest.mark.slow
def test_a_dry_run_tells_what_is_there_and_to_do_and_writes_nothing(tmp_path):
    words = ["-m", "task.length=10", "model.hidden_size=6", "batch_size=4", "steps=20", "eval.size=20", "device=cpu",
             "name=s", "jobs=2", "model=rnn,lstm"]  # fmt: skip
    before = call("train", "--dry-run", *words, "seed=0,1", cwd=tmp_path)
    assert before.returncode == 0, before.stderr
    assert "4 runs" in before.stdout
    assert ": 4 to do" in before.stdout
    assert "with 2 workers" in before.stdout
    assert list(tmp_path.iterdir()) == []
    assert call("train", *words, "seed=0", cwd=tmp_path).returncode == 0
    there = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    after = call("train", "--dry-run", *words, "seed=0,1,2", cwd=tmp_path)
    assert "2 are there, 4 to do" in after.stdout
    resumed = call("resume", "outputs/s", "--dry-run", cwd=tmp_path)
    assert "2 are there, 0 to do" in resumed.stdout, resumed.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == there
