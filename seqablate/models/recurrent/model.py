"""A recurrent model: embedding (for tokens), a stack of recurrences, a linear readout.

Shapes: T time, B batch, I input, D hidden, O outputs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seqablate.config.task_spec import TaskSpec
from seqablate.models.base import PlainStack
from seqablate.models.initialise import Initialiser
from seqablate.models.recurrent.stack import RecurrentStack, StackShape


class RecurrentModel(nn.Module):
    """See :class:`seqablate.models.base.Model` for the call.

    Args:
        shape: of the stack.
        task: what it reads and answers.
        label: name of the model, for signals.
        initialiser: of its values.
    """

    def __init__(self, shape: StackShape, task: TaskSpec, label: str, initialiser: Initialiser) -> None:
        super().__init__()
        self.every_step = task.every_step
        self.embedding = nn.Embedding(task.input_size, shape.input_size) if task.tokens else None
        self.stack = RecurrentStack(shape)
        self.readout = nn.Linear(self.stack.output_size, task.output_size)
        self.probe_points = self.stack.probe_points(label, "stack.")
        if self.embedding is not None:
            initialiser.embedding(self.embedding, "embedding")
        self.stack.initialise(initialiser)
        initialiser.linear(self.readout, "readout")

    def plain_stack(self) -> PlainStack | None:
        """See :class:`seqablate.models.base.PlainStack`; None where something stands between or inside the layers."""
        if not self.stack.plain:
            return None
        return PlainStack(
            embedding=self.embedding,
            recurrences={point.name: self.get_submodule(point.name) for point in self.probe_points},
            readout=self.readout,
            every_step=self.every_step,
        )

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, state: Any = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Any]:
        x_TBI = x if self.embedding is None else self.embedding(x)
        features, new_state = self.stack(x_TBI, lengths, state, generator, last_only=not self.every_step)
        return self.readout(features), new_state
