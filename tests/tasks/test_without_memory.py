"""What a predictor reaches that sees only the current input, told beside the chance of one that sees nothing."""

from __future__ import annotations

import numpy as np
import pytest

from seqablate.assemble import build_task, read_overrides


def test_the_accuracy_of_the_last_input_as_the_state_is_that_of_answering_it():
    task = build_task(read_overrides(["task=state_tracking", "task.length=10", "eval.size=20000"]))
    right = np.concatenate([(batch.x == batch.y).mean(0) for batch in task.eval_batches("evaluation")])
    assert abs(right.mean() - task.baselines["without memory"]) < 5 * right.std() / np.sqrt(len(right))


@pytest.mark.parametrize("split", ["evaluation", "test"])
def test_without_memory_only_a_bracket_that_was_just_opened_can_be_closed_rightly(split):
    task = build_task(read_overrides(["task=dyck", "eval.size=300"]))
    found = []
    for batch in task.eval_batches(split):
        for b in range(batch.x.shape[1]):
            sure = [
                1.0 if x < 8 else 1 / 8  # the answer after "(3" is "3)"; after a closing bracket any type is as likely
                for x, y in zip(batch.x[:, b], batch.y[:, b], strict=True)
                if y >= 8
            ]
            found.append(sum(sure) / len(sure))
    named = task.baselines if split == "evaluation" else task.test_baselines
    assert named["without memory"] == pytest.approx(np.mean(found), rel=1e-12)
    assert 0.6 < np.mean(found) < 0.8
