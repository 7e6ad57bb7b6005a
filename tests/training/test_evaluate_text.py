"""Text drawn from models without a state: they are shown what was written so far."""

from __future__ import annotations

import numpy as np
import torch

from seqablate.assemble import assemble, read_overrides
from seqablate.training.evaluate import _next_logits


def test_a_model_without_a_state_sees_all_tokens_so_far_up_to_the_window():
    parts = assemble(read_overrides(["model=tcn", "task=lm", "task.bptt=4", "model.num_layers=2", "device=cpu"]))
    step, state, written = _next_logits(parts), None, []
    for token in (3, 1, 4, 1, 5, 9):
        written.append(token)
        logits, state = step(np.array([[token]]), state)
        with torch.no_grad():
            expected = parts.model(torch.tensor(written[-4:])[:, None])[0][-1, 0]
        np.testing.assert_allclose(logits, expected.double(), rtol=1e-6)
