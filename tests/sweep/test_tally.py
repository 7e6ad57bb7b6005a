"""Counts by arm, and the time that is left."""

from __future__ import annotations

import pytest
from planned import standing

from seqablate.sweep.tally import Tally

LSTM, GRU = (("model", "lstm"),), (("model", "gru"),)


def test_runs_that_differ_in_their_seed_are_one_arm():
    runs = [standing("done", model="lstm", seed="0"), standing("running", model="lstm", seed="1"),
            standing("killed", model="lstm", seed="2"), standing("diverged", model="gru", seed="0"),
            standing("failed", model="gru", seed="1")]  # fmt: skip
    tally = Tally(runs)
    assert list(tally.by_arm) == [LSTM, GRU]
    assert tally.by_arm[LSTM] == {"done": 1, "running": 1, "to do": 1}
    assert tally.by_arm[GRU] == {"diverged": 1, "failed": 1}
    assert tally.count == "[3/5]"


def test_a_failed_run_that_is_wanted_again_is_still_to_do():
    runs = [standing("failed", model="lstm"), standing("done", model="gru")]
    tally = Tally(runs, wanted=["model=lstm"])
    assert tally.totals == {"to do": 1, "done": 1}
    tally.put("model=lstm", "running")
    assert (tally.totals, tally.count) == ({"running": 1, "done": 1}, "[1/2]")


def test_the_time_left_is_that_of_the_finished_runs_shared_by_the_workers():
    runs = [standing("done", 10, model="lstm", seed="0"), standing("pending", model="lstm", seed="1"),
            standing("done", 30, model="gru", seed="0"), standing("running", model="gru", seed="1"),
            standing("pending", model="rnn", seed="0"), standing("failed", 99, model="rnn", seed="1")]  # fmt: skip
    tally = Tally(runs)
    half = {"model=gru,seed=1": 0.5}
    assert tally.left(1, half) == pytest.approx(10 + 15 + 20)  # lstm and gru by their own arm, rnn by the mean of all
    assert tally.left(2, half) == pytest.approx(45 / 2)
    assert tally.left(9, half) == pytest.approx(20)  # one run cannot be shared


def test_nothing_is_known_of_the_time_left_before_a_run_is_finished_or_when_nobody_works():
    assert Tally([standing("pending", model="lstm")]).left(2, {}) is None
    assert Tally([standing("done", 5, model="lstm"), standing("pending", model="gru")]).left(0, {}) is None
    assert Tally([standing("done", 5, model="lstm")]).left(2, {}) == 0
