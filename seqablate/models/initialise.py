"""Which initial values every tensor of a model gets, each tensor from a stream of its own.

A tensor's values depend on the seed and on its name only: adding a layer never shifts the others.

Recurrences, every gate's block drawn on its own (:class:`seqablate.models.choices.Init`):

    kind         input weights    recurrent weights                       biases
    torch        uniform          uniform                                 uniform, +-1/sqrt(D) all three
    orthogonal   Glorot           gain * orthogonal                       0
    identity     N(0, .001^2)     identity                                0
    gaussian     Glorot           gain * N(0, 1/D)                        0
    smart_tanh   N(0, .01^2)      15 into a unit, spectral radius .95     0
    chrono       Glorot           orthogonal                              log U(1, T - 1) where a gate remembers

The eigenvalues of a diagonal recurrence (lru) are drawn by their radius, whatever the kind, and signed ones have signs
at random. Where a recurrence has no matrix, the kind is that of the other weights.

None of it depends on the nonlinearity. With orthogonal values the gradient of a linear RNN (``identity``) has the
factor ``gain`` per step, of one with tanh or relu at most that, and of one with sigmoid, whose slope is 1/4 at most, at
most ``gain / 4``.

The matrix of a skip over time starts as the recurrent one does, norms as the identity. What stands around recurrences
(embedding, highway gates, readout) is the same for every kind, so that two arms differ in their recurrences only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqablate.engine.cell import Cell
from seqablate.engine.cells import CELLS
from seqablate.engine.recurrence import Recurrence
from seqablate.models import fill
from seqablate.models.choices import DeepInit, Init
from seqablate.models.fill import Fill
from seqablate.streams import stream_seed


class Scheme(NamedTuple):
    """How the blocks of a recurrence are filled."""

    input: Fill
    recurrent: Fill
    bias: Fill = fill.zeros

    def of(self, tensor: str) -> Fill:
        """By the tensor's name."""
        if tensor.startswith("bias"):
            return self.bias
        return self.input if tensor == "weight_ih" else self.recurrent


SCHEMES = {
    Init.torch: Scheme(fill.torch_recurrent, fill.torch_recurrent, fill.torch_recurrent),
    Init.orthogonal: Scheme(fill.glorot, fill.orthogonal),
    Init.identity: Scheme(fill.thousandth, fill.identity),
    Init.gaussian: Scheme(fill.glorot, fill.gaussian),
    Init.smart_tanh: Scheme(fill.hundredth, fill.sparse),
    Init.chrono: Scheme(fill.glorot, fill.orthogonal),
}
DEEP_FILLS: dict[DeepInit, Fill] = {
    DeepInit.torch: fill.torch_layer,
    DeepInit.he: fill.he,
    DeepInit.glorot: fill.glorot,
    DeepInit.orthogonal: fill.orthogonal,
    DeepInit.gaussian: fill.gaussian,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialiser:
    """Gives the parameters of a model their initial values, in place.

    Args:
        seed: the run's seed.
        kind: of recurrences.
        deep: of the hidden layers of deep nets.
        gain: factor of recurrent weights, or of the weights of hidden layers.
        horizon: T of ``chrono``: timesteps over which a dependency can reach, 3 or more.
        gate_bias: what is added to the biases of a recurrence's gates, by gate (torch adds two biases: it goes into
            ``bias_ih``); ``chrono`` takes no notice.
        radii: r_min and r_max, between which the eigenvalues of diagonal recurrences lie at first.
        transform_bias: where the biases of highway gates start (Srivastava et al. 2015, section 2.2).

    Example:
        >>> lstm = Recurrence("lstm", 3, 8)
        >>> Initialiser(seed=0, gate_bias={"f": 1.0}).recurrence(lstm, "lstm")
        >>> lstm.bias_ih.view(4, 8)[:, 0].tolist()
        [0.0, 1.0, 0.0, 0.0]
    """

    seed: int
    kind: Init = Init.orthogonal
    deep: DeepInit = DeepInit.torch
    gain: float = 1.0
    horizon: int = 0
    gate_bias: dict[str, float] = field(default_factory=dict)
    radii: tuple[float, float] = (0.0, 1.0)
    transform_bias: float = 0.0

    @torch.no_grad()
    def recurrence(self, recurrence: Recurrence, name: str) -> None:
        """By ``kind``, gate by gate: an ablated cell starts from the whole one's values, less the gate it lacks."""
        cell = recurrence.cell
        whole = CELLS[cell.base].gates if cell.base else cell.gates
        for tensor, parameter in recurrence.named_parameters():
            if tensor.startswith("norm"):
                parameter.fill_(1.0 if tensor.endswith("weight") else 0.0)
                continue
            for gate, block in zip(cell.gates, parameter.split(recurrence.hidden_size), strict=True):
                self._fill(tensor, cell)(block, self.generator(f"{name}.{tensor}", whole.index(gate)))
            if tensor in ("weight_hh", "weight_skip"):
                parameter.mul_(self.gain)
        for gate, bias in self._gate_biases(recurrence, name).items():
            recurrence.bias_ih.split(recurrence.hidden_size)[cell.gates.index(gate)].add_(bias)

    def _fill(self, tensor: str, cell: Cell) -> Fill:
        """What fills a block of a tensor of this name."""
        if tensor == "weight_hh" and cell.of_eigenvalues is not None:
            return partial(fill.diagonal, self.radii, cell.of_eigenvalues)
        return SCHEMES[self.kind].of(tensor)

    def _gate_biases(self, recurrence: Recurrence, name: str) -> dict[str, Tensor | float]:
        """What comes on top of the scheme's biases."""
        if self.kind is not Init.chrono:
            return dict(self.gate_bias)
        cell = recurrence.cell
        memory = CELLS[cell.base].memory if cell.base else cell.memory
        keep = fill.log_uniform_time(self.horizon, recurrence.hidden_size, self.generator(f"{name}.bias_ih"))
        return {gate: sign * keep for gate, sign in memory.items() if gate in cell.gates}

    @torch.no_grad()
    def layer(self, module: nn.Linear | nn.Conv1d | nn.Conv2d, name: str) -> None:
        """A hidden layer of a deep net: weights by ``deep``, times ``gain``; biases 0 (``torch``: as its weights)."""
        DEEP_FILLS[self.deep](module.weight, self.generator(f"{name}.weight"))
        module.weight.mul_(self.gain)
        if module.bias is None:
            return
        module.bias.zero_()
        if self.deep is DeepInit.torch:
            fill.uniform(module.bias, fill.fan_in(module.weight) ** -0.5, self.generator(f"{name}.bias"))

    @torch.no_grad()
    def linear(self, linear: nn.Linear, name: str) -> None:
        """A readout: weights U(-1/sqrt(fan_in), 1/sqrt(fan_in)) (torch's own range), bias zero."""
        fill.torch_layer(linear.weight, self.generator(f"{name}.weight"))
        if linear.bias is not None:
            linear.bias.zero_()

    @torch.no_grad()
    def transform_gate(self, gate: nn.Linear, name: str) -> None:
        """As :meth:`linear`, the bias at ``transform_bias``."""
        self.linear(gate, name)
        gate.bias.fill_(self.transform_bias)

    @torch.no_grad()
    def embedding(self, embedding: nn.Embedding, name: str) -> None:
        """Standard normal (torch's own)."""
        embedding.weight.normal_(generator=self.generator(f"{name}.weight"))

    def generator(self, name: str, *indices: int) -> torch.Generator:
        """A fresh stream for the tensor ``name``, or for a block of it."""
        return torch.Generator().manual_seed(stream_seed(self.seed, f"init.{name}", *indices))
