"""Arms of runs: pooled over seeds, compared in pairs, with what is unfair about them said. Numbers by plain loops."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import statistics

import pytest
import recorded

from seqablate.compare.arms.compare import compare_runs
from seqablate.compare.arms.formats import as_text, to_csv, to_html, to_latex, to_markdown
from seqablate.errors import UsageError

NORM = {"name": "norm", "max_norm": 1.0}
RNN, LSTM = {"name": "rnn", "hidden_size": 8}, {"name": "lstm", "hidden_size": 8}


def result(value: float, *, solved_at: int | None = None, status: str = "done", **more) -> dict:
    """The part of run.json that says what came of a run."""
    solved = solved_at is not None
    test = {"loss": value, "metrics": {"mse": value}, "solved": solved} if status == "done" else None
    return {"status": status, "final": {"loss": value, "mse": value}, "test": test, "solved_at": solved_at,
            "measured_step": 100, **more}  # fmt: skip


@pytest.fixture
def make_arm(make_run):
    """make_arm("a", [0.1, 0.2], model=RNN): one run a seed, with these values; below 0.01 they have solved at 40."""

    def make(name: str, values, first: int = 0, info: dict | None = None, **config):
        return [
            make_run(
                f"{name}{seed}",
                seed=seed,
                info=result(value, solved_at=40 if value < 0.01 else None) | (info or {}),
                **config,
            )
            for seed, value in enumerate(values, first)
        ]

    return make


def by_label(comparison):
    return {arm.label: arm for arm in comparison.arms}


def test_an_arm_is_one_configuration_over_all_its_seeds(make_arm):
    found = compare_runs(make_arm("r", [0.3, 0.1, 0.2], model=RNN) + make_arm("l", [0.002] * 3, model=LSTM))
    assert found.factors == ["model"]
    rnn, lstm = by_label(found)["rnn"], by_label(found)["lstm"]
    assert (rnn.n, rnn.seeds, rnn.value.estimate) == (3, [0, 1, 2], statistics.median([0.3, 0.1, 0.2]))
    assert (rnn.solved.estimate, lstm.solved.estimate) == (0, 1)
    assert (lstm.steps_to_solve.estimate, rnn.steps_to_solve.estimate) == (40, math.inf)
    assert (rnn.look, lstm.look) == ((0,), (1,))
    assert rnn.ms_per_step == 1000 * 10.0 / 100


def test_differences_are_paired_by_seed(make_arm):
    """The arms overlap widely, and each seed of one is better by 0.05 than the same seed of the other."""
    base = [0.1 * k for k in range(2, 10)]
    found = compare_runs(
        make_arm("r", base, model=RNN) + make_arm("l", [v - 0.05 for v in reversed(base)][::-1], model=LSTM)
    )
    [one] = found.contrasts
    assert (one.arm, one.baseline, one.pairs, one.changed) == ("lstm", "rnn", 8, ["model"])
    assert one.value.difference.estimate == pytest.approx(-0.05)
    assert one.value.p == 2 / 2**8  # all eight have one sign: two of the 256 assignments are as extreme
    assert "lstm is better than rnn" in found.claim


def test_the_p_of_a_difference_is_that_of_every_assignment_of_signs(make_arm):
    first, second = [0.3, 0.5, 0.1, 0.45, 0.2, 0.9, 0.35], [0.25, 0.6, 0.3, 0.05, 0.5, 0.2, 0.1]
    [one] = compare_runs(make_arm("r", first, model=RNN) + make_arm("l", second, model=LSTM)).contrasts
    gaps = [b - a for a, b in zip(first, second, strict=True)]
    ranks = [sorted(map(abs, gaps)).index(abs(gap)) + 1 for gap in gaps]
    seen = abs(sum(math.copysign(rank, gap) for rank, gap in zip(ranks, gaps, strict=True)))
    sums = [sum(map(math.prod, zip(signs, ranks, strict=True))) for signs in itertools.product((-1, 1), repeat=7)]
    assert one.value.p == pytest.approx(sum(abs(total) >= seen for total in sums) / 2**7)


def test_a_run_that_diverged_counts_as_a_failure_and_is_named(make_arm, make_run):
    runs = make_arm("r", [0.1, 0.2], model=RNN)
    runs += [make_run("r2", seed=2, model=RNN, info=result(0.001, status="diverged", solved_at=10, message="inf"))]
    found = compare_runs(runs + make_arm("l", [0.1, 0.2, 0.3], model=LSTM))
    rnn = by_label(found)["rnn"]
    assert (rnn.n, rnn.statuses, rnn.value.estimate, rnn.solved.estimate) == (3, {"done": 2, "diverged": 1}, 0.2, 0)
    assert rnn.runs[2].value == math.inf
    assert any("diverged runs count as failures" in note and "1 of rnn" in note for note in found.notes)


def test_a_result_that_is_not_a_number_counts_as_the_worst_one(make_arm, make_run):
    runs = [*make_arm("r", [0.1, 0.2], model=RNN), make_run("r2", seed=2, model=RNN, info=result("nan"))]
    assert compare_runs(runs).arms[0].value.estimate == 0.2
    assert compare_runs(runs).arms[0].value.n == 3


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_a_run_that_has_not_ended_by_itself_counts_nowhere_and_is_named(make_arm, make_run, status):
    runs = make_arm("r", [0.1, 0.2], model=RNN)
    runs += [make_run("r2", seed=2, model=RNN, info=result(0.9, status=status, message="why"))]
    found = compare_runs(runs)
    [arm] = found.arms
    assert (arm.n, arm.seeds, arm.value.n) == (2, [0, 1], 2)
    told = "killed" if status == "running" else status  # nobody holds its lock
    assert arm.statuses == {"done": 2, told: 1}
    assert [(one.path.endswith("r2"), told in one.why) for one in found.left_out] == [(True, True)]
    assert any(f"1 {told}" in note for note in found.notes)


def test_copies_of_one_seed_are_one(make_arm, make_run):
    runs = [*make_arm("r", [0.1, 0.2], model=RNN), make_run("again", seed=1, model=RNN, info=result(0.2))]
    found = compare_runs(runs)
    assert found.arms[0].n == 2
    assert "a copy of" in found.left_out[0].why


def test_what_is_asked_for_is_what_is_compared(make_arm):
    runs = make_arm("r", [0.1, 0.2], model=RNN) + make_arm("l", [0.3, 0.4], model=LSTM)
    runs += make_arm("rc", [0.5, 0.6], model=RNN, clip=NORM) + make_arm("lc", [0.7, 0.8], model=LSTM, clip=NORM)
    assert [arm.label for arm in compare_runs(runs).arms] == [
        "rnn, clip=none", "rnn, clip=norm", "lstm, clip=none", "lstm, clip=norm"
    ]  # fmt: skip
    assert [arm.label for arm in compare_runs(runs, where=["clip=norm"]).arms] == ["rnn", "lstm"]
    found = compare_runs(runs, baseline=["model=lstm"])
    assert [(one.arm, one.baseline) for one in found.contrasts] == [
        ("rnn, clip=none", "lstm, clip=none"),
        ("rnn, clip=norm", "lstm, clip=norm"),
    ]
    pooled = compare_runs(runs, by=["model"])
    assert [(arm.label, arm.n) for arm in pooled.arms] == [("rnn", 4), ("lstm", 4)]
    assert any("pools all settings of clip" in note for note in pooled.notes)
    [one] = pooled.contrasts
    assert one.pairs == 4  # the same seed and the same clip


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"by": ["depth"]}, "no run has a setting 'depth'"),
        ({"by": ["seed"]}, "pooled over their seeds"),
        ({"where": ["model"]}, "write key=value"),
        ({"where": ["model=gru"]}, "no run has it"),
        ({"baseline": ["model=gru"]}, "no arm has it"),
        ({"baseline": ["steps=100"]}, "does not tell arms apart"),
        ({"metric": "accuracy"}, "choose from mse, loss"),
    ],
)
def test_what_cannot_be_compared_is_refused(make_arm, asked, complaint):
    runs = make_arm("r", [0.1, 0.2], model=RNN) + make_arm("l", [0.3, 0.4], model=LSTM)
    with pytest.raises(UsageError, match=complaint):
        compare_runs(runs, **asked)


def test_two_factors_have_main_effects_and_an_interaction(make_arm):
    """value = 0.5 + 0.1 [lstm] + 0.02 [norm] + 0.04 [both] + noise of the seed, which pairs take out."""
    seeds = [0.01 * k * k for k in range(7)]
    runs = []
    for model, clip in itertools.product((RNN, LSTM), ({"name": "none"}, NORM)):
        a, b = model is LSTM, clip is NORM
        values = [0.5 + 0.1 * a + 0.02 * b + 0.04 * (a and b) + noise for noise in seeds]
        runs += make_arm(f"{model['name']}{clip['name']}", values, model=model, clip=clip)
    found = compare_runs(runs)
    assert [effect.kind for effect in found.effects] == ["main", "main", "interaction"]
    estimates = [effect.value.difference.estimate for effect in found.effects]
    assert estimates == pytest.approx([0.12, 0.04, 0.04])
    assert [effect.value.p for effect in found.effects] == [2 / 2**7] * 3
    # Nobody solved the task, so the three tests of shares tell nothing: Holm corrects over three differences of
    # values and three effects, all with the smallest p that seven pairs can give.
    assert found.effects[0].value.holm == pytest.approx(6 * 2 / 2**7)
    assert [one.solved.holm for one in found.contrasts] == [1, 1, 1]
    assert any("differ in several settings" in note for note in found.notes)


def test_what_is_unfair_is_said(make_arm):
    short = make_arm("r", [0.1] * 6, model=RNN)
    found = compare_runs(short + make_arm("l", [0.3] * 4, model=LSTM, steps=200))
    said = "\n".join(found.notes)
    assert "unequal budgets: steps differs between runs (100, 200)" in said
    assert "not every arm has the same seeds" in said
    assert "too few pairs to decide: 4 pairs cannot give a p below 0.125" in said


def test_unequal_tuning_is_said(make_arm):
    def arm(name, lr, **config):
        return make_arm(f"{name}{lr}", [0.1, 0.2], optim={"name": "adam", "lr": lr}, **config)

    runs = [*arm("r", 0.1, model=RNN), *arm("l", 0.1, model=LSTM), *arm("l", 0.01, model=LSTM)]
    said = "\n".join(compare_runs(runs, by=["model"]).notes)
    assert "unequal tuning: settings of optim.lr tried in each arm: rnn 1, lstm 2" in said


def test_an_arm_that_equals_its_control_is_named_with_the_reason(make_arm):
    runs = make_arm("a", [0.1, 0.2]) + make_arm("b", [0.1, 0.2], clip=NORM, info={"clipped_share": 0.0})
    assert any("equals clip=none in every number: clipping never acted" in note for note in compare_runs(runs).notes)


def test_seeds_that_were_added_after_a_look_are_named(make_arm):
    early = make_arm("a", [0.1] * 3, info={"started": "2026-01-01T00:00:00", "ended": "2026-01-01T01:00:00"})
    late = make_arm("b", [0.1] * 2, first=3, info={"started": "2026-01-01T02:00:00", "ended": "2026-01-01T03:00:00"})
    requests = {run.path: number for number, runs in enumerate((early, late)) for run in runs}
    assert any("seeds were added" in note for note in compare_runs(early + late, requests=requests).notes)
    assert not any("seeds were added" in note for note in compare_runs(early + late).notes)


def test_arms_without_a_seed_in_common_are_compared_as_independent(make_arm):
    runs = make_arm("r", [0.1] * 5, model=RNN) + make_arm("l", [0.001] * 5, first=5, model=LSTM)
    [one] = compare_runs(runs).contrasts
    assert (one.pairs, one.value) == (0, None)
    assert one.solved.difference.estimate == 1
    assert one.solved.p == pytest.approx(2 / math.comb(10, 5))  # Fisher: two of 252 tables


def test_numbers_are_ordered_by_size_and_names_as_they_came(make_arm):
    runs = [run for size in (16, 4, 8) for run in make_arm(f"s{size}", [0.1], model={**RNN, "hidden_size": size})]
    assert [arm.config["model.hidden_size"] for arm in compare_runs(runs).arms] == [4, 8, 16]


def test_every_format_has_the_same_numbers_and_no_name_becomes_markup(make_arm):
    hostile = {"name": "<script>alert(1)</script>|&_%$", "hidden_size": 8}
    found = compare_runs(make_arm("r", [0.125] * 6, model=hostile) + make_arm("l", [0.5] * 6, model=LSTM))
    texts = [as_text(found), to_markdown(found), to_latex(found), to_html(found), to_csv(found)]
    assert all("0.125" in text and "0.5" in text for text in texts)
    assert "<script>" not in texts[1] + texts[3]
    assert r"\&\_\%\$" in texts[2]
    table = list(csv.DictReader(io.StringIO(texts[4])))
    assert [row["test_mse"] for row in table] == ["0.125", "0.5"]
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["version"] == 1
    assert plain["arms"][0]["value"]["estimate"] == 0.125
    assert plain["arms"][0]["steps_to_solve"]["estimate"] == "inf"


def test_steps_that_half_of_the_runs_did_not_need_are_more_than_the_budget(make_arm):
    text = as_text(compare_runs(make_arm("a", [0.5, 0.001, 0.5])))
    assert "> 100" in text


def test_a_task_without_a_goal_has_no_shares(make_arm):
    metric = recorded.METRIC | {"goal": None, "name": "mse"}
    [arm] = compare_runs(make_arm("a", [1.0, 2.0, 3.0], info={"metric": metric, "solved_at": None})).arms
    assert (arm.solved, arm.steps_to_solve) == (None, None)
