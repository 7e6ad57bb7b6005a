"""Training sequences that vary in length, tests at other lengths, and what becomes of them in the record."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seqablate import load_run, load_runs
from seqablate.api import run_config
from seqablate.assemble import assemble, read_overrides
from seqablate.comparison.measures import find_measure
from seqablate.errors import UsageError
from seqablate.record.rows import EvalRow, LengthRow
from seqablate.record.run import Run
from seqablate.shape import Misfit
from seqablate.study.criterion import Criterion, check
from seqablate.training.evaluate import evaluate
from seqablate.training.lengths import training_task

SMALL = ["model=rnn", "model.hidden_size=4", "task=copy", "task.length=9", "batch_size=3", "eval.size=20", "quiet=true"]
SMALL += ["steps=12", "eval.every=4", "checkpoint.every=4", "diagnostic=[]"]
COPIED = 20  # timesteps of the copy task beside its length


def lengths(*words: str, steps: int = 12, reached: int | None = None) -> list[int]:
    """The length of each training batch, by its arrays."""
    parts = assemble(read_overrides([*SMALL, f"steps={steps}", *words]))
    return [len(training_task(parts, step, reached).train_batch(step).x) - COPIED for step in range(steps)]


def train(tmp_path: Path, *words: str) -> Run:
    ending = run_config(read_overrides([*SMALL, f"output_dir={tmp_path}", *words]), [])
    return load_run(ending.path)


def test_without_a_curriculum_every_batch_has_the_length_of_the_task():
    assert lengths() == [9] * 12


def test_uniform_lengths_are_drawn_evenly_from_the_range_and_depend_on_seed_and_step_alone():
    found = lengths("curriculum=uniform", "curriculum.shortest=5", steps=400)
    assert found == lengths("curriculum=uniform", "curriculum.shortest=5", "model.hidden_size=5", steps=400)
    assert found != lengths("curriculum=uniform", "curriculum.shortest=5", "seed=1", steps=400)
    counts = Counter(found)
    assert set(counts) == {5, 6, 7, 8, 9}
    assert all(abs(count - 80) < 5 * np.sqrt(80 * 0.8) for count in counts.values())


def test_linear_lengths_grow_in_proportion_to_the_steps():
    words = ["curriculum=linear", "curriculum.shortest=1", "curriculum.sample_all_lengths=false"]
    assert lengths(*words, steps=16) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8]
    assert lengths(*words, "curriculum.share=0.5", steps=16) == [1, 2, 3, 4, 5, 6, 7, 8] + [9] * 8
    drawn = lengths("curriculum=linear", "curriculum.shortest=1", steps=200)
    assert all(1 <= length <= 1 + 8 * step / 200 for step, length in enumerate(drawn))
    assert len(set(drawn[100:])) > 4


def test_a_batch_of_another_length_is_that_of_the_task_of_that_length():
    parts = assemble(read_overrides([*SMALL, "curriculum=uniform", "curriculum.shortest=5"]))
    found = training_task(parts, 3, None).train_batch(3)
    length = len(found.x) - COPIED
    alone = assemble(read_overrides([*SMALL, f"task.length={length}"])).task.train_batch(3)
    np.testing.assert_array_equal(found.x, alone.x)
    np.testing.assert_array_equal(found.y, alone.y)


def test_the_first_sequences_of_a_larger_batch_are_those_of_a_smaller_one_at_every_length():
    words = [*SMALL, "curriculum=linear", "curriculum.shortest=2"]
    small, large = (assemble(read_overrides([*words, f"batch_size={size}"])) for size in (3, 8))
    for step in range(12):
        few, many = (training_task(parts, step, None).train_batch(step) for parts in (small, large))
        np.testing.assert_array_equal(few.x, many.x[:, :3])


def is_solved_up_to(monkeypatch, length: int) -> list[int]:
    """Let evaluations say so; the lengths that were asked for."""
    asked: list[int] = []
    true = evaluate

    def answer(parts, split, task=None):
        asked.append((task or parts.task).spec.length - COPIED)
        found = true(parts, split, task)
        return type(found)(loss=found.loss, metrics=found.metrics, solved=asked[-1] <= length)

    for place in ("loop", "lengths"):
        monkeypatch.setattr(f"seqablate.training.{place}.evaluate", answer)
    return asked


def test_a_length_grows_until_one_is_not_solved_and_never_beyond_the_tasks_own(monkeypatch, tmp_path):
    is_solved_up_to(monkeypatch, 6)
    words = ["curriculum=when_solved", "curriculum.shortest=2", "curriculum.add=3"]
    run = train(tmp_path, *words)
    assert {row.length for row in run.record.rows() if isinstance(row, EvalRow)} == {8}  # 2, 5, then 8 is not solved
    assert run.info.length == 8
    is_solved_up_to(monkeypatch, 100)
    assert train(tmp_path, *words, "name=all", "stop_when_solved=false").info.length == 9


def test_the_length_reached_is_part_of_a_checkpoint(monkeypatch, tmp_path):
    """A run that goes on trains on what it would have trained on: its weights are the same, bit for bit."""
    from seqablate.report.plain import SilentReporter
    from seqablate.training import loop
    from seqablate.training.run import resume_run

    words = ["curriculum=when_solved", "curriculum.shortest=2", "curriculum.add=1"]
    asked = is_solved_up_to(monkeypatch, 5)
    whole = train(tmp_path, *words, "name=whole")
    assert asked
    true = loop._train

    def killed(parts, make_step, state, pending):
        if state.step == 6:
            raise KeyboardInterrupt
        true(parts, make_step, state, pending)

    monkeypatch.setattr(loop, "_train", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, *words, "name=killed")
    monkeypatch.setattr(loop, "_train", true)
    is_solved_up_to(monkeypatch, 1)  # had the length been forgotten, it would stay at 2
    folder = load_run(tmp_path / "killed").folder
    resume_run(folder, assemble(read_overrides([*SMALL, *words])), SilentReporter())
    resumed = load_run(tmp_path / "killed")
    assert resumed.info.length == whole.info.length == 6
    for mine, theirs in zip(resumed.load_model().parameters(), whole.load_model().parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_results_at_other_lengths_are_those_of_the_task_built_at_that_length(tmp_path):
    run = train(tmp_path, "eval.lengths=[4,9,30]")
    model = run.load_model()
    for found in run.info.at_lengths:
        parts = assemble(read_overrides([*SMALL, f"task.length={found.length}"]))
        parts.model.load_state_dict(model.state_dict())
        alone = evaluate(parts, "test")
        assert (found.loss, found.metrics) == (alone.loss, alone.metrics)
        assert found.chance == parts.task.metrics[0].chance
    assert [found.length for found in run.info.at_lengths] == [4, 9, 30]
    assert run.info.at_lengths[1].metrics == run.info.test.metrics
    rows = [row for row in run.record.rows() if isinstance(row, LengthRow)]
    assert [row.metrics for row in rows] == [found.metrics for found in run.info.at_lengths]
    measure = find_measure("loss@30", [run])
    assert measure.value(run) == run.info.at_lengths[2].loss == find_measure("value@30", [run]).value(run)
    assert measure.lower_is_better
    assert load_runs(tmp_path)["test_loss@30"][0] == measure.value(run)
    with pytest.raises(UsageError, match="loss@4, loss@9, loss@30"):
        find_measure("loss@31", [run])


def test_lengths_of_a_test_change_nothing_that_is_learned(tmp_path):
    plain, tested = (train(tmp_path, f"name={n}", *more) for n, more in (("a", []), ("b", ["eval.lengths=[50]"])))
    for mine, theirs in zip(plain.load_model().parameters(), tested.load_model().parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("task=digits eval.lengths=[3]", "task=digits cannot vary in length"),
        ("task=reverse curriculum=linear curriculum.shortest=5", "task=reverse cannot vary in length"),
        ("task=lm curriculum=uniform", "task=lm cannot vary in length"),
        ("curriculum=uniform curriculum.shortest=3", "curriculum: task.length=3: must be at least 10"),
        ("curriculum=uniform curriculum.shortest=200", "curriculum.shortest=200: must be at most task.length=100"),
        ("eval.lengths=[5]", "eval.lengths: task.length=5: must be at least 10"),
        ("eval.lengths=[0]", "eval.lengths=0: must be at least 1"),
        ("eval.lengths=[40,40]", "names a length twice"),
        ("eval.lengths=[1000000000000]", "one test would take"),
        ("model=mlp eval.lengths=[200]", "model=mlp has a weight for every timestep"),
        ("model=transformer model.position=learned eval.lengths=[200]", "100 positions"),
        ("curriculum=linear curriculum.share=0", "curriculum.share=0.0: must be above 0"),
    ],
)
def test_lengths_that_cannot_be_are_refused_with_one_line(words, said):
    with pytest.raises(UsageError) as refused:
        read_overrides(words.split())
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "memory", "said"),
    [
        ("model=rnn eval.lengths=[2000000] model.hidden_size=8 eval.size=250", 17e9, "needs 18 GB of memory or more"),
        ("model=rnn eval.lengths=[2000000] model.hidden_size=8 eval.size=250", 19e9, None),
        ("model=rnn eval.lengths=[2000000] model.hidden_size=8 eval.size=25", 17e9, None),
        ("model=transformer eval.lengths=[100000] eval.size=250", 1e15, "one test would take"),
        ("model=transformer eval.lengths=[1000] eval.size=250", 1e15, None),
    ],
)
def test_a_test_that_this_machine_cannot_make_is_refused_before_the_run(words, memory, said, monkeypatch):
    monkeypatch.setattr("seqablate.config.sizes.memory", lambda: memory)
    with nullcontext() if said is None else pytest.raises(UsageError, match=rf"^eval.lengths=\d+: .*{said}"):
        read_overrides([*words.split(), "device=cpu"])


def test_a_model_without_a_fixed_length_reads_shorter_and_longer_sequences(tmp_path):
    words = ["model=transformer", "model.hidden_size=4", "model.num_heads=2", "steps=2", "eval.every=2"]
    words = [word for word in SMALL if not word.startswith(("model", "steps", "eval.every"))] + words
    more = ["curriculum=uniform", "curriculum.shortest=2", "eval.lengths=[40]", f"output_dir={tmp_path}"]
    run = load_run(run_config(read_overrides([*words, *more]), []).path)
    assert run.info.status == "done"
    assert np.isfinite(run.info.at_lengths[0].loss)


def test_a_study_may_decide_by_the_metric_at_another_length():
    criterion = Criterion(measure="value@256", compare="a - b", at_least=0.1)
    check(criterion, ["a", "b"])
    for wrong in ("value@0", "value@", "value@x", "solved@256"):
        with pytest.raises(Misfit, match="value@LENGTH"):
            check(replace(criterion, measure=wrong), ["a", "b"])


def test_a_curriculum_of_many_lengths_builds_only_those_that_are_asked_for(monkeypatch):
    from seqablate import assemble as module

    built: list[int | None] = []
    true = module.build_task
    monkeypatch.setattr(module, "build_task", lambda config, length=None: built.append(length) or true(config, length))
    parts = assemble(read_overrides([*SMALL, "task.length=500", "curriculum=uniform", "curriculum.shortest=5"]))
    assert built == [None, 5]
    assert len(parts.task_at(77).train_batch(0).x) == 77 + COPIED
    assert built == [None, 5, 77]
    assert (parts.config.traits.length, parts.config.traits.longest) == (None, 500 + COPIED)


def test_a_run_that_fails_in_a_test_at_another_length_goes_on_with_the_tests(monkeypatch, tmp_path):
    from seqablate.errors import RunFailure
    from seqablate.report.plain import SilentReporter
    from seqablate.training import lengths as module
    from seqablate.training import loop
    from seqablate.training.run import resume_run

    words = ["eval.lengths=[4,30]", "checkpoint.every=0"]
    whole = train(tmp_path, *words, "name=whole")

    def fail(*arguments):
        raise RunFailure("out of memory")

    true = module._test
    monkeypatch.setattr(module, "_test", fail)
    with pytest.raises(RunFailure):
        train(tmp_path, *words, "name=failed")
    monkeypatch.setattr(module, "_test", true)
    monkeypatch.setattr(loop, "_train", fail)  # nothing is trained again
    resume_run(load_run(tmp_path / "failed").folder, assemble(read_overrides([*SMALL, *words])), SilentReporter())
    resumed = load_run(tmp_path / "failed")
    assert resumed.info.status == "done"
    assert resumed.info.at_lengths == whole.info.at_lengths
    assert resumed.info.test == whole.info.test
    counts = [Counter(type(row).__name__ for row in run.record.rows()) for run in (resumed, whole)]
    assert counts[0] - Counter(ResumeRow=1) == counts[1]
    for mine, theirs in zip(resumed.load_model().parameters(), whole.load_model().parameters(), strict=True):
        assert torch.equal(mine, theirs)
