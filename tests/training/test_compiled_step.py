"""The compiled step makes the steps that the plain one makes, in runs of every kind that it takes."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from seqablate.assemble import assemble, read_overrides
from seqablate.clip.base import Clip
from seqablate.clip.none import NoClip
from seqablate.clip.norm import NormClip
from seqablate.clip.value import ValueClip
from seqablate.models.recurrent.model import RecurrentModel
from seqablate.tasks.base import Batch
from seqablate.training.compiled import net
from seqablate.training.compiled.step import CompiledStep, _clip, _ratio
from seqablate.training.compiled.which import refusal
from seqablate.training.parts import Parts
from seqablate.training.step import COLUMNS
from seqablate.training.stepper import plain, stepper

SMALL = ["device=cpu", "steps=40", "batch_size=7", "dtype=float64", "eval.size=10"]


def parts_of(*words: str) -> Parts:
    defaults = {"task": "adding", "model": "gru", "model.hidden_size": "9", "clip": "norm", "optim": "adam"}
    given = {word.partition("=")[0] for word in words}
    return assemble(read_overrides([*SMALL, *(f"{k}={v}" for k, v in defaults.items() if k not in given), *words]))


def twin(*words: str, steps: int = 12) -> None:
    """Both steps from the same start; every number they leave is the same, position by position."""
    ours, theirs = parts_of(*words), parts_of(*words)
    assert refusal(ours) is None
    fast, slow = CompiledStep(ours), plain(theirs)
    for step in range(steps):
        found, expected = (make(step, ours.task, None, True, True) for make in (fast, slow))
        np.testing.assert_allclose(found.measured, expected.measured, rtol=1e-10, err_msg=f"{COLUMNS} at {step}")
        for point in ours.model.probe_points:
            for kind in ("total", "direct"):
                a, b = (getattr(outcome.seen[point.name], kind) for outcome in (found, expected))
                assert a.keys() == b.keys()
                for state in a:
                    np.testing.assert_allclose(a[state], b[state], rtol=1e-10, atol=1e-18, err_msg=f"{point} {kind}")
        assert (found.lengths is None) == (expected.lengths is None)
    for (name, a), b in zip(ours.model.named_parameters(), theirs.model.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-10, atol=1e-13, err_msg=name)
    assert ours.optimizer.param_groups[0]["lr"] == theirs.optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("model", ["rnn", "gru", "lstm", "lstm model.variant=no_forget_gate", "mgu"])
@pytest.mark.parametrize("layers", [1, 3])
def test_each_cell_in_a_stack(model: str, layers: int) -> None:
    # Adam divides small gradients by their own size: their rounding grows from step to step, in a stack the most.
    twin(*f"model={model}".split(), f"model.num_layers={layers}", steps=12 if layers == 1 else 4)


@pytest.mark.parametrize("nonlinearity", ["relu", "sigmoid", "identity"])
def test_each_nonlinearity_of_an_rnn(nonlinearity: str) -> None:
    twin("model=rnn", f"model.nonlinearity={nonlinearity}")


@pytest.mark.parametrize(
    "task",
    [
        ["task=adding", "task.variant=pascanu", "task.length=20"],  # one number; samples of unequal lengths
        ["task=temporal_order", "task.length=20"],  # classes after the last step
        ["task=copy", "task.length=8"],  # classes at every step
        ["task=selective_copy"],
        ["task=recall"],
        ["task=dyck"],
        ["task=parity", "task.length=12"],
        ["task=state_tracking", "task.length=8"],
        ["task=flip_flop"],
        ["task=agreement"],  # token ids, a loss after the last step
        ["task=agreement", "task.variant=lm"],  # token ids, a loss at every step
        ["task=adding", "task.shuffle_labels=true"],
    ],
    ids=" ".join,
)
def test_each_kind_of_loss(task: list[str]) -> None:
    twin(*task, "model=lstm", steps=5)


@pytest.mark.parametrize(
    "clip", [["clip=none"], ["clip=norm", "clip.max_norm=0.05"], ["clip=value", "clip.clip_value=0.01"]]
)
def test_each_clip(clip: list[str]) -> None:
    twin(*clip)


@pytest.mark.parametrize(
    "optim",
    [
        ["optim=sgd"],
        ["optim=sgd", "optim.weight_decay=0.1"],
        ["optim=momentum", "optim.weight_decay=0.1"],
        ["optim=momentum", "optim.nesterov=true"],
        ["optim=adam", "optim.weight_decay=0.1"],
        ["optim=adam", "optim.betas=[0.5,0.7]", "optim.eps=0.01"],
        ["optim=adamw", "optim.weight_decay=0.1"],
        ["optim=rmsprop"],
        ["optim=rmsprop", "optim.momentum=0.9", "optim.weight_decay=0.1"],
        ["optim=adagrad", "optim.weight_decay=0.1"],
    ],
    ids=" ".join,
)
def test_each_optimizer(optim: list[str]) -> None:
    twin(*optim, "optim.lr=0.02", "schedule=cosine")


def test_what_a_step_has_seen_stays_as_it_is_when_the_next_ones_use_its_arrays_again() -> None:
    """The norms are read up to ten steps later."""
    parts = parts_of("model=lstm")
    make = CompiledStep(parts)
    outcomes = [make(step, parts.task, None, True, False) for step in range(3)]
    (point,) = parts.model.probe_points
    for step, outcome in enumerate(outcomes):
        again = CompiledStep(parts_of("model=lstm"))
        for number in range(step):
            again(number, parts.task, None, False, False)
        expected = again(step, parts.task, None, True, False).seen[point.name].total
        for state, found in outcome.seen[point.name].total.items():
            assert torch.equal(found, expected[state])


@pytest.mark.parametrize("task", [["task=adding"], ["task=copy"], ["task=agreement"]], ids=" ".join)
def test_arrays_that_are_made_anew_give_the_same_bits(monkeypatch: pytest.MonkeyPatch, task: list[str]) -> None:
    """So it is with arrays too large to be kept, and after a batch of another shape."""
    values = []
    for most in (2**26, 0):
        monkeypatch.setattr(net, "MOST_KEPT", most)
        parts = parts_of(*task, "model=gru", "model.num_layers=2")
        make = CompiledStep(parts)
        for step, length in enumerate((None, 15, 15, 11, None)):
            batches = parts.task if length is None or "agreement" in task[0] else parts.task_at(length)
            make(step, batches, None, step % 2 == 0, False)
            assert (make.net.kept is None) == (most == 0)
        values.append(make.flat.values)
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("model", ["rnn", "gru", "lstm", "mgu"])
def test_nothing_is_left_of_a_step_that_was_not_finite(model: str) -> None:
    """Its arrays, which the next step fills again, are full of NaN."""

    class Infinite:
        def train_batch(self, step: int) -> Batch:
            batch = parts.task.train_batch(step)
            return replace(batch, x=np.full_like(batch.x, np.inf))

    words = f"model={model}", "model.num_layers=2", "on_nonfinite=skip"
    parts, clean = parts_of(*words), parts_of(*words)
    make, expected = CompiledStep(parts), CompiledStep(clean)
    assert make(0, Infinite(), None, True, False).measured[COLUMNS.index("skipped")] > 0
    for step in range(2):
        for maker, task in ((make, parts.task), (expected, clean.task)):
            maker(step, task, None, True, False)
    np.testing.assert_array_equal(make.flat.values, expected.flat.values)


@pytest.mark.parametrize("a", [0.0, 2.0, math.inf, math.nan])
@pytest.mark.parametrize("b", [0.0, 4.0, math.inf, math.nan])
def test_the_ratio_of_norms_is_that_of_tensors(a: float, b: float) -> None:
    np.testing.assert_equal(_ratio(a, b), (torch.tensor(a) / torch.tensor(b)).item())


def test_in_float32_both_are_the_same_within_rounding() -> None:
    ours, theirs = parts_of("dtype=float32", "model=lstm"), parts_of("dtype=float32", "model=lstm")
    for make in (CompiledStep(ours), plain(theirs)):
        for step in range(10):
            make(step, ours.task, None, False, False)
    for a, b in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        assert a.dtype == torch.float32
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=0, atol=3e-6)


def test_the_model_and_the_optimizer_have_every_step_of_it() -> None:
    """What is saved in a checkpoint is what the next step starts from, in a process that loads it as well."""
    whole, first, second = (parts_of("optim=adam") for _ in range(3))
    make = stepper(whole)
    for step in range(8):
        make(step, whole.task, None, False, False)
    make = stepper(first)
    for step in range(4):
        make(step, first.task, None, False, False)
    second.model.load_state_dict(first.model.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    make = stepper(second)
    for step in range(4, 8):
        make(step, second.task, None, False, False)
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_skipped_step_changes_nothing() -> None:
    twin("skip_above=1e-9")
    parts = parts_of("skip_above=1e-9")
    before = [p.detach().clone() for p in parts.model.parameters()]
    outcome = CompiledStep(parts)(0, parts.task, None, False, True)
    assert outcome.measured[COLUMNS.index("skipped")] > 0
    assert all(torch.equal(a, b) for a, b in zip(before, parts.model.parameters(), strict=True))


@pytest.mark.parametrize("clip", [NoClip(), NormClip(0.5), ValueClip(0.5)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "entries",
    [
        [0.3, -0.1, 0.2],
        [3.0, -4.0, 0.4],
        [0.0, 0.0, 0.0],
        [1e-30, -1e-30, 0.0],
        [1e38, -1e38, 1e38],
        [math.inf, 1.0, -1.0],
        [math.inf, -math.inf, 1.0],
        [math.nan, 1.0, -1.0],
    ],
    ids=str,
)
def test_a_clip_does_to_one_array_what_it_does_to_parameters(clip: Clip, dtype: str, entries: list[float]) -> None:
    parameter, one = torch.nn.Parameter(torch.zeros(3, dtype=getattr(torch, dtype))), np.array(entries, dtype)
    parameter.grad = torch.tensor(entries, dtype=parameter.dtype)
    expected, found = clip([parameter]), _clip(clip, SimpleNamespace(grads=one, values=one))()
    for a, b in zip(found, (expected.norm_before, expected.norm_after, expected.clipped), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7 if dtype == "float32" else 1e-15)
    np.testing.assert_allclose(one, parameter.grad, rtol=3e-7 if dtype == "float32" else 1e-15)


@pytest.mark.parametrize("clip", ["none", "norm", "value"])
@pytest.mark.parametrize("bias", [math.inf, math.nan])
def test_a_gradient_that_is_not_finite_is_told_as_by_the_plain_step(clip: str, bias: float) -> None:
    ours, theirs = parts_of(f"clip={clip}"), parts_of(f"clip={clip}")
    for parts in (ours, theirs):
        torch.nn.init.constant_(parts.model.readout.bias, bias)
    found, expected = (make(0, ours.task, None, False, False) for make in (CompiledStep(ours), plain(theirs)))
    assert not torch.isfinite(found.measured[:2]).all()
    np.testing.assert_array_equal(found.measured[1:], expected.measured[1:])


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["model=mlp"], "model"),
        (["model=mingru"], "model"),
        (["model=lru"], "model"),
        (["model.bidirectional=true"], "model"),
        (["model.num_layers=2", "model.dropout=0.5"], "model"),
        (["model.num_layers=2", "model.skip=residual"], "model"),
        (["model.time_skip=3"], "model"),
        (["model.norm=cell"], "model"),
        (["clip=state"], "clip"),
        (["optim=adadelta"], "optim"),
        (["regularizer=l2"], "regularizer"),
        (["backend=loop"], "backend"),
    ],
)
def test_every_other_run_takes_the_plain_step_and_says_why(words: list[str], part: str) -> None:
    assert part in str(refusal(parts_of(*words)))


def other_clip(parts: Parts) -> Parts:
    class Half(NormClip):
        """Not what it derives from."""

        def __call__(self, parameters):
            return NormClip(self.max_norm / 2)(parameters)

    return replace(parts, clip=Half(1.0))


def other_model(parts: Parts) -> Parts:
    class Doubled(RecurrentModel):
        def forward(self, *given, **named):
            output, state = super().forward(*given, **named)
            return 2 * output, state

    parts.model.__class__ = Doubled
    return parts


def other_optimizer(parts: Parts, **options: object) -> Parts:
    groups = [{"params": [p], "lr": 0.1 / k, "initial_lr": 0.1 / k} for k, p in enumerate(parts.parameters, 1)]
    return replace(parts, optimizer=torch.optim.Adam(groups if not options else parts.parameters, **options))


def test_threads_take_a_run_to_the_plain_step_only_where_they_help() -> None:
    assert refusal(parts_of("threads=2")) is None
    assert refusal(parts_of("threads=2", "model.hidden_size=400")) is None  # 3 x 7 x 400^2 = 3.4 million multiply-adds
    assert "backend" in str(refusal(parts_of("threads=2", "model.hidden_size=500")))


def hooked(parts: Parts) -> Parts:
    parts.model.readout.register_forward_hook(lambda module, given, output: output / 2)
    return parts


def hooked_parameter(parts: Parts) -> Parts:
    parts.parameters[0].register_hook(lambda gradient: gradient / 2)
    return parts


def parametrized(parts: Parts) -> Parts:
    torch.nn.utils.parametrizations.weight_norm(parts.model.readout)
    return parts


def tied(parts: Parts) -> Parts:
    first, second = parts.model.plain_stack().recurrences.values()
    second.bias_ih = first.bias_ih
    return parts


@pytest.mark.parametrize("change", [hooked, hooked_parameter, parametrized, tied])
def test_a_model_on_which_something_is_hung_is_not_a_plain_one(change) -> None:
    words = ["model.num_layers=2"]
    assert refusal(parts_of(*words)) is None
    assert "model" in str(refusal(change(parts_of(*words))))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (other_clip, "clip"),
        (other_model, "model"),
        (other_optimizer, "optim"),  # a rate for each parameter
        (partial(other_optimizer, amsgrad=True), "optim"),
        (partial(other_optimizer, maximize=True), "optim"),
        (lambda parts: replace(parts, optimizer=torch.optim.Adam(parts.parameters[:3])), "optim"),
    ],
)
def test_a_part_of_ones_own_that_derives_from_one_of_ours_is_not_taken_for_it(change, part) -> None:
    assert refusal(parts_of()) is None
    assert part in str(refusal(change(parts_of())))
