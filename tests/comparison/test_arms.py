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

from seqablate.comparison.arms.compare import compare_runs
from seqablate.comparison.arms.formats import as_text, to_csv, to_html, to_latex, to_markdown
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
    assert [(arm.label, arm.n, len(arm.runs)) for arm in pooled.arms] == [("rnn", 2, 4), ("lstm", 2, 4)]
    assert any("pools all settings of clip" in note for note in pooled.notes)
    [one] = pooled.contrasts
    assert (one.pairs, one.solved) == (2, None)  # four runs of a seed are no four seeds
    assert pooled.arms[0].value.estimate == pytest.approx(((0.1 + 0.5) / 2 + (0.2 + 0.6) / 2) / 2)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"by": ["depth"]}, "no run has a setting 'depth'"),
        ({"by": ["seed"]}, "pooled over their seeds"),
        ({"where": ["model"]}, "write key=value"),
        ({"where": ["model=gru"]}, "no run has it"),
        ({"baseline": ["model=gru"]}, "no arm has it"),
        ({"baseline": ["steps=100"]}, "does not define arms here; model does"),
        ({"metric": "accuracy"}, "choose from mse, loss"),
        ({"baseline": ["lstm"]}, "write key=value, such as model=lstm"),
    ],
)
def test_what_cannot_be_compared_is_refused(make_arm, asked, complaint):
    runs = make_arm("r", [0.1, 0.2], model=RNN) + make_arm("l", [0.3, 0.4], model=LSTM)
    with pytest.raises(UsageError, match=complaint):
        compare_runs(runs, **asked)


def test_a_single_arm_is_called_by_what_was_asked_for(make_arm):
    runs = make_arm("r", [0.1, 0.2], model=RNN) + make_arm("l", [0.3, 0.4], model=LSTM)
    assert [arm.label for arm in compare_runs(runs, where=["model=rnn"]).arms] == ["model=rnn"]
    assert [arm.label for arm in compare_runs(runs[:2]).arms] == ["all runs"]


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
    # One test that can come out either way: nobody solved the task.
    assert "too few seeds to decide: the smallest p that 4 pairs can give is 0.125 (for 1 test); 6 seeds" in said


def test_unequal_tuning_is_said(make_arm):
    def arm(name, lr, **config):
        return make_arm(f"{name}{lr}", [0.1, 0.2], optim={"name": "adam", "lr": lr}, **config)

    runs = [*arm("r", 0.1, model=RNN), *arm("l", 0.1, model=LSTM), *arm("l", 0.01, model=LSTM)]
    said = "\n".join(compare_runs(runs, by=["model"]).notes)
    assert "unequal tuning: other settings of optim.lr in each arm (rnn 1, lstm 2)" in said


def test_an_arm_that_equals_its_control_is_named_with_the_reason(make_arm):
    runs = make_arm("a", [0.1, 0.2]) + make_arm("b", [0.1, 0.2], clip=NORM, info={"clipped_share": 0.0})
    assert any(
        "has the same results as clip=none in every run: clipping never acted" in note
        for note in compare_runs(runs).notes
    )


@pytest.mark.parametrize(("share", "why"), [(0.0, ": the regularizer never acted"), (0.5, "")])
def test_an_arm_whose_regularizer_never_acted_is_named_with_this_reason_alone(make_arm, share, why):
    penalty = {"name": "l2", "weight": 0.0, "decay": "none"}
    runs = make_arm("a", [0.1, 0.2], regularizer={"name": "none"})
    runs += make_arm("b", [0.1, 0.2], regularizer=penalty, info={"clipped_share": 0.0, "regularized_share": share})
    said = [note for note in compare_runs(runs).notes if "the same results" in note]
    assert [note.partition(" in every run")[2] for note in said] == [why]


def test_seeds_that_were_added_after_a_look_are_named(make_arm):
    early = make_arm("a", [0.1] * 3, info={"started": "2026-01-01T00:00:00", "ended": "2026-01-01T01:00:00"})
    late = make_arm("b", [0.1] * 2, first=3, info={"started": "2026-01-01T02:00:00", "ended": "2026-01-01T03:00:00"})
    requests = {run.path: number for number, runs in enumerate((early, late)) for run in runs}
    assert any("were added after" in note for note in compare_runs(early + late, requests=requests).notes)
    assert not any("were added after" in note for note in compare_runs(early + late).notes)


def test_every_arm_that_has_grown_after_a_look_is_counted(make_arm):
    early, late = "2026-01-01T00:00:00", "2026-01-02T00:00:00"
    parts = [
        [run for model in (RNN, LSTM) for run in make_arm(f"{model['name']}{first}", [0.1] * 2, first=first,
         model=model, info={"started": day, "ended": day})]
        for first, day in ((0, early), (2, late))
    ]  # fmt: skip
    requests = {run.path: number for number, runs in enumerate(parts) for run in runs}
    [note] = [note for note in compare_runs([*parts[0], *parts[1]], requests=requests).notes if "added" in note]
    assert "(rnn: 2, then 2 more, lstm: 2, then 2 more)" in note


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


def test_settings_that_only_one_arm_has_do_not_take_its_seeds_apart(make_arm):
    """clip.max_norm is no key of clip=none: both arms have the same eight seeds all the same."""
    runs = make_arm("n", [0.3] * 8)
    for most in (1.0, 5.0):
        runs += make_arm(f"c{most}", [0.2] * 8, clip={**NORM, "max_norm": most})
    found = compare_runs(runs, by=["clip"])
    [one] = found.contrasts
    assert (one.pairs, one.value.p) == (8, 2 / 2**8)
    assert not any("same seeds" in note or "in common" in note for note in found.notes)


def test_steps_to_solve_that_a_small_budget_hides_are_not_compared(make_arm):
    """The RNN stopped unsolved at 100, the LSTM solved at 900: who knows when the RNN would have."""
    rnn = make_arm("r", [0.5] * 6, model=RNN, info={"step": 100})
    lstm = make_arm("l", [0.001] * 6, model=LSTM, info={"step": 1000, "solved_at": 900})
    assert compare_runs(rnn + lstm, metric="steps_to_solve").contrasts[0].value is None
    long = make_arm("m", [0.5] * 6, model={**RNN, "hidden_size": 9}, info={"step": 1000})
    [one] = compare_runs(long + lstm, metric="steps_to_solve").contrasts
    assert one.value.difference.estimate in (math.inf, -math.inf)
    assert one.value.p == 2 / 2**6


def test_steps_to_solve_are_one_median_whether_compared_by_them_or_not(make_arm):
    """Times 100 (censored), 40, 40, 900: half have solved at 40, and the middle of the four numbers is 70."""
    runs = [run for n, (step, at) in enumerate([(100, None), (40, 40), (40, 40), (1000, 900)])
            for run in make_arm(f"r{n}", [0.5 if at is None else 0.001], first=n,
                                info={"step": step, "solved_at": at, "lost_at": None})]  # fmt: skip
    column = compare_runs(runs).arms[0].steps_to_solve
    assert column.estimate == 40
    assert compare_runs(runs, metric="steps_to_solve").arms[0].value == column


def test_steps_to_solve_of_pooled_settings_have_no_difference(make_arm):
    """A seed has several runs then, and its first one does not stand for it."""
    runs = [
        run
        for model in (RNN, LSTM)
        for lr in (0.1, 0.2)
        for run in make_arm(f"{model['name']}{lr}", [0.001] * 6, model=model, optim={"name": "sgd", "lr": lr})
    ]
    [one] = compare_runs(runs, by=["model"], metric="steps_to_solve").contrasts
    assert (one.pairs, one.value) == (6, None)


def test_medians_of_few_seeds_are_said_to_have_no_interval(make_arm):
    runs = make_arm("a", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    few, enough = as_text(compare_runs(runs[:5])), as_text(compare_runs(runs))
    assert "A median of fewer than 6 seeds has none." in few
    assert "has none" not in enough


def test_what_rounding_alone_tells_apart_is_equal(make_arm):
    """Differences of k/10 in floats: without rounding, equal ones have ranks of their own, and p is 0.035."""
    base = [0.7, 0.3, 0.5, 0.3, 0.3, 0.3, 0.5, 0.4, 0.3, 0.7]
    steps = [-1, 1, 1, -1, 1, 1, 2, 2, -1, 1]
    runs = make_arm("r", base, model=RNN)
    runs += make_arm("l", [b + k / 10 for b, k in zip(base, steps, strict=True)], model=LSTM)
    ranks = [4.5 if abs(k) == 1 else 9.5 for k in steps]
    seen = abs(sum(math.copysign(rank, k) for rank, k in zip(ranks, steps, strict=True)))
    sums = [sum(map(math.prod, zip(signs, ranks, strict=True))) for signs in itertools.product((-1, 1), repeat=10)]
    assert compare_runs(runs).contrasts[0].value.p == pytest.approx(sum(abs(t) >= seen for t in sums) / 2**10)


def test_the_sentence_gives_the_shares_of_the_pairs_and_no_verdict_where_nothing_is_shown(make_arm):
    rnn = make_arm("r", [0.001] * 2 + [0.5] * 8, model=RNN)
    lstm = make_arm("l", [0.5] * 2 + [0.001] * 8, first=8, model=LSTM)
    said = compare_runs(rnn + lstm).claim
    assert said.startswith("No difference is shown.")
    assert "better" not in said
    assert "worse" not in said


def test_both_tests_speak_where_both_are_clear(make_arm):
    """The LSTM solves the task always, and is a little worse where both do."""
    rnn = make_arm("r", [0.001] * 18 + [0.5] * 12, model=RNN)
    lstm = make_arm("l", [0.002] * 30, model=LSTM)
    said = compare_runs(rnn + lstm).claim
    assert "lstm solved the task more often than rnn: solved 30 of 30 against 18 of 30" in said


def test_a_median_and_ranks_that_disagree_make_no_direction(make_arm):
    gaps = [-0.001 - k / 1e4 for k in range(21)] + [0.1 + k / 100 for k in range(20)]
    rnn = make_arm("r", [0.5] * 41, model=RNN)
    lstm = make_arm("l", [0.5 + gap for gap in gaps], model=LSTM)
    assert "lstm differs from rnn in test mse" in compare_runs(rnn + lstm).claim


def test_times_of_runs_that_diverged_are_said_to_be_of_fewer_steps(make_arm, make_run):
    runs = make_arm("r", [0.1] * 3, model=RNN)
    runs += [make_run(f"l{n}", seed=n, model=LSTM, info=result(0.1, status="diverged")) for n in range(3)]
    said = "\n".join(compare_runs(runs, metric="seconds").notes)
    assert "seconds of a run that diverged is of the steps that it made: 3 of lstm" in said
    assert "worst possible" not in said


def test_arms_that_nothing_is_compared_with_are_named(make_arm):
    runs = make_arm("r", [0.1] * 2, model=RNN) + make_arm("l", [0.2] * 2, model=LSTM, clip=NORM)
    found = compare_runs(runs, baseline=["model=rnn"])
    assert found.contrasts == []
    assert any("not compared" in note for note in found.notes)


def test_a_second_baseline_and_sizes_that_differ_are_named(make_arm):
    runs = make_arm("a", [0.1] * 2, model={**RNN, "gain": 1}) + make_arm("b", [0.1] * 2, model={**RNN, "gain": 2})
    runs += make_arm("l", [0.2] * 2, model=LSTM, info={"parameters": 40})
    said = "\n".join(compare_runs(runs, baseline=["model=rnn"]).notes)
    assert "lstm is compared with rnn, gain=1; rnn, gain=2 would fit as a baseline as well" in said
    assert "different numbers of parameters (40, 10)" in said


def test_effects_that_a_diverged_run_takes_away_are_missed_aloud(make_arm, make_run):
    runs = []
    for model, clip in itertools.product((RNN, LSTM), ({"name": "none"}, NORM)):
        runs += make_arm(f"{model['name']}{clip['name']}", [0.1] * 6, model=model, clip=clip)
        runs.append(make_run(f"{model['name']}{clip['name']}x", seed=6, model=model, clip=clip,
                             info=result(0.1, status="diverged")))  # fmt: skip
    found = compare_runs(runs)
    assert found.effects == []
    assert any("effects of the two factors are not stated" in note for note in found.notes)


def test_runs_of_different_tasks_are_named(make_arm):
    runs = make_arm("a", [0.1] * 2, task={"name": "adding"}) + make_arm("c", [0.1] * 2, task={"name": "copy"})
    assert any("different tasks (adding, copy)" in note for note in compare_runs(runs).notes)


def test_copies_with_other_results_are_named(make_arm, make_run):
    runs = [make_run("old", model=RNN, info=result(0.3, status="diverged")), *make_arm("r", [0.1], model=RNN)]
    assert "another result (diverged, done)" in compare_runs(runs).left_out[0].why


def test_a_value_can_be_written_in_any_way(make_arm):
    runs = [run for lr in (0.001, 0.01) for run in make_arm(f"a{lr}", [0.1], optim={"name": "adam", "lr": lr})]
    assert [arm.config for arm in compare_runs(runs, where=["lr=1e-3"]).arms] == [{}]
    sizes = [r for s in ([8, 16], [8]) for r in make_arm(f"s{len(s)}", [0.1], model={"name": "mlp", "sizes": s})]
    assert compare_runs(sizes, where=["sizes=[8,16]"]).arms[0].n == 1


def test_no_name_becomes_a_link_an_emoji_or_a_formula(make_arm):
    runs = make_arm("r", [0.1], model={"name": "![x](http://evil/t.png)"}) + make_arm(
        "e", [0.1], model={"name": ":100:"}
    )
    runs += make_arm("f", [0.1], model={"name": '=HYPERLINK("x")'})
    found = compare_runs(runs)
    assert "](" not in to_markdown(found)
    assert ":100:" in as_text(found)
    assert "'=HYPERLINK" in to_csv(found)


def test_factors_of_the_same_last_name_have_labels_of_their_own(make_arm):
    a = make_arm("a", [0.1], model={"name": "rnn", "max": 1}, clip={"name": "norm", "max": 1})
    b = make_arm("b", [0.1], model={"name": "rnn", "max": 2}, clip={"name": "norm", "max": 1})
    c = make_arm("c", [0.1], model={"name": "rnn", "max": 1}, clip={"name": "norm", "max": 2})
    labels = [arm.label for arm in compare_runs(a + b + c).arms]
    assert labels == ["model.max=1, clip.max=1", "model.max=1, clip.max=2", "model.max=2, clip.max=1"]


def test_numbers_that_no_run_can_have_are_no_end_of_the_command(make_arm):
    info = {"seconds": {"total": 1.0, "train": "nan", "eval": 0.0}, "clipped_share": "nan"}
    [arm] = compare_runs(make_arm("a", [0.1, 0.2], clip=NORM, info=info)).arms
    assert (arm.ms_per_step, arm.clipped) == (None, None)
