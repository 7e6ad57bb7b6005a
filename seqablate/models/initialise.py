"""Initial values of recurrent models, each cited, each tensor from a stream of its own.

A tensor's values depend on the seed and on its name only: adding a layer never shifts the others.
"""

from __future__ import annotations

import math

import torch

from seqablate.engine.cells import CELLS
from seqablate.engine.recurrence import Recurrence
from seqablate.streams import stream_seed


def initialise_recurrence(recurrence: Recurrence, seed: int, name: str, forget_bias: float | None = None) -> None:
    """Input weights Glorot-uniform, recurrent weights orthogonal, biases zero; gate by gate.

    Glorot & Bengio 2010, eq. 16; Saxe, McClelland & Ganguli 2014 (orthogonal), as usual for recurrent matrices since
    Le, Jaitly & Hinton 2015 and Arjovsky et al. 2016. ``forget_bias`` is the whole bias of a forget gate
    (torch adds two: it goes into ``bias_ih``, ``bias_hh`` stays zero); Jozefowicz et al. 2015 recommend 1. Where the
    gates are coupled, ``f = 1 - i``, the input gate's is minus that, so that f starts at ``sigmoid(forget_bias)``.

    An ablated cell starts from the values of the whole one, less the gate that it lacks.

    Args:
        recurrence: changed in place.
        seed: the run's seed.
        name: the recurrence's name, which selects its streams.
        forget_bias: for a cell with a gate ``f``, or with ``i`` coupled to it.
    """
    D, cell = recurrence.hidden_size, recurrence.cell
    whole = CELLS[cell.base or cell.name].gates
    with torch.no_grad():
        for gate, w_ih, w_hh in zip(
            cell.gates, recurrence.weight_ih.split(D), recurrence.weight_hh.split(D), strict=True
        ):
            number = whole.index(gate)
            torch.nn.init.xavier_uniform_(w_ih, generator=_generator(seed, f"{name}.weight_ih", number))
            torch.nn.init.orthogonal_(w_hh, generator=_generator(seed, f"{name}.weight_hh", number))
        recurrence.bias_ih.zero_()
        recurrence.bias_hh.zero_()
        if forget_bias is not None:
            gate, bias = ("f", forget_bias) if "f" in cell.gates else ("i", -forget_bias)
            recurrence.bias_ih.split(D)[cell.gates.index(gate)].fill_(bias)


def initialise_linear(linear: torch.nn.Linear, seed: int, name: str) -> None:
    """Weights U(-1/sqrt(fan_in), 1/sqrt(fan_in)) (torch's own range), bias zero."""
    bound = 1 / math.sqrt(linear.in_features)
    with torch.no_grad():
        linear.weight.uniform_(-bound, bound, generator=_generator(seed, f"{name}.weight"))
        linear.bias.zero_()


def initialise_embedding(embedding: torch.nn.Embedding, seed: int, name: str) -> None:
    """Standard normal (torch's own)."""
    with torch.no_grad():
        embedding.weight.normal_(generator=_generator(seed, f"{name}.weight"))


def _generator(seed: int, name: str, *indices: int) -> torch.Generator:
    return torch.Generator().manual_seed(stream_seed(seed, f"init.{name}", *indices))
