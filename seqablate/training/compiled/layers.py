"""A recurrence of a plain model on its kernels, without autograd.

Shapes: T time, B batch, I input, D hidden.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from seqablate.engine.cell import Cell
from seqablate.engine.kernels.arrays import Array, Backward, Call, rows_of
from seqablate.engine.recurrence import Recurrence
from seqablate.training.compiled.flat import Flat


class Layer:
    """A recurrence on its kernels: its weights, and the places of their gradients."""

    def __init__(self, name: str, recurrence: Recurrence, flat: Flat) -> None:
        self.name, self.cell = name, recurrence.cell
        parameters = recurrence.weight_ih, recurrence.weight_hh, recurrence.bias_ih, recurrence.bias_hh
        self.weights = [flat.value(parameter) for parameter in parameters]
        self.grads = [flat.grad(parameter) for parameter in parameters]
        self.blocks = rows_of(self.cell.blocks, *self.weights[1].shape)
        self.width = recurrence.hidden_size


class Passes:
    """A layer's two passes over inputs of one shape, in arrays that are filled again at each step.

    Args:
        layer: whose.
        x_TBI: its input.
        wants_d_x: whether the gradient of the input is wanted.

    Attributes:
        h_TBD: its output.
        d_last: [B, D], what reaches the last h; 0 unless somebody fills it.
        d_x: [T, B, I or more], the gradient of the input; T = 0: not wanted.
    """

    def __init__(self, layer: Layer, x_TBI: Array, wants_d_x: bool) -> None:
        (T, B, _), D, count = x_TBI.shape, layer.width, len(layer.cell.states)
        states = [np.zeros((B, D), x_TBI.dtype) for _ in range(count)]
        over_time = [np.empty((T, B, D), x_TBI.dtype) for _ in range(count)]
        self.layer, self.call = layer, Call(x_TBI, states, layer.weights, over_time, layer.blocks, [], True)
        self.silent = Backward.empty(self.call, None, [None] * count, d_x=wants_d_x, norms=False)
        self.observed = replace(self.silent, norms=np.zeros((count, 2, T, B)))
        self.h_TBD, self.d_last, self.d_x = over_time[0], self.silent.d_final[0], self.silent.d_x

    def receive(self, d_out: Array) -> None:
        """From now on what reaches the output stands in ``d_out`` [T, B, D or more]; T = 0: nothing does."""
        self.silent, self.observed = (replace(back, d_out=d_out) for back in (self.silent, self.observed))

    @property
    def largest(self) -> list[Array]:
        """The arrays whose size grows with T."""
        return [*self.call.over_time, *self.call.gates, self.d_x, self.observed.norms]

    def forward(self) -> None:
        """Fill every state at every step."""
        kernels_of(self.layer.cell).forward(self.call)

    def backward(self, observed: bool) -> None:
        """Put the gradients of the weights in their places, and where it is observed find the norms."""
        back = self.observed if observed else self.silent
        back.begin()
        for place, found in zip(self.layer.grads, kernels_of(self.layer.cell).backward(self.call, back), strict=True):
            place[...] = found

    def norms(self) -> Array:
        """[states, 2, T, B], of the total and the direct gradient at each timestep, as last observed: a copy."""
        return self.observed.norms.copy()


def kernels_of(cell: Cell) -> Any:
    """A cell's kernels: there are some, or the model would not be here."""
    return cell.kernels
