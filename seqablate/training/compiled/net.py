"""Forward and backward pass of a plain recurrent model by its kernels, without autograd.

Shapes: T time, B batch, I input, D hidden, S the last steps, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqablate.engine.cell import Cell
from seqablate.engine.kernels.arrays import Backward, Call, rows_of
from seqablate.engine.kernels.products import panels
from seqablate.engine.recurrence import Recurrence
from seqablate.models.base import PlainStack
from seqablate.tasks.base import NO_TARGET, Batch
from seqablate.training.compiled import kernels
from seqablate.training.compiled.flat import Flat

Array = np.ndarray[Any, Any]


class Layer:
    """A recurrence on its kernels."""

    def __init__(self, name: str, recurrence: Recurrence, flat: Flat) -> None:
        self.name, self.cell = name, recurrence.cell
        parameters = recurrence.weight_ih, recurrence.weight_hh, recurrence.bias_ih, recurrence.bias_hh
        self.weights = [flat.value(parameter) for parameter in parameters]
        self.grads = [flat.grad(parameter) for parameter in parameters]
        self.blocks = rows_of(self.cell.blocks, *self.weights[1].shape)
        self.width = recurrence.hidden_size

    def forward(self, x_TBI: Array) -> Call:
        """The call, whose states at every step are filled."""
        T, B, _ = x_TBI.shape
        states = [np.zeros((B, self.width), x_TBI.dtype) for _ in self.cell.states]
        over_time = [np.empty((T, B, self.width), x_TBI.dtype) for _ in states]
        call = Call(x_TBI, states, self.weights, over_time, self.blocks, [], True)
        kernels_of(self.cell).forward(call)
        return call

    def backward(
        self, call: Call, d_out: Array | None, d_last: Array | None, wants_d_x: bool, observed: bool
    ) -> Backward:
        """Put the gradients of the weights in their places; what was made on the way comes back.

        Args:
            call: of :meth:`forward`.
            d_out: [T, B, D or more], what reached the output; None for nothing.
            d_last: [B, D], what reached the last h; None for nothing.
            wants_d_x: whether the gradient of the input is wanted.
            observed: whether the norms of every timestep are.
        """
        d_final = [d_last, *[None] * (len(call.states) - 1)]
        back = Backward.empty(call, d_out, d_final, d_x=wants_d_x, norms=observed)
        for place, found in zip(self.grads, kernels_of(self.cell).backward(call, back), strict=True):
            place[...] = found
        return back


def kernels_of(cell: Cell) -> Any:
    """A cell's kernels: there are some, or the model would not be here."""
    return cell.kernels


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Readout and loss: rows of features to the loss of the batch and the rows' gradient."""

    weight: Array
    bias: Array
    d_weight: Array
    d_bias: Array
    classes: bool

    def __call__(self, rows_ND: Array, y_N: Array, share_N: Array) -> tuple[float, Array]:
        """The loss, and its gradient [N, D]; see ``kernels.py``."""
        d_rows = np.empty_like(rows_ND)
        w, given, found = self.weight, (self.bias, y_N, share_N), (d_rows, self.d_weight, self.d_bias)
        if self.classes:
            return kernels.cross_entropy(rows_ND, panels(w), panels(w.T), *given, *found), d_rows
        return kernels.squared_error(rows_ND, w, *given, *found), d_rows


class Net:
    """A plain recurrent model.

    Args:
        stack: what it is made of.
        classes: whether the loss is that of classes, not of one number.
        flat: where its parameters lie.
    """

    def __init__(self, stack: PlainStack, classes: bool, flat: Flat) -> None:
        self.every_step = stack.every_step
        self.layers = [Layer(name, recurrence, flat) for name, recurrence in stack.recurrences.items()]
        self.table: Array | None = None
        if stack.embedding is not None:
            self.table, self.d_table = flat.value(stack.embedding.weight), flat.grad(stack.embedding.weight)
        w, b = stack.readout.weight, stack.readout.bias
        self.head = Head(flat.value(w), flat.value(b), flat.grad(w), flat.grad(b), classes)

    def gradients(self, batch: Batch, observed: bool) -> tuple[float, dict[str, Backward]]:
        """The loss of a batch of arrays, the gradient of every parameter in its place; and, by layer, what was made."""
        x = batch.x if self.table is None else self.table[batch.x]
        x = np.ascontiguousarray(x, self.head.weight.dtype)
        calls: list[Call] = []
        for layer in self.layers:
            calls.append(layer.forward(x))
            x = calls[-1].over_time[0]
        loss, d_out, d_last = self._answer(x, batch)
        backs: dict[str, Backward] = {}
        for number, (layer, call) in reversed(list(enumerate(zip(self.layers, calls, strict=True)))):
            wants_d_x = number > 0 or self.table is not None
            backs[layer.name] = back = layer.backward(call, d_out, d_last, wants_d_x, observed)
            d_out, d_last = back.d_x, None
        if self.table is not None:
            self.d_table[...] = 0
            kernels.add_rows(self.d_table, batch.x, d_out)
        return loss, backs

    def _answer(self, h_TBD: Array, batch: Batch) -> tuple[float, Array | None, Array | None]:
        """The loss, what reaches the output [T, B, D], and what reaches the last h [B, D]; one of the two."""
        if self.every_step:
            return *self._every_step(h_TBD, batch), None
        B = h_TBD.shape[1]
        share = np.full(B, 1 / B, h_TBD.dtype)
        if batch.lengths is None:
            loss, d_BD = self.head(h_TBD[-1], batch.y, share)
            return loss, None, d_BD
        ends = batch.lengths - 1, np.arange(B)
        loss, d_BD = self.head(h_TBD[ends], batch.y, share)
        d_out = np.zeros_like(h_TBD)
        d_out[ends] = d_BD
        return loss, d_out, None

    def _every_step(self, h_TBD: Array, batch: Batch) -> tuple[float, Array]:
        """Of a sample, the mean over its steps with a target; targets stand at the last S steps."""
        y_SB = batch.y
        S, (_, B, D) = len(y_SB), h_TBD.shape
        asked_SB = y_SB != NO_TARGET
        share_SB = (asked_SB / (B * asked_SB.sum(0))).astype(h_TBD.dtype)
        d_out = np.zeros_like(h_TBD)
        loss, d_rows = self.head(h_TBD[-S:].reshape(-1, D), y_SB.reshape(-1), share_SB.reshape(-1))
        d_out[-S:] = d_rows.reshape(S, B, D)
        return loss, d_out
