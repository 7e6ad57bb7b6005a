"""The torch side of ``model=t5``. Shapes: T source steps, S target steps, B batch, D hidden, O outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seqablate.config.task_spec import TaskSpec
from seqablate.models.base import ProbePoint
from seqablate.models.functional import dropout
from seqablate.models.initialise import Initialiser
from seqablate.models.t5.layers import Layer, RelativeBias, T5Shape, norm
from seqablate.signals.place import Place


class Stack(nn.Module):
    """An encoder, or a decoder that reads the encoder's output ("memory"), from embeddings to a normed output.

    Args:
        shape: sizes and choices.
        steps: the longest sequence.
        decoder: whether it reads a memory, and no timestep sees a later one.
    """

    def __init__(self, shape: T5Shape, steps: int, decoder: bool) -> None:
        super().__init__()
        self.dropout = shape.dropout
        self.bias = RelativeBias(shape, steps, causal=decoder)
        self.layers = nn.ModuleList(Layer(shape, reads_memory=decoder) for _ in range(shape.num_layers))
        self.norm = norm(shape)

    def forward(self, x_TBD: Tensor, memory_SBD: Tensor | None, generator: torch.Generator | None) -> Tensor:
        x_TBD = dropout(x_TBD, self.dropout, generator)
        bias_HTT = self.bias(len(x_TBD))
        for layer in self.layers:
            x_TBD = layer(x_TBD, bias_HTT, memory_SBD, generator)
        return dropout(self.norm(x_TBD), self.dropout, generator)

    def probe_points(self, part: str, lag: int = 0) -> tuple[ProbePoint, ...]:
        """The residual stream above each layer."""
        return tuple(
            ProbePoint(name=f"{part}.layers.{k}", place=Place(part=part, layer=k), layout="TBD", lag=lag)
            for k in range(len(self.layers))
        )


class T5Model(nn.Module):
    """See :class:`seqablate.models.base.Model` for the call; its output [S, B, O] is that of the target's steps only.

    Args:
        shape: sizes and choices.
        task: how long its source is, its vocabulary and its outputs, which are the first tokens of the vocabulary.
        initialiser: of its values.
    """

    def __init__(self, shape: T5Shape, task: TaskSpec, initialiser: Initialiser) -> None:
        super().__init__()
        assert task.source_steps is not None
        self.shape, self.source_steps, self.outputs = shape, task.source_steps, task.output_size
        target_steps = task.horizon - task.source_steps
        self.embedding = nn.Embedding(task.input_size, shape.hidden_size)
        self.encoder = Stack(shape, task.source_steps, decoder=False)
        self.decoder = Stack(shape, target_steps, decoder=True)
        self.probe_points = (
            *self.encoder.probe_points("encoder", lag=target_steps),
            *self.decoder.probe_points("decoder"),
        )
        self._initialise(initialiser)

    @property
    def readout(self) -> nn.Embedding:
        """The table of embeddings, which is the readout, too."""
        return self.embedding

    @torch.no_grad()
    def _initialise(self, initialiser: Initialiser) -> None:
        """As the paper's code: N(0, 1 / fan-in), queries N(0, 1 / (D E)), embeddings N(0, 1), scales of norms 1.

        The factor 1/E takes the place of the attention's scale. Biases of relative positions are N(0, 1 / D).
        """
        D, E = self.shape.hidden_size, self.shape.hidden_size // self.shape.num_heads
        variances = {"q_proj": D * E, "linear2": self.shape.dim_feedforward, "embedding": 1}
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                inverse = variances.get(name.split(".")[-2], D)
                parameter.normal_(0.0, inverse**-0.5, generator=initialiser.generator(name))

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, state: Any = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, None]:
        """``lengths`` change nothing: a source has no padding, and what stands behind a target no step before sees."""
        source_TBD, target_SBD = self.embedding(x[: self.source_steps]), self.embedding(x[self.source_steps :])
        memory_TBD = self.encoder(source_TBD, None, generator)
        y_SBD = self.decoder(target_SBD, memory_TBD, generator) * self.shape.hidden_size**-0.5
        return y_SBD @ self.embedding.weight[: self.outputs].T, None
