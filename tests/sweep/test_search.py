"""Values that a sweep draws from distributions: the same for every arm, the first ones of however many."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from scipy import stats

from seqablate.config.compose import compose_config
from seqablate.errors import UsageError
from seqablate.sweep.options import split_options
from seqablate.sweep.search import expand

LR, DROPOUT, UNITS = "optim.lr=loguniform(1e-4,1e-1)", "model.dropout=uniform(0,0.5)", "model.hidden_size=randint(4,9)"


def runs(*words: str) -> list[list[str]]:
    """The words of each run, as a sweep with these words has them."""
    options, others = split_options(words)
    return expand(others, options)


def values(key: str, arms: list[list[str]]) -> list[float]:
    return [float(word.partition("=")[2]) for arm in arms for word in arm if word.startswith(f"{key}=")]


@pytest.mark.parametrize("sampler", ["sobol", "random"])
def test_every_arm_gets_the_same_points_each_as_often(sampler):
    arms = runs("model=rnn,lstm", LR, "clip=none,norm", UNITS, "sweep.samples=6", f"sweep.sampler={sampler}")
    points: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for model, lr, clip, units in arms:
        points.setdefault((model, clip), []).append((lr, units))
    assert len(points) == 4
    first = points["model=rnn", "clip=none"]
    assert len(set(first)) == 6
    assert all(each == first for each in points.values())


def test_a_sweep_that_is_stopped_early_has_as_many_points_in_each_arm():
    arms = runs("model=rnn,lstm", LR, "sweep.samples=5")
    assert [arm[0] for arm in arms] == ["model=rnn", "model=lstm"] * 5


@pytest.mark.parametrize("sampler", ["sobol", "random"])
@pytest.mark.parametrize("words", [(LR,), (UNITS, DROPOUT)], ids=["one key", "two keys"])
def test_more_samples_begin_with_those_of_fewer(sampler, words):
    drawn = [runs(*words, f"sweep.sampler={sampler}", f"sweep.samples={count}") for count in (1, 3, 8, 17, 40)]
    for fewer, more in pairwise(drawn):
        assert more[: len(fewer)] == fewer
        assert len(more) > len(fewer)


@pytest.mark.parametrize("sampler", ["sobol", "random"])
def test_points_depend_on_the_seed_and_on_nothing_else_that_is_said(sampler):
    told = ("sweep.samples=4", f"sweep.sampler={sampler}")
    lr = values("optim.lr", runs(LR, DROPOUT, *told))
    assert values("optim.lr", runs("seed=7", DROPOUT, "steps=5", LR, *told)) == lr
    assert values("optim.lr", runs(LR, DROPOUT, *told, "sweep.sample_seed=1")) != lr


@pytest.mark.parametrize("sampler", ["sobol", "random"])
def test_values_have_the_distribution_that_is_asked_for(sampler):
    arms = runs(LR, "optim.eps=uniform(-2,3)", "sweep.samples=500", f"sweep.sampler={sampler}")
    expected = {"optim.lr": stats.loguniform(1e-4, 1e-1), "optim.eps": stats.uniform(-2, 5)}
    for key, distribution in expected.items():
        assert stats.kstest(values(key, arms), distribution.cdf).pvalue > 0.01, key


def test_sobol_points_are_spread_more_evenly_than_independent_ones():
    def emptiest(sampler: str) -> float:
        arms = runs("optim.lr=uniform(0,1)", "sweep.samples=64", f"sweep.sampler={sampler}")
        counted = Counter(math.floor(value * 16) for value in values("optim.lr", arms))
        return min(counted[part] for part in range(16))

    assert emptiest("sobol") == 4  # 64 points of the sequence: as many in each of 16 equal parts
    assert emptiest("random") < 4


def test_integers_take_both_ends_and_every_value_between_and_are_written_without_a_point():
    words = {arm[0] for arm in runs(UNITS, "sweep.samples=6", "sweep.sampler=random")}
    assert words == {f"model.hidden_size={units}" for units in range(4, 10)}
    assert compose_config([*sorted(words)[:1]]).model.hidden_size == 4


@pytest.mark.parametrize("low_high", ["0.1234564,0.1234567", "1e-300,1e300", "-3.00000049,5", "1e-9,1.0000004"])
def test_values_have_six_digits_and_stay_between_the_ends(low_high):
    low, high = map(float, low_high.split(","))
    arms = runs(f"optim.lr=uniform({low_high})", "sweep.samples=2", "sweep.sampler=random")
    for value in values("optim.lr", arms):
        assert low <= value <= high
        assert value in (low, high) or float(f"{value:.6g}") == value


def test_a_drawn_value_is_what_its_run_is_composed_of():
    (arm,) = runs(LR, "sweep.samples=1")
    assert compose_config(arm).optim.lr == float(arm[0].removeprefix("optim.lr="))


def test_a_key_counts_once_with_its_last_values():
    assert runs(LR, "optim.lr=0.5,0.25") == [["optim.lr=0.5"], ["optim.lr=0.25"]]
    (arm,) = runs("optim.lr=0.5,0.25", LR, "sweep.samples=1")
    assert 1e-4 <= values("optim.lr", [arm])[0] <= 0.1


def test_without_distributions_a_sweep_is_what_it_was():
    assert runs("model=rnn,lstm", "seed=range(2)", "name='uniform(0,1)'")[1] == [
        "model=rnn",
        "seed=1",
        "name='uniform(0,1)'",
    ]


def test_what_is_drawn_is_a_part_of_the_request_and_nothing_else_of_the_options_is():
    options, _ = split_options(["sweep.samples=4", "sweep.sampler=random", "jobs=2", "sweep.fail_fast=true"])
    assert options.sampling == ("sweep.samples=4", "sweep.sampler=random", "sweep.sample_seed=0")
    assert split_options(["sweep.sample_seed=3", "jobs=2"])[0].sampling == ()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([LR], f"{LR}: say how many values are drawn, such as sweep.samples=20"),
        (["seed=0,1", "sweep.samples=3"], "sweep.samples=3: no key has a distribution, such as 'optim.lr="),
        (["seed=range(101)", LR, "sweep.samples=10"], "sweep.samples=10: a sweep of 1,010 runs; at most 1,000 can"),
        ([LR, "sweep.samples=1001"], "sweep.samples=1001: a sweep of 1,001 runs; at most 1,000 can"),
        ([UNITS, "sweep.samples=7"], "sweep.samples=7: only 6 different values can be drawn"),
        (["optim.lr=loguniform(0,1)"], "optim.lr=loguniform(0,1): write loguniform(a,b) with two positive numbers, a"),
        (["optim.lr=uniform(1)"], "optim.lr=uniform(1): write uniform(a,b) with two numbers, a below b"),
        (["optim.lr=uniform(1,0)"], "optim.lr=uniform(1,0): write uniform(a,b) with two numbers, a below b"),
        (["optim.lr=uniform(-1e308,1e308)"], "optim.lr=uniform(-1e308,1e308): write uniform(a,b)"),
        (["optim.lr=uniform(nan,1)"], "optim.lr=uniform(nan,1): write uniform(a,b)"),
        (["seed=randint(0,1.5)"], "seed=randint(0,1.5): write randint(a,b) with two whole numbers, a below b"),
        ([f"seed=randint(0,{10**400})"], "seed=randint(0,1000000"),
        (["seed=randint(3,3)"], "seed=randint(3,3): write randint(a,b) with two whole numbers, a below b"),
        (["jobs=randint(1,3)"], "jobs=randint(1,3): cannot be swept"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else "",
)
def test_what_cannot_be_drawn_is_refused_in_one_line(words, line):
    with pytest.raises(UsageError) as caught:
        runs(*words)
    assert str(caught.value).startswith(line)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", [LR, "optim.lr=uniform( 0, 1 )", "seed=randint(1,2)"])
def test_a_single_run_draws_no_values(word):
    with pytest.raises(UsageError) as caught:
        compose_config([word])
    assert str(caught.value) == f"{word}: draws values, which only a sweep does: add -m sweep.samples=20"
