"""The deep nets without recurrences: a stack of hidden layers between an input's arrangement and a linear readout.

Shapes: T time, B batch, I input, D hidden (units or channels), W width of the stack's output, O outputs; X and Y an
image's height and width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqablate.config.task_spec import TaskSpec
from seqablate.models.base import ProbePoint
from seqablate.models.deep.stack import DeepShape, DeepStack
from seqablate.models.initialise import Initialiser
from seqablate.signals.place import Place


class DeepModel(nn.Module):
    """Abstract: a stack and a linear readout. See :class:`seqablate.models.base.Model` for the call.

    Args:
        stack: of hidden layers.
        task: what it reads and answers.
        label: name of the model, for signals.
        initialiser: of its values.
    """

    layout: str  # of the stack's outputs

    def __init__(self, stack: DeepStack, task: TaskSpec, label: str, initialiser: Initialiser) -> None:
        super().__init__()
        self.stack = stack
        self.readout = nn.Linear(stack.output_size, task.output_size)
        self.probe_points = tuple(
            ProbePoint(name=f"stack.outputs.{k}", place=Place(part=label, layer=k), layout=self.layout)
            for k in range(len(stack.layers))
        )
        stack.initialise(initialiser)
        initialiser.linear(self.readout, "readout")

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, state: Any = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, None]:
        return self.readout(self.features(x, lengths, generator)), None

    def features(self, x: Tensor, lengths: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """What the readout reads: [B, W], or [T, B, W] for a loss at every step."""
        raise NotImplementedError


class MLP(DeepModel):
    """Reads all timesteps side by side."""

    layout = "BD"

    def __init__(self, shape: DeepShape, task: TaskSpec, label: str, initialiser: Initialiser) -> None:
        assert task.length is not None  # MLPConfig.check
        stack = DeepStack(shape, task.length * task.input_size, lambda k, i, o: nn.Linear(i, o))
        super().__init__(stack, task, label, initialiser)

    def features(self, x: Tensor, lengths: Tensor | None, generator: torch.Generator | None) -> Tensor:
        return self.stack(x.transpose(0, 1).flatten(1), generator)


class TCN(DeepModel):
    """Reads causally, each layer with a step of its own; token ids through an embedding as wide as the first layer.

    Args:
        shape, task, label, initialiser: as in :class:`DeepModel`.
        kernel_size: inputs that a convolution sees.
        dilations: step between them, layer by layer.
    """

    layout = "BDT"

    def __init__(
        self,
        shape: DeepShape,
        task: TaskSpec,
        label: str,
        initialiser: Initialiser,
        *,
        kernel_size: int,
        dilations: list[int],
    ) -> None:
        def affine(k: int, i: int, o: int) -> nn.Conv1d:
            return CausalConv1d(i, o, kernel_size, dilation=dilations[k])

        input_size = shape.widths[0] if task.tokens else task.input_size
        super().__init__(DeepStack(shape, input_size, affine, dim=1), task, label, initialiser)
        self.every_step = task.every_step
        self.embedding = nn.Embedding(task.input_size, input_size) if task.tokens else None
        if self.embedding is not None:
            initialiser.embedding(self.embedding, "embedding")

    def features(self, x: Tensor, lengths: Tensor | None, generator: torch.Generator | None) -> Tensor:
        x_TBI = x if self.embedding is None else self.embedding(x)
        h_BWT = self.stack(x_TBI.permute(1, 2, 0), generator)
        if self.every_step:
            return h_BWT.permute(2, 0, 1)
        # Taken where it stands: through a permuted view the gradient would come back in another order of memory.
        return h_BWT[:, :, -1] if lengths is None else h_BWT[torch.arange(len(h_BWT)), :, lengths - 1]


class CausalConv1d(nn.Conv1d):
    """Convolution over the last dimension with zeros before the first step only: output t reads inputs up to t."""

    def forward(self, x_BWT: Tensor) -> Tensor:
        return super().forward(F.pad(x_BWT, ((self.kernel_size[0] - 1) * self.dilation[0], 0)))


class CNN(DeepModel):
    """Reads the timesteps as the pixels that they are; averages over the image at the end.

    Args:
        shape, task, label, initialiser: as in :class:`DeepModel`.
        kernel_size: height and width of a kernel.
    """

    layout = "BDXY"

    def __init__(
        self, shape: DeepShape, task: TaskSpec, label: str, initialiser: Initialiser, *, kernel_size: int
    ) -> None:
        def affine(k: int, i: int, o: int) -> nn.Conv2d:
            return nn.Conv2d(i, o, kernel_size, padding="same")

        assert task.image is not None  # CNNConfig.check
        super().__init__(DeepStack(shape, task.input_size, affine, dim=1), task, label, initialiser)
        self.image = task.image

    def features(self, x: Tensor, lengths: Tensor | None, generator: torch.Generator | None) -> Tensor:
        x_BIXY = x.permute(1, 2, 0).unflatten(2, self.image)
        return self.stack(x_BIXY, generator).mean((2, 3))
