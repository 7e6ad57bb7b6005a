"""Deep nets without recurrences: one stack of hidden layers, and the three models that are made of it.

Shapes: T time, B batch, I input, D hidden (units or channels), W width of the stream between two layers (D, or more
with dense skips), O outputs; X and Y an image's height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqablate.config.registry import variant_name
from seqablate.config.task_spec import TaskSpec
from seqablate.models.base import Place
from seqablate.models.choices import Norm, Skip
from seqablate.models.deep.cnn import CNNConfig
from seqablate.models.deep.config import DeepConfig
from seqablate.models.deep.mlp import MLPConfig
from seqablate.models.deep.tcn import TCNConfig
from seqablate.models.functional import dropout
from seqablate.models.initialise import Initialiser
from seqablate.models.skip import DepthSkip, Stream

# The affine part of a hidden layer, from its number and the features that it reads and makes.
Affine = Callable[[int, int, int], nn.Linear | nn.Conv1d | nn.Conv2d]


class DeepStack(nn.Module):
    """Hidden layers with norms, dropout and skips: ``y = dropout(f(norm(affine(x))))``.

    Args:
        config: widths and choices.
        input_size: features of what it reads.
        affine: makes a layer's affine part.
        dim: where the features stand.

    Attributes:
        output_size: W, the features of what it returns.
        outputs: a module for each layer that hands on what is measured there: the stream above the layer, or, where
            the stream is no more than outputs side by side (dense), the layer's own.
    """

    def __init__(self, config: DeepConfig, input_size: int, affine: Affine, dim: int = -1) -> None:
        super().__init__()
        widths = config.widths
        self.config = config
        self.nonlinearity = {"tanh": torch.tanh, "relu": torch.relu}[config.nonlinearity.value]
        self.skip = DepthSkip(config.skip, widths, dim)
        inputs = [input_size, *(self.skip.width(k) for k in range(1, len(widths)))]
        self.layers = nn.ModuleList(affine(k, i, o) for k, (i, o) in enumerate(zip(inputs, widths, strict=True)))
        normed = widths if config.norm is Norm.layer else []
        self.norms = nn.ModuleList(FeatureNorm(width, dim) for width in normed)
        self.outputs = nn.ModuleList(nn.Identity() for _ in widths)
        self.output_size = self.skip.width(len(widths))

    def initialise(self, initialiser: Initialiser) -> None:
        """Give every parameter its initial value (norms start as the identity)."""
        for k, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)
            initialiser.layer(layer, f"layers.{k}")
        self.skip.initialise(initialiser)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What stands above the last layer; dropout masks come from ``generator``, None switches dropout off."""
        stream, own = Stream(x), self.config.skip is Skip.dense
        for k, (layer, output) in enumerate(zip(self.layers, self.outputs, strict=True)):
            a = layer(stream.x)
            if self.norms:
                a = self.norms[k](a)
            y = dropout(self.nonlinearity(a), self.config.dropout, generator)
            stream = self.skip(k, stream, output(y) if own else y)
            if not own:
                stream = stream._replace(x=output(stream.x))
        return stream.x


class FeatureNorm(nn.LayerNorm):
    """LayerNorm over the features alone, wherever they stand: for a convolution each timestep, each pixel by itself.

    Statistics over time as well would let an output see later inputs, and padding.
    """

    def __init__(self, features: int, dim: int) -> None:
        super().__init__(features)
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(self.dim, -1)).movedim(-1, self.dim)


class CausalConv1d(nn.Conv1d):
    """Convolution over the last dimension with zeros before the first step only: output t reads inputs up to t."""

    def forward(self, x_BWT: Tensor) -> Tensor:
        return super().forward(F.pad(x_BWT, ((self.kernel_size[0] - 1) * self.dilation[0], 0)))


class DeepModel(nn.Module):
    """Abstract: a stack and a linear readout. See :class:`seqablate.models.base.Model` for the call.

    Args:
        stack: of hidden layers.
        task: what it reads and answers.
        initialiser: of its values.
        layout: of the stack's outputs.
    """

    def __init__(self, stack: DeepStack, task: TaskSpec, initialiser: Initialiser, layout: str) -> None:
        super().__init__()
        self.stack = stack
        self.readout = nn.Linear(stack.output_size, task.output_size)
        part = variant_name(stack.config)
        self.places = tuple(
            Place(name=f"stack.outputs.{k}", part=part, layer=k, layout=layout) for k in range(len(stack.layers))
        )
        stack.initialise(initialiser)
        initialiser.linear(self.readout, "readout")

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        state: Any = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, None]:
        return self.readout(self.features(x, lengths, generator)), None

    def features(self, x: Tensor, lengths: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """What the readout reads: [B, W], or [T, B, W] for a loss at every step."""
        raise NotImplementedError


class MLP(DeepModel):
    """Reads all timesteps side by side."""

    def __init__(self, config: MLPConfig, task: TaskSpec, initialiser: Initialiser) -> None:
        assert task.length is not None  # MLPConfig.check
        stack = DeepStack(config, task.length * task.input_size, lambda k, i, o: nn.Linear(i, o))
        super().__init__(stack, task, initialiser, "BD")

    def features(self, x: Tensor, lengths: Tensor | None, generator: torch.Generator | None) -> Tensor:
        return self.stack(x.transpose(0, 1).flatten(1), generator)


class TCN(DeepModel):
    """Reads causally, each layer with a wider step; token ids through an embedding of ``hidden_size``."""

    def __init__(self, config: TCNConfig, task: TaskSpec, initialiser: Initialiser) -> None:
        def affine(k: int, i: int, o: int) -> nn.Conv1d:
            return CausalConv1d(i, o, config.kernel_size, dilation=config.dilations[k])

        stack = DeepStack(config, config.hidden_size if task.tokens else task.input_size, affine, dim=1)
        super().__init__(stack, task, initialiser, "BDT")
        self.every_step = task.every_step
        self.embedding = nn.Embedding(task.input_size, config.hidden_size) if task.tokens else None
        if self.embedding is not None:
            initialiser.embedding(self.embedding, "embedding")

    def features(self, x: Tensor, lengths: Tensor | None, generator: torch.Generator | None) -> Tensor:
        x_TBI = x if self.embedding is None else self.embedding(x)
        h_BWT = self.stack(x_TBI.permute(1, 2, 0), generator)
        if self.every_step:
            return h_BWT.permute(2, 0, 1)
        # Taken where it stands: through a permuted view the gradient would come back in another order of memory.
        return h_BWT[:, :, -1] if lengths is None else h_BWT[torch.arange(len(h_BWT)), :, lengths - 1]


class CNN(DeepModel):
    """Reads the timesteps as the pixels that they are; averages over the image at the end."""

    def __init__(self, config: CNNConfig, task: TaskSpec, initialiser: Initialiser) -> None:
        def affine(k: int, i: int, o: int) -> nn.Conv2d:
            return nn.Conv2d(i, o, config.kernel_size, padding="same")

        assert task.image is not None  # CNNConfig.check
        super().__init__(DeepStack(config, task.input_size, affine, dim=1), task, initialiser, "BDXY")
        self.image = task.image

    def features(self, x: Tensor, lengths: Tensor | None, generator: torch.Generator | None) -> Tensor:
        x_BIXY = x.permute(1, 2, 0).unflatten(2, self.image)
        return self.stack(x_BIXY, generator).mean((2, 3))
