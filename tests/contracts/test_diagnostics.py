"""Every diagnostic, the same promises, on models of every kind."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from seqablate.assemble import assemble, read_overrides
from seqablate.config.registry import variant_class, variants
from seqablate.errors import UsageError
from seqablate.signals import Signal
from seqablate.signals.view import declared, view_of
from seqablate.training.diagnose import after_last_step, look_at, read_step, step_observed
from seqablate.training.parts import Parts
from seqablate.training.stepper import stepper

DIAGNOSTICS = variants("diagnostic")
SMALL = ["batch_size=3", "eval.size=5", "eval.every=4", "probe.every=2", "steps=6", "device=cpu", "model.hidden_size=4"]
MODELS = [
    "model=lstm model.num_layers=2 model.bidirectional=true task=adding task.length=10",
    "model=gru task=copy task.length=10",
    "model=seq2seq task=reverse task.length=4 task.symbols=5",
    "model=transformer model.num_heads=2 model.dim_feedforward=6 task=copy task.length=10",
    "model=t5 model.num_heads=2 model.dim_feedforward=6 task=reverse task.length=4 task.symbols=5",
    "model=mlp model.depth=3 task=adding task.length=10",
    "model=rnn task=temporal_order task.variant=hs97 task.length=22",
]
each = pytest.mark.parametrize("model", MODELS, ids=lambda words: words.split()[0])
named = pytest.mark.parametrize("name", DIAGNOSTICS)


def parts_of(model: str, *words: str) -> Parts:
    return assemble(read_overrides([*SMALL, *model.split(), *words]))


def trained(parts: Parts, steps: int = 6) -> list[Signal]:
    """Signals of a run as the loop makes it, without a record."""
    carried, signals, make_step = None, [], stepper(parts)
    for step in range(steps):
        signals += look_at(parts, step, evaluating=step % parts.config.eval.every == 0)
        outcome = make_step(step, parts.task, carried, step_observed(parts, step), False)
        if outcome.seen is not None:
            signals += read_step(parts, outcome.seen, step, outcome.lengths)
        carried = outcome.carried
    return [*signals, *look_at(parts, steps, evaluating=True), *after_last_step(parts, steps, parts.task, carried)]


@cache
def measured(model: str, name: str) -> list[Signal]:
    return trained(parts_of(model, f"diagnostic={name}"))


@cache
def unmeasured(model: str) -> list[torch.Tensor]:
    parts = parts_of(model, "diagnostic=[]")
    assert not trained(parts)
    return list(parts.model.parameters())


@named
@each
def test_it_yields_quantities_that_it_has_a_view_for_and_shapes_that_the_view_shows(model, name):
    views = {view.quantity: view for view in variant_class("diagnostic", name).views}
    assert set(views.values()) <= set(declared())
    for signal in measured(model, name):
        assert view_of(signal) == views[signal.quantity]  # and not the plain view of axes that it does not show
        assert signal.values.dtype == np.float64


@named
@each
def test_its_values_are_numbers_and_only_what_no_sample_has_is_nan(model, name):
    for signal in measured(model, name):
        known = np.isfinite(signal.values)
        assert known.any()
        assert (signal.values[known] >= 0).all()
        assert np.isnan(signal.values[~known]).all()


@named
@each
def test_every_measurement_has_the_same_quantities_places_and_axes(model, name):
    by_step: dict[int, set] = {}
    for signal in measured(model, name):
        by_step.setdefault(signal.step, set()).add((signal.quantity, signal.place, signal.values.ndim))
    assert all(found == by_step[0] for found in by_step.values())


@named
@each
def test_it_is_measured_when_it_is_due_and_after_the_last_step(model, name):
    if not measured(model, name):
        assert name != "lag"  # the others need an encoder, several layers or timesteps
        return
    shared = {signal.step for signal in measured(model, name)}
    assert shared in ({0, 2, 4, 6}, {0, 4, 6})  # every probe.every steps, or at evaluations
    own = trained(parts_of(model, f"diagnostic={name}", f"diagnostic.{name}.every=3", "steps=7"), steps=7)
    assert {signal.step for signal in own} == {0, 3, 6, 7}
    assert not trained(parts_of(model, f"diagnostic={name}", "probe.every=0"), steps=1)


@each
def test_final_weights_are_bit_identical_with_all_diagnostics_and_with_none_and_no_random_stream_has_moved(model):
    before = torch.random.get_rng_state()
    parts = parts_of(model, f"diagnostic=[{','.join(DIAGNOSTICS)}]", "probe.every=1", "eval.every=1")
    assert trained(parts)
    assert torch.equal(before, torch.random.get_rng_state())
    for p, q in zip(parts.model.parameters(), unmeasured(model), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("name", ["lag", "profile"])
def test_a_schedule_of_its_own_must_be_a_number_of_steps(name):
    with pytest.raises(UsageError, match=rf"diagnostic\.{name}\.every=0: must be at least 1"):
        read_overrides([f"diagnostic.{name}.every=0"])
