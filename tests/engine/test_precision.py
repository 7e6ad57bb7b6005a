"""float32 is computed in full on a GPU while a run trains, and the process keeps its own choice."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch

import seqablate
from seqablate.engine.precision import full_precision
from seqablate.training import session

KINDS = (torch.backends.cudnn.rnn, torch.backends.cudnn.conv)


def chosen() -> list[str]:
    return [kind.fp32_precision for kind in KINDS]


@pytest.mark.parametrize("before", ["tf32", "ieee"])
def test_the_choice_of_the_process_is_put_back_also_after_an_exception(before):
    found = chosen()
    try:
        for kind in KINDS:
            kind.fp32_precision = before
        with suppress(ZeroDivisionError), full_precision():
            assert chosen() == ["ieee", "ieee"]
            _ = 1 / 0
        assert chosen() == [before, before]
    finally:
        for kind, precision in zip(KINDS, found, strict=True):
            kind.fp32_precision = precision


def test_a_run_trains_in_full_precision(tmp_path, monkeypatch):
    seen, loop, found = [], session.run_loop, chosen()
    monkeypatch.setattr(session, "run_loop", lambda *arguments: (seen.append(chosen()), loop(*arguments))[1])
    seqablate.train(["steps=1", "task.length=10", "model.hidden_size=2", "device=cpu", f"output_dir={tmp_path}"])
    assert seen == [["ieee", "ieee"]]
    assert chosen() == found
