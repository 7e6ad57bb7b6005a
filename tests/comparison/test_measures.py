"""Measures of runs by their words: the metric on a part of the test data, and at another length."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from recorded import METRIC, run_info

from seqablate.comparison.measures import find_measure
from seqablate.errors import UsageError
from seqablate.shape import Misfit
from seqablate.study.criterion import Criterion, check

METRICS = {"mse": 0.5, "mse_0": 0.25, "mse_4": 0.75}


def run(status="done", metrics=METRICS):
    """What a measure reads of a run."""
    test = {"loss": 1.0, "metrics": metrics, "solved": False} if status == "done" else None
    return SimpleNamespace(status=status, info=run_info(status=status, test=test, metric=METRIC))


@pytest.mark.parametrize(
    ("name", "value"), [("mse_4", 0.75), ("value_4", 0.75), ("mse_4 - mse_0", 0.5), ("value_0 - value_4", -0.5)]
)
def test_the_metric_on_a_part_of_the_test_data_and_on_one_part_less_another(name, value):
    measure = find_measure(name, [run(), run("diverged")])
    assert measure.name == name.replace("value", "mse")
    assert measure.value(run()) == value
    assert measure.value(run("diverged")) == float("inf")


@pytest.mark.parametrize(
    "name", ["mse_5", "mse_4 - mse_5", "mse_4 - mse_0 - mse_4", "other_4", "mse_4-mse_0", "value@9"]
)
def test_a_part_or_a_length_that_was_not_tested_is_refused(name):
    with pytest.raises(UsageError, match="choose from"):
        find_measure(name, [run()])


@pytest.mark.parametrize("name", ["value@9", "value_4 - value_0"])
def test_an_arm_of_which_every_run_diverged_has_the_worst_of_what_was_never_tested(name):
    """Nothing of a diverged run is tested, so that its parts and lengths are unknown."""
    assert find_measure(name, [run("diverged")]).value(run("diverged")) == float("inf")


@pytest.mark.parametrize("measure", ["value_4", "value_4 - value_0"])
def test_a_study_may_decide_by_a_part_of_the_test_data(measure):
    check(Criterion(measure, "a - b", at_least=0.1), ["a", "b"])


@pytest.mark.parametrize(
    "measure", ["value_", "value_4 - ", "value_4 - 0.1", "solved_4", "value_4 - value_0 - value_1"]
)
def test_other_words_are_no_measure_of_a_study(measure):
    with pytest.raises(Misfit, match="value_PART"):
        check(Criterion(measure, "a - b", at_least=0.1), ["a", "b"])
