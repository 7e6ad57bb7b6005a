"""Forward and backward pass of a plain recurrent model by its kernels, without autograd.

Shapes: T time, B batch, I input, D hidden, S the last steps, O outputs.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from torch import nn

from seqablate.engine.kernels.arrays import Array
from seqablate.engine.kernels.products import Panels
from seqablate.models.base import PlainStack
from seqablate.tasks.base import NO_TARGET, Batch
from seqablate.training.compiled import kernels
from seqablate.training.compiled.flat import Flat
from seqablate.training.compiled.layers import Layer, Passes

MOST_KEPT = 2**26  # bytes that stay allocated from step to step; an evaluation may need the memory


class Head:
    """Readout and loss: rows of features to the loss of the batch and the rows' gradient.

    Args:
        readout: the layer.
        classes: whether the loss is that of classes, not of one number.
        flat: where its parameters lie.
    """

    def __init__(self, readout: nn.Linear, classes: bool, flat: Flat) -> None:
        self.weight, self.bias = flat.value(readout.weight), flat.value(readout.bias)
        self.d_weight, self.d_bias = flat.grad(readout.weight), flat.grad(readout.bias)
        self.panels = [Panels(self.weight), Panels(self.weight.T)] if classes else []

    def __call__(self, rows_ND: Array, y_N: Array, share_N: Array, d_rows_ND: Array) -> float:
        """The loss; its gradient is put into ``d_rows``. See ``kernels.py``."""
        given, found = (self.bias, y_N, share_N), (d_rows_ND, self.d_weight, self.d_bias)
        if self.panels:
            return kernels.cross_entropy(rows_ND, *(w.filled() for w in self.panels), *given, *found)
        return kernels.squared_error(rows_ND, self.weight, *given, *found)


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
        self.head = Head(stack.readout, classes, flat)
        self.kept: Shaped | None = None

    def gradients(self, batch: Batch, observed: bool) -> tuple[float, dict[str, Array]]:
        """The loss of a batch of arrays, the gradient of every parameter in its place; and the norms of each layer.

        The norms [states, 2, T, B] are there where they are observed.
        """
        work = self._work(batch)
        work.x_TBI[...] = batch.x if self.table is None else self.table[batch.x]
        for passes in work.layers:
            passes.forward()
        loss = self._answer(work, batch)
        for passes in reversed(work.layers):
            passes.backward(observed)
        if self.table is not None:
            self.d_table[...] = 0
            kernels.add_rows(self.d_table, batch.x, work.layers[0].d_x)
        self.kept = work if work is self.kept or work.bytes <= MOST_KEPT else None
        return loss, {passes.layer.name: passes.norms() for passes in work.layers if observed}

    def _work(self, batch: Batch) -> Shaped:
        """That of the step before, where it fits."""
        shape = *batch.x.shape[:2], self.every_step or batch.lengths is not None
        return self.kept if self.kept is not None and self.kept.shape == shape else Shaped(self, *shape)

    def _answer(self, work: Shaped, batch: Batch) -> float:
        """The loss; what reaches the last layer's output, or its last h, is put in its place."""
        if self.every_step:
            return self._every_step(work, batch)
        top, B = work.layers[-1], work.shape[1]
        if batch.lengths is None:
            return self.head(top.h_TBD[-1], batch.y, work.share_B, top.d_last)
        ends = batch.lengths - 1, np.arange(B)
        d_BD = np.empty_like(top.d_last)
        loss = self.head(top.h_TBD[ends], batch.y, work.share_B, d_BD)
        work.d_out.fill(0)
        work.d_out[ends] = d_BD
        return loss

    def _every_step(self, work: Shaped, batch: Batch) -> float:
        """Of a sample, the mean over its steps with a target; targets stand at the last S steps."""
        y_SB, h_TBD = batch.y, work.layers[-1].h_TBD
        S, (_, B, D) = len(y_SB), h_TBD.shape
        asked_SB = y_SB != NO_TARGET
        share_SB = (asked_SB / (B * asked_SB.sum(0))).astype(h_TBD.dtype)
        work.d_out[:-S] = 0
        given = h_TBD[-S:].reshape(-1, D), y_SB.reshape(-1), share_SB.reshape(-1)
        return self.head(*given, work.d_out[-S:].reshape(-1, D))


class Shaped:
    """What a net makes steps on batches of one shape in.

    Args:
        net: whose.
        T, B: the shape.
        over_time: whether the loss reaches more than the last h.

    Attributes:
        x_TBI: the input, which each step fills.
        layers: first to last.
        d_out: [T, B, D], what reaches the last layer's output; T = 0: nothing.
        share_B: the factor of a sample's loss in the loss of the batch.
    """

    def __init__(self, net: Net, T: int, B: int, over_time: bool) -> None:
        self.shape, dtype, first = (T, B, over_time), net.head.weight.dtype, net.layers[0]
        self.x_TBI = np.empty((T, B, first.weights[0].shape[1]), dtype)
        self.d_out = np.zeros((T if over_time else 0, B, net.layers[-1].width), dtype)
        self.share_B = np.full(B, 1 / B, dtype)
        self.layers: list[Passes] = []
        for layer in net.layers:
            x_TBI = self.layers[-1].h_TBD if self.layers else self.x_TBI
            wants_d_x = layer is not first or net.table is not None
            self.layers.append(Passes(layer, x_TBI, wants_d_x))
        for below, above in pairwise(self.layers):
            below.receive(above.d_x)
        self.layers[-1].receive(self.d_out)

    @property
    def bytes(self) -> int:
        """Of the largest arrays, once a step has been made in them."""
        return sum(array.nbytes for passes in self.layers for array in passes.largest)
