"""Subnormal numbers are flushed to zero inside our own computations, in every thread of ours, and nowhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from seqablate.assemble import assemble, read_overrides
from seqablate.engine.backends import compiled
from seqablate.engine.cell import Kernels
from seqablate.engine.cells import CELLS
from seqablate.engine.ports import Observer
from seqablate.engine.recurrence import Recurrence
from seqablate.engine.subnormals import GRAIN, flushed
from seqablate.training.step import train_step


def flushes() -> bool:
    """Whether a product of normal numbers, and a sum with a subnormal one, come out as zero in this thread."""
    product = np.array([1e-30], np.float32) * np.float32(1e-10)
    read = np.array([1], np.int32).view(np.float32) * np.float32(1e30)  # the smallest subnormal
    assert (product[0] == 0) == (read[0] == 0)
    return bool(product[0] == 0)


pytestmark = pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor has no such setting")


def test_the_setting_is_put_back_also_after_an_exception():
    assert not flushes()
    with flushed():
        assert flushes()
        with flushed():
            assert flushes()
        assert flushes()
    assert not flushes()
    with pytest.raises(KeyError), flushed():
        raise KeyError
    assert not flushes()


def test_it_serves_again_when_it_has_been_left_and_is_refused_within_itself():
    manager = flushed()
    for _ in range(2):
        with manager:
            assert flushes()
            with pytest.raises(RuntimeError, match="entered once"), manager:
                pass
            assert flushes()
        assert not flushes()
    with flushed():
        with manager:  # does nothing
            pass
        assert flushes()


def test_a_setting_of_the_callers_own_stays():
    torch.set_flush_denormal(True)
    try:
        with flushed():
            assert flushes()
        assert flushes()
    finally:
        torch.set_flush_denormal(False)


def test_for_a_gpu_nothing_is_set():
    with flushed(torch.device("cuda")):
        assert not flushes()


@pytest.mark.parametrize("threads", [1, 2])
def test_kernels_flush_in_every_thread_that_runs_one_and_nothing_stays_set(threads, monkeypatch):
    monkeypatch.setattr(compiled, "THREADED", 0)
    found, before = [], torch.get_num_threads()

    def noting(kernel: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            found.append(flushes())
            return kernel(*arguments)

        return run

    cell = CELLS["rnn_tanh"]
    noted = replace(cell, kernels=Kernels(noting(cell.kernels.forward), noting(cell.kernels.backward)))
    torch.set_num_threads(threads)
    try:
        Recurrence(noted, 2, 3)(torch.randn(4, 32, 2))[0].sum().backward()
        x = torch.full((4 * GRAIN,), 1e-30) * 1e-10  # by all of torch's own threads
    finally:
        torch.set_num_threads(before)
    assert found == [True] * 2 * threads
    assert (x != 0).all()
    assert not flushes()


def test_torchs_threads_do_not_inherit_the_setting():
    """A new thread begins with the setting of the one that starts it; torch starts its own at its first large call."""
    found = []

    def work() -> None:  # in a thread that has no workers of torch yet
        with flushed():
            torch.ones(4 * GRAIN).mul_(2)
        found.append((torch.full((4 * GRAIN,), 1e-30) * 1e-10 != 0).all())

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        torch.set_num_threads(before)
    assert found == [True]


@pytest.mark.parametrize("backend", ["compiled", "loop"])
def test_a_training_step_flushes_forward_and_backward_and_in_the_optimizer(backend, monkeypatch):
    words = ["model=rnn", "task.length=10", "model.hidden_size=4", "device=cpu", f"backend={backend}"]
    parts = assemble(read_overrides(words))
    found = []

    class Probe:
        def __enter__(self) -> None:
            found.append(flushes())

        def __exit__(self, *_: object) -> None:
            found.append(flushes())

    step = parts.optimizer.step
    monkeypatch.setattr(parts.optimizer, "step", lambda: (found.append(flushes()), step()))
    train_step(parts, 0, parts.task, None, Probe(), measure_update=True)
    assert found == [True] * 3
    assert not flushes()


def test_totals_are_right_down_to_1e_minus_34_and_zero_further_down():
    """h_t = h_{t-1} / 10 in the linear range: dL/dh_{T-k} = 10^-k, through numbers that are flushed at the end."""
    module, found = Recurrence("rnn_relu", 1, 64), []
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_ih.fill_(1.0)
        torch.nn.init.orthogonal_(module.weight_hh).mul_(0.1)
    exact = Recurrence("rnn_relu", 1, 64).double()
    exact.load_state_dict(module.state_dict())
    exact.backend = "loop"
    for twin in (module, exact):
        x = torch.zeros(60, 2, 1, dtype=twin.weight_hh.dtype)
        twin(x, None, Observer(lambda told: found.append(told.norms("total")["h"])))[0][-1].sum().backward()
    mine, wanted = found
    assert wanted.min() < 1e-50
    torch.testing.assert_close(mine[wanted > 1e-34], wanted[wanted > 1e-34], rtol=1e-5, atol=0)
    assert (mine[wanted < 1e-40] == 0).all()
