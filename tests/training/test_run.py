"""Whole small runs, in this process: what is recorded, and that it is what a plain loop would measure."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracle import loop
from recurrences import kernel_call
from torch import nn

import seqablate
from seqablate.assemble import assemble, build_model, build_task, read_overrides
from seqablate.record.reader import read_record
from seqablate.record.schema import Evaluation, Results
from seqablate.training import loop as training_loop
from seqablate.training.state import TrainState

SMALL = [
    "task.length=12", "model.hidden_size=8", "batch_size=4", "steps=25", "eval.every=10", "eval.size=30",
    "checkpoint.every=10", "device=cpu", "probe.every=5",
]  # fmt: skip


def train(*overrides: str) -> seqablate.Run:
    small = SMALL[1:] if "task=lm" in overrides else SMALL
    return seqablate.train([*small, *overrides])


def signals(run: seqablate.Run, **where) -> list[np.ndarray]:
    chosen = run.signals
    for name, value in where.items():
        chosen = chosen[chosen[name] == value]
    return chosen.sort_values("index")["value"].to_numpy()


def test_a_seed_longer_than_a_machine_word_is_recorded_and_read_back():
    seed = 10**31 - 1
    assert read_record(train("steps=1", f"seed={seed}").path).header.seed == seed


def test_every_step_is_recorded_once_and_evaluations_where_due():
    record = read_record(train().path)
    assert [row.step for row in record.train] == list(range(25))
    assert [row.step for row in record.evals] == [0, 10, 20, 25]
    assert [row.step for row in record.commits] == [10, 20, 25]
    profiles = {signal.step for signal in record.signals if signal.quantity == "total"}
    assert profiles == {0, 5, 10, 15, 20, 25}
    assert {signal.step for signal in record.signals if signal.quantity == "lag"} == {0, 10, 20, 25}


def test_the_first_steps_equal_a_plain_torch_loop():
    run = train("dtype=float64", "probe.every=0", "clip=norm", "clip.max_norm=0.05", "steps=8", "eval.every=8")
    config = read_overrides([*SMALL, "dtype=float64"])
    task = build_task(config)
    start = build_model(config, task).double()
    lstm, readout = start.stack.to_torch(), start.readout
    parameters = [*lstm.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    for step in range(8):
        batch = task.train_batch(step)
        output = readout(lstm(torch.from_numpy(batch.x).double())[0][-1])[:, 0]
        loss = ((output - torch.from_numpy(batch.y).double()) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(float((p.grad**2).sum()) for p in parameters))
        for p in parameters:
            p.grad *= min(1.0, 0.05 / norm)
        row = read_record(run.path).train[step]
        assert row.loss == pytest.approx(loss.item(), rel=1e-9)
        assert row.grad_norm == pytest.approx(norm, rel=1e-9)
        assert row.grad_norm_clipped == pytest.approx(min(norm, 0.05), rel=1e-9)
        assert row.clipped == (norm > 0.05)
        before = [p.detach().clone() for p in parameters]
        optimizer.step()
        assert (step == 0) == math.isfinite(row.update_ratio)  # measured at every tenth step
        if step == 0:
            change = math.sqrt(
                sum(float(((p.detach() - q) ** 2).sum()) for p, q in zip(parameters, before, strict=True))
            )
            size = math.sqrt(sum(float((q**2).sum()) for q in before))
            assert row.update_ratio == pytest.approx(change / size, rel=1e-9)
    for ours, theirs in zip(run.load_model().stack.to_torch().parameters(), lstm.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def per_sample_norms(model: nn.Module, x: torch.Tensor, losses) -> tuple[np.ndarray, np.ndarray]:
    """‖d loss_b / d h_t‖ and the same of c, [T, B], by a plain loop of cells: losses(hs) gives each sample's loss."""
    fused = model.stack.layers[0]["forward_cell"]
    cell = nn.LSTMCell(fused.input_size, fused.hidden_size).double()
    cell.load_state_dict(fused.state_dict())
    h = c = torch.zeros(x.shape[1], fused.hidden_size, dtype=torch.float64)
    hs, cs = [], []
    for x_t in x:
        h, c = cell(x_t, (h, c))
        h.retain_grad()
        c.retain_grad()
        hs.append(h)
        cs.append(c)
    losses(hs).sum().backward()
    norm = [[state.grad.norm(dim=-1).numpy() for state in states] for states in (hs, cs)]
    return np.array(norm[0]), np.array(norm[1])


def test_recorded_profiles_and_lag_curves_equal_a_plain_loop_of_cells():
    run = train("dtype=float64", "steps=1")
    parts = assemble(read_overrides([*SMALL, "dtype=float64", "steps=1"]))
    readout = parts.model.readout

    batch = parts.task.train_batch(0)
    y = torch.from_numpy(batch.y).double()
    x = torch.from_numpy(batch.x).double()
    h, c = per_sample_norms(parts.model, x, lambda hs: (readout(hs[-1])[:, 0] - y) ** 2)
    np.testing.assert_allclose(signals(run, step=0, quantity="total", state="h"), h.mean(1), rtol=1e-7)
    np.testing.assert_allclose(signals(run, step=0, quantity="total", state="c"), c.mean(1), rtol=1e-7)
    direct = signals(run, step=0, quantity="direct", state="h")
    assert direct[-1] == pytest.approx(h.mean(1)[-1])
    assert not direct[:-1].any()

    evaluation = next(parts.task.eval_batches("evaluation"))
    y = torch.from_numpy(evaluation.y).double()
    x = torch.from_numpy(evaluation.x).double()
    h, _ = per_sample_norms(parts.model, x, lambda hs: (readout(hs[-1])[:, 0] - y) ** 2)
    np.testing.assert_allclose(signals(run, step=0, quantity="lag", state="h"), h.mean(1)[::-1], rtol=1e-7)


def test_the_lag_curve_of_a_task_with_many_losses_is_that_of_one_of_them():
    words = ["task=copy", "task.length=5", "dtype=float64", "steps=1"]
    run = train(*words)
    parts = assemble(read_overrides([*SMALL, *words]))
    evaluation = next(parts.task.eval_batches("evaluation"))
    y = torch.from_numpy(evaluation.y)

    def last_loss(hs):
        return nn.functional.cross_entropy(parts.model.readout(hs[-1]), y[-1], reduction="none")

    h, _ = per_sample_norms(parts.model, torch.from_numpy(evaluation.x).double(), last_loss)
    lag = signals(run, step=0, quantity="lag", state="h")
    np.testing.assert_allclose(lag, h.mean(1)[::-1], rtol=1e-7)
    assert signals(run, step=0, quantity="total", state="h")[0] > lag[-1]  # the profile holds nearer losses as well


def test_the_lag_counts_from_each_samples_last_step_with_a_target():
    words = ["task=recall", "task.length=12", "task.pairs=2", "task.vocab_size=14", "dtype=float64", "steps=1"]
    run = train(*words)
    parts = assemble(read_overrides([*SMALL, *words]))
    evaluation = next(parts.task.eval_batches("evaluation"))
    y = torch.from_numpy(evaluation.y)
    last = [max(t for t in range(12) if y[t, b] >= 0) for b in range(y.shape[1])]
    assert len(set(last)) > 1

    def last_loss(hs):
        logits = torch.stack([parts.model.readout(hs[t][b]) for b, t in enumerate(last)])
        wanted = torch.stack([y[t, b] for b, t in enumerate(last)])
        return nn.functional.cross_entropy(logits, wanted, reduction="none")

    embedded = parts.model.embedding(torch.from_numpy(evaluation.x[: max(last) + 1])).detach()
    h, _ = per_sample_norms(parts.model, embedded, last_loss)
    by_lag = [[h[t - k, b] for b, t in enumerate(last) if t >= k] for k in range(max(last) + 1)]
    lag = signals(run, step=0, quantity="lag", state="h")
    np.testing.assert_allclose(lag[: len(by_lag)], [np.mean(norms) for norms in by_lag], rtol=1e-7)
    assert np.isnan(lag[len(by_lag) :]).all()


def test_lag_curves_of_a_bidirectional_stack_equal_a_plain_loop():
    """Reverse layers under an every-step loss: the top one is read after one step, the lower one after all."""
    words = ["task=copy", "task.length=4", "dtype=float64", "steps=1", "model.num_layers=2", "model.bidirectional=true"]
    run = train(*words)
    parts = assemble(read_overrides([*SMALL, *words]))
    evaluation = next(parts.task.eval_batches("evaluation"))
    x_TBI, y_TB = torch.from_numpy(evaluation.x).double(), torch.from_numpy(evaluation.y)
    module = parts.model.stack.to_torch()
    zeros = torch.zeros(4, x_TBI.shape[1], 8, dtype=torch.float64)
    trace = loop(kernel_call(module, x_TBI, (zeros, zeros)))
    loss = nn.functional.cross_entropy(parts.model.readout(trace.output[-1]), y_TB[-1], reduction="sum")
    loss.backward()
    for layer in (0, 1):
        for number, direction in enumerate(("forward", "reverse")):
            h_TBD = trace.gradient(layer, number, "h")
            expected = h_TBD.norm(dim=-1).mean(1).flip(0).numpy()  # lag k is timestep T - 1 - k in either direction
            recorded = signals(run, step=0, quantity="lag", state="h", layer=layer, direction=direction)
            np.testing.assert_allclose(recorded, expected, rtol=1e-7, atol=1e-15)
    assert (signals(run, step=0, quantity="lag", state="h", layer=0, direction="reverse") > 0).all()


def test_padded_steps_are_left_out_and_reverse_recurrences_stand_in_real_time():
    run = train("task.variant=hs97", "task.length=30", "model.bidirectional=true", "steps=1", "eval.size=200")
    forward = signals(run, step=0, quantity="total", state="h", direction="forward")
    reverse = signals(run, step=0, quantity="total", state="h", direction="reverse")
    lengths = build_task(read_overrides([*SMALL, "task.variant=hs97", "task.length=30"])).train_batch(0).lengths
    assert len(forward) == len(reverse) == lengths.max()
    assert np.isfinite(forward).all()
    # The loss reads the forward half at each sample's end and the reverse half at t = 0.
    assert forward.argmax() >= lengths.min() - 1
    assert reverse.argmax() == 0
    lag = signals(run, step=0, quantity="lag", state="h", direction="forward")
    assert lag.argmax() <= 1
    assert np.isfinite(lag).all()


def test_an_evaluation_is_the_mean_over_samples_however_they_fall_into_batches():
    run = train("eval.size=251", "steps=1", "dtype=float64")  # 250 and 1
    parts = assemble(read_overrides([*SMALL, "eval.size=251", "dtype=float64"]))
    batches = [b.tensors(parts.device, parts.dtype) for b in parts.task.eval_batches("evaluation")]
    with torch.no_grad():
        losses = torch.cat([(parts.model(b.x)[0][:, 0] - b.y) ** 2 for b in batches])
    assert len(losses) == 251
    assert read_record(run.path).evals[0].loss == pytest.approx(losses.mean().item(), rel=1e-12)


def test_a_language_model_is_evaluated_as_one_long_reading_of_every_stream():
    words = ["task=lm", "task.bptt=8", "steps=1", "dtype=float64", "eval.size=64"]
    run = train(*words)
    parts = assemble(read_overrides([*SMALL[1:], *words]))
    windows = [b.tensors(parts.device, parts.dtype) for b in parts.task.eval_batches("evaluation")]
    assert len(windows) > 3
    x, y = torch.cat([w.x for w in windows]), torch.cat([w.y for w in windows])
    with torch.no_grad():
        loss = nn.functional.cross_entropy(parts.model(x)[0].flatten(0, 1), y.flatten())
    assert read_record(run.path).evals[0].loss == pytest.approx(loss.item(), rel=1e-12)


def test_the_batch_size_does_not_move_a_profile():
    curves = [signals(train("steps=1", f"batch_size={B}"), step=0, quantity="total", state="h") for B in (16, 512)]
    assert np.abs(np.log10(curves[0] / curves[1])).max() < 0.3  # 1/32 would be 1.5 decades


def test_a_solved_run_stops_and_is_confirmed_on_test_data():
    run = train("task=temporal_order", "steps=900", "eval.every=100", "model.hidden_size=24", "batch_size=32",
                "probe.every=0", "eval.size=300")  # fmt: skip
    assert run.status == "done"
    assert run.info.solved_at == run.info.step < 900
    assert run.info.test.solved
    assert run.info.test.loss != run.info.final["loss"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        # what evaluation and test say at each look; solved_at, lost_at, refuted
        ([(True, False), (True, True)], (10, None, 1)),
        ([(False, None), (True, True), (False, None)], (10, 20, 0)),
        ([(True, True), (False, None), (True, True)], (0, None, 0)),
        ([(True, False), (False, None)], (None, None, 1)),
    ],
)
def test_solved_is_what_the_test_data_confirm_and_what_is_lost_later_is_said(answers, expected, monkeypatch):
    state, parts = TrainState(), object()
    for look, (met, confirmed) in enumerate(answers):
        state.step = 10 * look
        results = Results(loss=0.1, metrics={}, solved=bool(confirmed))
        monkeypatch.setattr(training_loop, "evaluate", lambda parts, split, results=results: results)
        if met:
            training_loop._confirm(parts, state)
        training_loop._note_loss(state, met)
    progress = state.progress
    assert (progress.solved_at, progress.lost_at, progress.refuted) == expected


@pytest.mark.parametrize(("confirmed_at", "asked"), [(20, 0), (10, 1)])
def test_the_last_test_is_of_the_last_step_and_is_not_made_twice(confirmed_at, asked, monkeypatch):
    now = Results(loss=0.2, metrics={"mse": 0.2}, solved=True)
    splits = []
    monkeypatch.setattr(training_loop, "evaluate", lambda parts, split: splits.append(split) or now)
    state = TrainState(step=20)
    earlier = Results(loss=0.1, metrics={"mse": 0.1}, solved=True)
    state.progress.confirmation = Evaluation.at(confirmed_at, earlier)
    assert training_loop._test(object(), state) == (earlier if confirmed_at == 20 else now)
    assert splits == ["test"] * asked


def test_divergence_stops_the_run_at_the_step_and_keeps_the_last_good_checkpoint():
    run = train("model=rnn", "model.nonlinearity=relu", "optim=sgd", "optim.lr=1e6", "clip=none", "checkpoint.every=1",
                "probe.every=1")  # fmt: skip
    assert run.status == "diverged"
    rows = read_record(run.path).train
    assert not math.isfinite(rows[-1].loss) or not math.isfinite(rows[-1].grad_norm)
    assert all(math.isfinite(row.loss) for row in rows[:-1])
    assert f"step {rows[-1].step}" in run.info.message
    assert run.info.step == len(rows)
    assert run.info.clipped_share == sum(row.clipped for row in rows) / len(rows)
    assert run.info.measured_step == read_record(run.path).evals[-1].step < run.info.step
    assert max(signal.step for signal in read_record(run.path).signals) <= rows[-1].step
    with pytest.raises(seqablate.UsageError, match="diverged"):
        seqablate.api.resume_folder(run.path)


@pytest.mark.parametrize("clip", ["norm", "value"])
def test_a_clip_acts_on_a_gradient_whose_square_overflows_and_the_run_goes_on(clip):
    run = train("model=rnn", "model.init=gaussian", "model.gain=3", "model.hidden_size=16", "task.length=250",
                f"clip={clip}", "steps=2", "eval.every=2", "probe.every=0")  # fmt: skip
    assert run.status == "done"
    norms = [row.grad_norm for row in read_record(run.path).train]
    assert max(norms) > 2e19  # its square is above the largest float32, 3.4e38
    assert all(map(math.isfinite, norms))
    assert all(row.clipped for row in read_record(run.path).train)


def test_a_model_comes_back_in_the_precision_in_which_it_was_trained():
    run = train("dtype=float64", "steps=3")
    assert {p.dtype for p in run.load_model().parameters()} == {torch.float64}


def test_training_leaves_the_callers_torch_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    threads = torch.get_num_threads()
    train("threads=2", "model.num_layers=2", "model.dropout=0.5")
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("more", [(), ("model=gru", "model.num_layers=2", "model.dropout=0.3", "optim=adagrad"),
                                  ("task=lm", "task.bptt=8", "model=rnn", "schedule=cosine")])  # fmt: skip
def test_the_same_config_gives_the_same_weights_bit_for_bit(more):
    first, second = (train(*more).load_model().state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_evaluating_more_often_or_saving_more_often_changes_no_weight():
    reference = train().load_model().state_dict()
    other = train("eval.every=3", "checkpoint.every=2", "eval.size=11").load_model().state_dict()
    assert all(torch.equal(reference[name], other[name]) for name in reference)


def test_probing_changes_weights_by_rounding_at_most():
    reference = train("dtype=float64", "probe.every=0").load_model().state_dict()
    probed = train("dtype=float64", "probe.every=1").load_model().state_dict()
    for name, value in reference.items():
        torch.testing.assert_close(probed[name], value, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_the_schedule_sets_the_rate_of_every_step(schedule):
    words = [f"schedule={schedule}", "schedule.warmup_steps=5"]
    config = read_overrides([*SMALL, *words])
    for row in read_record(train(*words).path).train:
        assert row.lr == pytest.approx(0.01 * config.schedule.factor(row.step, 25))
