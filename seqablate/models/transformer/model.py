"""The torch side of ``model=transformer``. Shapes: T time, B batch, I input, D hidden, F feed-forward, O outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqablate.config.task_spec import TaskSpec
from seqablate.models.base import ProbePoint
from seqablate.models.functional import dropout, last_step
from seqablate.models.initialise import Initialiser
from seqablate.signals.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerShape:
    """Sizes and choices of a :class:`TransformerModel`; the words are those of ``TransformerConfig``."""

    hidden_size: int
    num_layers: int
    num_heads: int
    dim_feedforward: int
    dropout: float
    causal: bool
    norm_first: bool
    nonlinearity: str
    position: str


class TransformerModel(nn.Module):
    """See :class:`seqablate.models.base.Model` for the call; there is no state.

    Token ids are embedded and scaled by sqrt(D) (Vaswani et al. 2017, section 3.4), real inputs go through a linear
    map; positions are added, counted from 0 in each call.

    Args:
        shape: sizes and choices.
        task: what it reads and answers.
        label: name of the model, for signals.
        initialiser: of its values.
    """

    def __init__(self, shape: TransformerShape, task: TaskSpec, label: str, initialiser: Initialiser) -> None:
        super().__init__()
        D = shape.hidden_size
        self.shape, self.every_step = shape, task.every_step
        self.embedding = nn.Embedding(task.input_size, D) if task.tokens else nn.Linear(task.input_size, D)
        self.position = nn.Embedding(task.horizon, D) if shape.position == "learned" else None
        self.layers = nn.ModuleList(self._layer() for _ in range(shape.num_layers))
        self.norm = nn.LayerNorm(D) if shape.norm_first else nn.Identity()
        self.readout = nn.Linear(D, task.output_size)
        self.probe_points = tuple(
            ProbePoint(name=f"layers.{k}", place=Place(part=label, layer=k), layout="TBD")
            for k in range(shape.num_layers)
        )
        self._initialise(initialiser)

    def _layer(self) -> nn.TransformerEncoderLayer:
        # With batch_first=False torch never leaves for its fused "fast path", whose numbers differ: evaluation is the
        # arithmetic of training.
        shape = self.shape
        return nn.TransformerEncoderLayer(
            shape.hidden_size,
            shape.num_heads,
            shape.dim_feedforward,
            shape.dropout,
            shape.nonlinearity,
            batch_first=False,
            norm_first=shape.norm_first,
        )

    @torch.no_grad()
    def _initialise(self, initialiser: Initialiser) -> None:
        """Matrices of the layers Glorot-uniform (Glorot & Bengio 2010, eq. 16), W_q, W_k and W_v each on its own.

        Biases zero, norms one and zero. Embeddings N(0, 1/D), which sqrt(D) brings to 1. Linear maps at the two ends
        start as in every other model.
        """
        for name, parameter in self.layers.named_parameters():
            if name.endswith("in_proj_weight"):
                for number, block in enumerate(parameter.chunk(3)):
                    nn.init.xavier_uniform_(block, generator=initialiser.generator(f"layers.{name}", number))
            elif parameter.dim() == 2:
                nn.init.xavier_uniform_(parameter, generator=initialiser.generator(f"layers.{name}"))
            else:
                parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        for name, module in (("embedding", self.embedding), ("position", self.position)):
            if isinstance(module, nn.Embedding):
                initialiser.embedding(module, name)
                module.weight.mul_(1 / math.sqrt(self.shape.hidden_size))
        if isinstance(self.embedding, nn.Linear):
            initialiser.linear(self.embedding, "embedding")
        initialiser.linear(self.readout, "readout")

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, state: None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, None]:
        x_TBD = dropout(self._embed(x), self.shape.dropout, generator)
        masks = self._masks(x_TBD, lengths)
        with self._dropout_from(generator, x_TBD.device):
            for layer in self.layers:
                x_TBD = layer(x_TBD, **masks)
        features = x_TBD if self.every_step else last_step(x_TBD, lengths)
        return self.readout(self.norm(features)), None

    def _embed(self, x: Tensor) -> Tensor:
        T, D = len(x), self.shape.hidden_size
        x_TBD = self.embedding(x)
        if isinstance(self.embedding, nn.Embedding):
            x_TBD = x_TBD * math.sqrt(D)
        if self.position is not None:
            return x_TBD + self.position.weight[:T, None] * math.sqrt(D)
        if self.shape.position == "sinusoidal":
            return x_TBD + sinusoids(T, D, x.device).to(x_TBD.dtype)[:, None]
        return x_TBD

    def _masks(self, x_TBD: Tensor, lengths: Tensor | None) -> dict[str, Any]:
        """What no timestep may see: later ones; or else the padding, which to a causal one is later anyway."""
        T = len(x_TBD)
        if self.shape.causal:
            mask_TT = nn.Transformer.generate_square_subsequent_mask(T, device=x_TBD.device, dtype=x_TBD.dtype)
            return {"src_mask": mask_TT, "is_causal": True}
        if lengths is None:
            return {}
        return {"src_key_padding_mask": torch.arange(T, device=x_TBD.device) >= lengths[:, None]}

    @contextmanager
    def _dropout_from(self, generator: torch.Generator | None, device: torch.device) -> Iterator[None]:
        """Have torch's layers drop out with masks from ``generator``, or not at all for None.

        They draw from the process's generator, whatever is asked of them. So that one continues as ``generator`` for
        the length of the block, ``generator`` goes on where it ended, and it gets back the state that it had.
        """
        if not self.shape.dropout:
            yield
            return
        training = [module.training for module in self.layers.modules()]
        self.layers.train(generator is not None)
        try:
            if generator is None:
                yield
            else:
                with _as_global(generator, device):
                    yield
        finally:
            for module, was in zip(self.layers.modules(), training, strict=True):
                module.training = was


@contextmanager
def _as_global(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    everyones = torch.cuda.default_generators[device.index] if device.type == "cuda" else torch.default_generator
    before = everyones.get_state()
    everyones.set_state(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(everyones.get_state())
        everyones.set_state(before)


def sinusoids(T: int, D: int, device: torch.device | None = None) -> Tensor:
    """Positions as [T, D] float64: feature 2i is sin(t / 10000^(2i/D)), feature 2i + 1 the cosine.

    Source: Vaswani et al. 2017, section 3.5.

    Example:
        >>> sinusoids(2, 3)[0]
        tensor([0., 1., 0.], dtype=torch.float64)
    """
    frequencies = 10000.0 ** (-torch.arange(0, D, 2, dtype=torch.float64, device=device) / D)
    angles = torch.arange(T, dtype=torch.float64, device=device)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :D]
