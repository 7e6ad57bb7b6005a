"""From recorded runs to tuned arms, a verdict and a report."""

from __future__ import annotations

import json
import math

import pytest
from by_hand import solved_at, write_stage, write_study
from recorded import METRIC

from seqablate.study.file import parse
from seqablate.study.frozen import freeze, make
from seqablate.study.look import latest_look
from seqablate.study.picture import draw
from seqablate.study.report import make_report
from seqablate.study.request import Request
from seqablate.study.run import stages
from seqablate.study.sweeps import choose, tuning_stage
from seqablate.study.text import reported

TABLE = {
    "claim": "One solves more than the other.",
    "arms": {"one": "model=lstm", "other": "model=rnn"},
    "tune": {"optim.lr": [0.01, 0.003, 0.001]},
    "seeds": 10,
    "criterion": {"measure": "solved", "compare": "one - other", "at_least": 0.5},
}
LR = {0.01: ("optim.lr=0.01",), 0.003: ("optim.lr=0.003",), 0.001: ("optim.lr=0.001",)}


def study(**other):
    return parse({**TABLE, **other}, "mine")


def first_solves(job):
    return solved_at(100 if job.arm == "one" else None)


def tuned(write, frozen, results):
    stage = tuning_stage(write, frozen)
    write_stage(stage, results)
    return choose(frozen, tuning_stage(write, frozen))


def test_each_arm_is_tuned_by_the_share_of_solved_runs_then_by_the_metric_of_the_last_evaluation(tmp_path):
    """``one``: two of two solved at 0.003, one at 0.01. ``other``: none solved; medians 0.3, 0.2 and 0.25."""

    def results(job):
        lr, second = job.point[0], job.seed % 2
        if job.arm == "one":
            return solved_at(100 if lr == "optim.lr=0.003" or (lr == "optim.lr=0.01" and second) else None)
        return solved_at(None, {"optim.lr=0.01": 0.3, "optim.lr=0.003": 0.2, "optim.lr=0.001": 0.25}[lr])

    assert tuned(tmp_path / "s", make(study()), results) == {"one": LR[0.003], "other": LR[0.003]}


def test_a_point_that_diverged_is_the_last_to_be_chosen_and_of_equal_ones_the_first_is(tmp_path):
    def results(job):
        worse = job.point == LR[0.01]
        return solved_at(None, 0.4, status="diverged") if worse else solved_at(None, 0.4)

    assert tuned(tmp_path / "s", make(study()), results) == {"one": LR[0.003], "other": LR[0.003]}


def test_where_the_steps_to_solve_decide_they_tune_as_well(tmp_path):
    criterion = {"measure": "steps_to_solve", "compare": "other / one", "at_least": 1.5}

    def results(job):
        return solved_at(300 if job.point == LR[0.01] else 200, 0.001 if job.point == LR[0.01] else 0.002)

    assert tuned(tmp_path / "s", make(study(criterion=criterion)), results)["one"] == LR[0.003]


def test_test_data_do_not_tune(tmp_path):
    def results(job):
        found = solved_at(None, 0.3 if job.point == LR[0.01] else 0.2)
        return found | {"test": {"loss": 0.0, "metrics": {"mse": 0.0}, "solved": False}}

    assert tuned(tmp_path / "s", make(study()), results)["one"] == LR[0.003]


def test_a_report_says_the_word_the_effect_and_two_sentences(tmp_path):
    frozen = make(study())
    folder = write_study(tmp_path / "s", frozen, first_solves, first_solves)
    report = make_report(folder, frozen)
    assert (report.verdict, report.together, report.missing) == ("SUPPORTED", "SUPPORTED", [])
    assert report.findings[0].estimate == 1
    assert report.sentences == [
        "Runs that solve the task: one 10 of 10, other 0 of 10; the difference is 1 (95 % interval 0.608 to 1), "
        "p = 0.00195, and the claim needs at least 0.5.",
        "So 10 seeds of each arm support the claim.",
    ]
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["arms"][0]["solved"] == 10
    assert any("SUPPORTED" in line for line in reported(report, [], "s"))


def test_a_value_at_the_end_of_what_was_tried_is_named(tmp_path):
    frozen = make(study())
    report = make_report(write_study(tmp_path / "s", frozen, first_solves, first_solves), frozen)
    assert "one: optim.lr=0.01 is the largest value that was tried; one beyond it may do better" in report.notes


def test_of_two_values_that_were_tried_each_is_an_end(tmp_path):
    frozen = make(study(tune={"optim.lr": ["0.01", "0.001"]}))
    report = make_report(write_study(tmp_path / "s", frozen, first_solves, first_solves), frozen)
    assert "one: optim.lr=0.01 is the largest value that was tried; one beyond it may do better" in report.notes


def test_a_study_that_was_never_begun_is_gone_on_with_by_the_words_that_named_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = Request("lstm-remembers", ["budget=quick", "name=my try"])
    assert request.again == "lstm-remembers budget=quick 'name=my try'"
    freeze(request.folder, request.frozen)
    assert request.again == "'outputs/my try'"


def test_diverged_runs_are_failures_and_are_counted(tmp_path):
    frozen = make(study())

    def results(job):
        return first_solves(job) | ({"status": "diverged"} if job.arm == "one" and job.seed < 4 else {})

    report = make_report(write_study(tmp_path / "s", frozen, results, first_solves), frozen)
    assert report.arms[0].solved == 6
    assert report.arms[0].statuses == {"diverged": 4, "done": 6}
    assert "one: 4 runs diverged, and count as failures" in report.notes


def test_a_study_that_is_not_run_says_what_is_missing(tmp_path):
    frozen = make(study())
    report = make_report(tmp_path / "none", frozen)
    assert (report.verdict, report.together) == ("NOT RUN", "NOT RUN")
    assert len(report.missing) == 12
    assert report.missing[0] == "tuning: one optim.lr=0.01 seed=1000000: not planned"
    assert report.sentences[1] == "So nothing is known of the claim."


def test_a_failed_run_leaves_the_study_not_run_and_is_named_with_its_reason(tmp_path):
    frozen = make(study())

    def results(job):
        failed = job.arm == "one" and job.seed == 3
        return first_solves(job) | ({"status": "failed", "message": "no space left"} if failed else {})

    report = make_report(write_study(tmp_path / "s", frozen, results, first_solves), frozen)
    assert report.verdict == "NOT RUN"
    assert report.missing == ["runs: one optim.lr=0.01 seed=3: failed: no space left"]


def test_repetitions_that_disagree_are_inconclusive_together_and_all_are_listed(tmp_path):
    one, other = make(study()), make(study(), first=1000)
    write_study(tmp_path / "s", one, first_solves, first_solves)
    folder = write_study(tmp_path / "s-again", other, lambda job: solved_at(None), first_solves)
    report = make_report(folder, other)
    assert (report.verdict, report.together) == ("CONTRADICTED", "INCONCLUSIVE")
    assert {each.verdict for each in report.folders} == {"CONTRADICTED", "SUPPORTED"}


def test_a_quick_folder_and_another_version_are_listed_and_do_not_count(tmp_path):
    frozen = make(study())
    folder = write_study(tmp_path / "s", frozen, first_solves, first_solves)
    write_study(tmp_path / "quick", make(study(), "quick"), first_solves, first_solves)
    write_study(tmp_path / "edited", make(study(seeds=6)), lambda job: solved_at(None), first_solves)
    report = make_report(folder, frozen)
    assert report.together == "SUPPORTED"
    assert {each.path.rpartition("/")[2]: each.same for each in report.folders} == {
        "s": True, "quick": False, "edited": False,
    }  # fmt: skip


def test_the_first_look_that_decides_is_the_verdict(tmp_path):
    """Seven pairs that differ are p = 0.016, below a third of 5 %; six are not. Both solve with the first seed."""
    frozen = make(study(looks=[7, 8, 10]))

    def results(job):
        return solved_at(100 if job.arm == "one" or job.seed == 0 else None)

    folder = write_study(tmp_path / "s", frozen, results, first_solves)
    look = latest_look(folder, frozen)
    assert (look.seeds, look.verdict.word) == (8, "SUPPORTED")
    assert make_report(folder, frozen).seeds == list(range(8))


def test_a_study_with_looks_runs_no_further_than_to_the_look_that_decides(tmp_path):
    frozen = make(study(looks=[7, 8, 10]))
    freeze(tmp_path / "s", frozen)

    def results(job):
        return solved_at(100 if job.arm == "one" or job.seed == 0 else None)

    runs = []
    for stage in stages(tmp_path / "s", frozen):
        write_stage(stage, results)
        runs.append((stage.path.name, len(stage.words)))
    assert runs == [("tuning", 2 * 3 * 2), ("runs", 2 * 7), ("runs", 2 * 8)]


def test_nothing_is_run_on_the_seeds_that_decide_while_a_run_of_tuning_has_failed(tmp_path):
    frozen = make(study())
    freeze(tmp_path / "s", frozen)
    found = []
    for stage in stages(tmp_path / "s", frozen):
        write_stage(stage, lambda job: solved_at(None, status="failed", message="no space left"))
        found.append(stage.path.name)
    assert found == ["tuning"]
    lines = list(reported(make_report(tmp_path / "s", frozen), [], "mine.yaml"))
    assert "go on: seqablate study run mine.yaml" in lines[-1]
    assert "sweep.retry_failed=true" in lines[-1]


def test_a_task_without_a_goal_cannot_be_decided_by_solved_runs(tmp_path):
    frozen = make(study())
    folder = write_study(tmp_path / "s", frozen, first_solves, first_solves, METRIC | {"goal": None})
    report = make_report(folder, frozen)
    assert report.verdict == "INCONCLUSIVE"
    assert report.findings[0].note == "10 of 10 pairs have no solved"


def test_a_report_without_an_end_is_plain_json_and_a_picture(tmp_path):
    """Steps to solve are infinite where a run never solves its task."""
    frozen = make(study(criterion={"measure": "steps_to_solve", "compare": "other / one", "at_least": 1.5}))
    folder = write_study(tmp_path / "s", frozen, first_solves, first_solves)
    report = make_report(folder, frozen)
    assert (report.verdict, report.findings[0].estimate) == ("SUPPORTED", math.inf)
    json.dumps(report.to_json(), allow_nan=False)
    assert [path.name for path in draw(report, folder)] == ["verdict.png", "verdict.svg"]


@pytest.fixture(autouse=True)
def beside_nothing(tmp_path):
    (tmp_path / "a file.txt").write_text("not a study")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "study.json").write_text("{")


def test_freezing_is_needed_before_a_study_counts_as_one_of_several(tmp_path):
    frozen = make(study())
    assert [each.path for each in make_report(tmp_path / "s", frozen).folders] == [str(tmp_path / "s")]
    freeze(tmp_path / "t", make(study(), first=20))
    assert len(make_report(tmp_path / "s", frozen).folders) == 2
