"""Arms whose points are proposed by Optuna: from results alone, the same after a restart, as many for each arm."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from types import SimpleNamespace

import pytest
from scipy import stats

from seqablate.errors import UsageError
from seqablate.sweep import options as launch_options
from seqablate.sweep.options import split_options
from seqablate.sweep.search import STARTUP, draw, expand, read_distribution
from seqablate.sweep.tuner import Trial, costs_of, propose, tuned

LR, UNITS = "optim.lr=loguniform(1e-4,1e-1)", "model.hidden_size=randint(4,9)"
SPACE = [read_distribution(UNITS), read_distribution(LR)]
BEST = 3e-3


def told(samples: int, sampler: str = "optuna", seed: int = 0):
    words = [f"sweep.samples={samples}", f"sweep.sampler={sampler}", f"sweep.sample_seed={seed}"]
    return split_options(words)[0]


def distance(point: tuple[str, ...]) -> float:
    """How far a point's learning rate is from the best one, in factors of e."""
    (lr,) = (float(word.partition("=")[2]) for word in point if word.startswith("optim.lr="))
    return abs(math.log(lr / BEST))


def tune(samples: int, at_once: int, seed: int = 0) -> list[Trial]:
    """What comes of proposals, so many at once, whose cost is the distance squared."""
    trials: list[Trial] = []
    while len(trials) < samples:
        new = propose(SPACE, trials, min(at_once, samples - len(trials)), told(samples, seed=seed))
        trials += [Trial(point, distance(point) ** 2) for point in new]
    return trials


def test_the_first_points_are_those_of_the_sobol_sequence():
    assert propose(SPACE, [], 30, told(30))[:STARTUP] == draw(SPACE, told(STARTUP, "sobol"))
    assert draw(SPACE, told(30)) == draw(SPACE, told(STARTUP, "sobol"))
    assert draw(SPACE, told(3)) == draw(SPACE, told(3, "sobol"))


def test_later_points_are_nearer_to_the_best_one_than_those_that_ignore_results():
    later, ignorant = [], []
    for seed in range(3):
        later += [distance(trial.point) for trial in tune(40, 4, seed)[STARTUP:]]
        ignorant += [distance(point) for point in draw(SPACE, told(40, "sobol", seed))[STARTUP:]]
    assert stats.mannwhitneyu(later, ignorant, alternative="less").pvalue < 1e-3


def test_a_proposal_depends_on_the_trials_and_the_seed_and_on_nothing_before():
    trials = tune(14, 4)
    again = [propose(SPACE, trials, 3, told(20)) for _ in range(2)]
    assert again[0] == again[1]
    assert propose(SPACE, trials, 3, told(20, seed=1)) != again[0]
    worse = [Trial(trial.point, -(trial.cost or 0)) for trial in trials]
    assert propose(SPACE, worse, 3, told(20)) != again[0]


def test_no_point_is_proposed_twice_even_where_there_are_few():
    space = [read_distribution(UNITS)]
    trials = [Trial(point, 1.0) for point in propose(space, [], 4, told(6))]
    points = [*(trial.point for trial in trials), *propose(space, trials, 2, told(6))]
    assert sorted(points) == [(f"model.hidden_size={units}",) for units in range(4, 10)]
    twelve = propose([read_distribution("seed=randint(1,12)")], [], 12, told(12))  # the first ones, and others
    assert set(twelve) == {(f"seed={number}",) for number in range(1, 13)}
    with pytest.raises(UsageError, match="only 6 different values"):
        propose(space, [], 1, told(7))


def test_what_has_failed_or_not_ended_is_a_trial_too():
    trials = [Trial(trial.point, cost) for trial, cost in zip(tune(12, 4), [math.inf, None, 0.5, 1.0] * 3, strict=True)]
    taken = {trial.point for trial in trials}
    assert not taken & set(propose(SPACE, trials, 4, told(16)))


def standing(words: list[str], kind: str, value: float | None = None, lower_is_better: bool = True):
    info = SimpleNamespace(final_value=value, metric=SimpleNamespace(lower_is_better=lower_is_better))
    return SimpleNamespace(run=SimpleNamespace(words=words), standing=kind, info=None if kind == "pending" else info)


def test_the_cost_of_a_run_is_its_headline_metric_the_lower_the_better():
    done = [(0.2, True), (0.2, False), (math.nan, True)]
    others = ["diverged", "failed", "running", "killed", "pending"]
    kinds = [*(("done", *each) for each in done), *((kind, 0.1, True) for kind in others)]
    costs = costs_of([standing([f"seed={number}"], *kind) for number, kind in enumerate(kinds)])
    assert list(costs.values()) == [0.2, -0.2, math.inf, math.inf, math.inf, None, None, None]


def test_each_arm_is_tuned_by_its_own_results_and_all_seeds_of_an_arm_get_the_same_points():
    words, options = ["model=rnn,lstm", LR, "seed=0,1", "name=s"], told(14)
    runs = expand(words, options)
    assert len(runs) == 2 * 2 * STARTUP
    best = {"model=rnn": 2e-4, "model=lstm": 5e-2}

    def cost(run: list[str]) -> float:
        return abs(math.log(float(run[1].partition("=")[2]) / best[run[0]]))

    for samples in (13, 14):
        costs = {frozenset(run) - {"name=s"}: cost(run) for run in runs}
        assert sorted(tuned(words, options, costs, more=0)) == sorted(runs)
        runs = tuned(words, options, costs, more=3)
        assert len(runs) == 2 * 2 * samples
    costs = {frozenset(run) - {"name=s"}: cost(run) for run in runs}
    assert len(tuned(words, options, costs, more=2)) == len(runs)  # it has all its samples
    points = {
        (model, seed): [run[1] for run in runs if run[0] == model and run[2] == seed]
        for model in best
        for seed in ("seed=0", "seed=1")
    }
    assert {len(set(lr)) for lr in points.values()} == {14}
    for model in best:
        assert points[model, "seed=0"] == points[model, "seed=1"]
    assert points["model=rnn", "seed=0"][STARTUP:] != points["model=lstm", "seed=0"][STARTUP:]


def test_the_cost_of_a_point_is_the_mean_over_its_seeds_once_there_are_all():
    from seqablate.sweep.tuner import _trials

    arm, space = [["optim.lr=1", "seed=0"], ["optim.lr=1", "seed=1"]], [read_distribution("optim.lr=uniform(0,9)")]
    arm = [[space[0].marker, run[1]] for run in arm]
    costs = {
        frozenset({"optim.lr=1.0", "seed=0"}): 2.0,
        frozenset({"optim.lr=1.0", "seed=1"}): 4.0,
        frozenset({"optim.lr=2.0", "seed=0"}): 2.0,
        frozenset({"optim.lr=2.0", "seed=1"}): None,
        frozenset({"optim.lr=3.0", "seed=0", "steps=5"}): 2.0,  # of another arm
    }
    assert _trials(arm, space, costs) == [Trial(("optim.lr=1.0",), 3.0), Trial(("optim.lr=2.0",), None)]


def test_optuna_is_asked_for_before_the_first_run_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(launch_options, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^sweep\.sampler=optuna: needs Optuna; pip install 'seqablate\[optuna\]'$"):
        told(3)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_tuned_sweep_goes_on_after_a_restart_and_is_extended(tmp_path):
    def train(samples: int, name: str) -> dict[str, float]:
        small = ["task.length=10", "model.hidden_size=6", "batch_size=4", "steps=20", "eval.every=10", "eval.size=20"]
        words = [*small, "device=cpu", LR, "sweep.sampler=optuna", f"sweep.samples={samples}", f"name={name}"]
        command = [sys.executable, "-m", "seqablate", "train", "-m", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        infos = [json.loads(path.read_text()) for path in (tmp_path / "outputs" / name).glob("*/run.json")]
        return {info["name"]: info["final"]["mse"] for info in infos}

    first = train(11, "a")
    assert len(first) == 11
    assert train(11, "a") == first
    more = train(15, "a")
    assert len(more) == 15
    assert first.items() < more.items()
    assert train(11, "b") == first
