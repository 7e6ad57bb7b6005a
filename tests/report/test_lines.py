"""What is said of a run at its end, for every way of ending."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from recorded import run_info

from seqablate.config.metric import Metric
from seqablate.record.schema import RunInfo
from seqablate.report.outcome import against, next_lines, outcome, result_lines, scale_name
from seqablate.signals import fit_decay

MSE = Metric(name="mse", chance=1 / 6, goal=0.01, lower_is_better=True, unit="", source="")
FIT = {"quantity": "lag", "part": "lstm", "layer": 0, "direction": "forward", "state": "h"}
FIT |= asdict(fit_decay(0.5 ** np.arange(40.0)))


def info(**changes) -> RunInfo:
    results = {"loss": 1.0, "metrics": {"mse": 0.009}, "solved": True}
    ended = {
        "status": "done", "step": 400, "final": {"mse": 0.0087}, "test": results, "solved_at": 300, "decay": [FIT],
        "clipped_share": 0.12, "seconds": {"total": 6.1, "train": 6.0, "eval": 0.1},
    }  # fmt: skip
    return run_info(**ended | changes)


def test_a_run_that_solved_its_task():
    assert outcome(info(step=300)) == "solved at step 300: mse 0.0087 (chance 0.167, goal 0.01)"
    assert outcome(info()) == "solved at step 300, still at step 400: mse 0.0087 (chance 0.167, goal 0.01)"
    assert list(result_lines(info(), {"clip": "norm"})) == [
        "held-out test: mse 0.009",
        "gradient at h fades: 1.8e-12x after 39 timesteps (0.5x per timestep)",
        "clipped 12 % of 400 steps",
        "total time 6.1 s",
    ]


def test_what_was_solved_and_is_not_any_more_is_said():
    lost = info(final={"mse": 0.02}, lost_at=350)
    assert outcome(lost).startswith("solved at step 300, but not any more at step 400: mse 0.02 ")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"solved_at": None}, "not solved within 400 steps: mse 0.0087 (chance 0.167, goal 0.01)"),
        ({"status": "diverged", "message": "the loss is not finite at step 3"},
         "diverged: the loss is not finite at step 3; earlier checkpoints are kept"),
        ({"status": "failed", "message": "No space left on device"}, "failed: No space left on device"),
        ({"status": "interrupted", "step": 20},
         "interrupted at step 20; last evaluation: mse 0.0087 (chance 0.167, goal 0.01)"),
        ({"metric": asdict(MSE) | {"goal": None}, "solved_at": None},
         "done after 400 steps: mse 0.0087 (chance 0.167)"),
    ],
)  # fmt: skip
def test_every_other_way_of_ending(changes, line):
    assert outcome(info(**changes)) == line


def test_a_clip_that_never_acted_is_said_to_be_none():
    never = info(clipped_share=0.0)
    assert "clip never acted: this run equals clip=none" in result_lines(never, {"clip": "norm"})
    assert not [line for line in result_lines(never, {"clip": "none"}) if "clip" in line]
    assert not [line for line in result_lines(never, {}) if "clip" in line]


def test_curves_without_a_sentence_are_counted():
    fits = [FIT | {"layer": layer} for layer in range(5)]
    lines = list(result_lines(info(decay=fits), {"clip": "norm"}))
    assert "(3 more curves in run.json)" in lines
    assert sum(line.startswith("gradient at") for line in lines) == 2


def test_a_run_can_be_continued_or_looked_at():
    assert list(next_lines(Path("out/a b"), info(status="interrupted"))) == [
        "run folder: out/a b",
        "continue:   seqablate resume 'out/a b'",
    ]
    assert list(next_lines(Path("out/a"), info()))[1:] == [
        "curves:     seqablate show out/a",
        "browser:    seqablate tensorboard out",
    ]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.00996, "0.00996"), (0.0099996, "0.0099996"), (0.010004, "0.010004"), (0.01, "0.01")]
)
def test_a_result_is_not_rounded_to_the_goal(value, shown):
    assert against(MSE, value, {}) == f"mse {shown} (chance 0.167, goal 0.01)"


def test_numbers_that_are_not_finite_are_shown_as_what_they_are():
    assert against(MSE, math.nan, {}).startswith("mse NaN ")
    assert against(MSE, math.inf, {}).startswith("mse inf ")
    assert against(MSE, None, {}).startswith("mse – ")


def test_a_unit_that_says_the_name_stands_alone():
    assert scale_name("bits_per_character", "bits per character") == "bits per character"
    assert scale_name("perplexity", "perplexity per word") == "perplexity per word"
    assert scale_name("mse", "squared error") == "mse (squared error)"
