"""Every regularizer trains every kind of model, or refuses it in one line."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from architectures import KINDS, Case

from seqablate.assemble import assemble, build_model, build_task, read_overrides
from seqablate.config.registry import variants
from seqablate.errors import UsageError
from seqablate.training.step import COLUMNS, train_step


@pytest.mark.parametrize("name", variants("regularizer"))
@pytest.mark.parametrize("kind", KINDS)
def test_a_regularizer_trains_a_model_or_refuses_it(kind, name):
    config = read_overrides([*Case(kind, "none", False, 2).words, f"regularizer={name}", "device=cpu", "batch_size=3"])
    model = build_model(config, build_task(config))
    if config.regularizer.build().refusal(model) is not None:
        with pytest.raises(UsageError, match=f"regularizer={name} cannot act on model=[a-z0-9]+: .*; (use|leave)"):
            assemble(config)
        return
    parts = assemble(config)
    outcome = train_step(parts, 0, parts.task, None, nullcontext(), measure_update=False)
    assert outcome.measured.isfinite()[[COLUMNS.index(name) for name in ("loss", "grad_norm", "penalty")]].all()
    assert (outcome.weight is None) == (name == "none")
