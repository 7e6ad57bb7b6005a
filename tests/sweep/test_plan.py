"""What the words of a request compose to, run by run."""

from __future__ import annotations

import pytest

from seqablate.config.codec import digest
from seqablate.config.compose import compose_config
from seqablate.errors import UsageError
from seqablate.sweep.folder import Plan
from seqablate.sweep.plan import add_runs, check_means, compose_runs, demand


@pytest.mark.parametrize("more", [[], ["eval.seed=${seed}"], ["model=lstm", "steps=7"]], ids=str)
def test_runs_that_are_taken_from_others_are_those_that_hydra_composes(more):
    arms = [[*more, f"seed={seed}"] for seed in (3, 0, 12, 7, 5)]
    found = compose_runs(arms, more, None)
    assert [one.digest for one in found] == [digest(compose_config(words)) for words in arms]
    assert len({one.digest for one in found}) == 5


def test_a_seed_that_is_asked_for_twice_says_nothing_about_the_others():
    """Two equal configs are no evidence that runs differ in their seed alone."""
    arms = [["eval.seed=${seed}", f"seed={seed}"] for seed in (1, 1, 2)]
    found = compose_runs(arms, arms[0][:1], None)
    assert found[2].digest == digest(compose_config(arms[2]))


def test_a_name_that_is_taken_is_followed_by_what_else_differs():
    first = compose_runs([["steps=300", "model=rnn", "seed=0"]], ["steps=300"], None)
    planned, names = add_runs(Plan(), first)
    assert names == ["model=rnn,seed=0"]
    plan = Plan({run.name: run for run in planned})
    second = compose_runs([["steps=500", "model=rnn", "seed=0"]], ["steps=500"], None)
    assert add_runs(plan, second)[1] == ["model=rnn,seed=0,steps=500"]
    third = compose_runs([["model=rnn", "seed=0"]], [], None)
    assert add_runs(plan, third)[1] == ["model=rnn,seed=0-2"]


@pytest.mark.parametrize("seed", ["x", "1.5", "-1", "99999999999999999999999999", "007", "null"])
def test_a_seed_that_is_not_plain_is_composed_as_it_is_written(seed):
    arms = [[f"seed={n}"] for n in (1, 2)] + [[f"seed={seed}"]]
    try:
        wanted = digest(compose_config([f"seed={seed}"]))
    except UsageError:
        with pytest.raises(UsageError, match="seed"):
            compose_runs(arms, [], None)
    else:
        assert compose_runs(arms, [], None)[2].digest == wanted


@pytest.mark.parametrize("word", ["regularizer.weight=0.1", "on_nonfinite=skip", "skip_above=3", "clip.max_norm=2"])
def test_what_a_machine_can_lack_does_not_depend_on_how_strongly_a_gradient_is_changed(word):
    assert demand(["model=mlp", word]) == demand(["model=mlp"])


def test_each_chain_of_clips_is_a_demand_of_its_own_in_any_order():
    words = ["model=mlp", "task=adding", "task.length=10", "device=cpu", "clip=chain"]
    arms = [[*words, f"clip.parts=[{part}]"] for part in ("norm", "state")]
    assert demand(arms[0]) != demand(arms[1])
    norm, state = check_means(arms)
    assert norm is None
    assert "acts inside of a recurrence" in state
