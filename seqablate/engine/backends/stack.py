"""A user's own ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU`` on our compiled kernels, one layer and direction after the other.

It stands for :func:`seqablate.engine.backends.torch.run` where the kernels fit (:func:`fits`).

Shapes: T time, B batch, I input, D hidden, S directions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from seqablate.engine.backends import compiled
from seqablate.engine.backends.torch import Kernel, Receive
from seqablate.engine.backends.torch_call import KernelCall, layer_by_layer
from seqablate.engine.cell import States, Weights
from seqablate.engine.cells import CELLS
from seqablate.engine.gradients import Carried, Gradients
from seqablate.engine.ports import Observer, Ports


def fits(call: KernelCall) -> bool:
    """Whether the compiled kernels can make this call: not packed, not projected, in one precision on a CPU.

    Nor frozen: torch then keeps less for a backward pass than the kernels do, and the caller may change it in place.
    """
    weights = [p for w in chain(*call.layers) for p in w if p is not None]
    tensors = [call.x, *call.hx, *weights]
    return (
        any(p.requires_grad for p in weights)
        and call.batch_sizes is None
        and call.layers[0][0].w_hr is None
        and call.x.numel() > 0
        and call.x.dtype in (torch.float32, torch.float64)
        and all((p.dtype, p.device.type) == (call.x.dtype, "cpu") for p in tensors)
        and compiled.available()
    )


def run(
    kernel: Kernel,
    call: KernelCall,
    receive: Receive,
    *,
    cell_states: bool = True,
    carried: Callable[[], Carried] = tuple,
) -> tuple[Tensor, ...]:
    """As :func:`seqablate.engine.backends.torch.run`; ``kernel`` makes second derivatives, which ours have not."""

    def layer(number: int, x: Tensor) -> tuple[Tensor, ...]:
        return _Layer(kernel, call, number, receive, cell_states, carried).run(x.contiguous())

    output, *finals = layer_by_layer(call, layer)
    output = output.clone()  # the kernels need theirs in the backward pass, and the caller may change this one in place
    return output.transpose(0, 1) if call.batch_first else output, *finals


class _Layer:
    """One layer of one call: makes it, and reports the gradients of its directions together."""

    def __init__(
        self,
        kernel: Kernel,
        call: KernelCall,
        number: int,
        receive: Receive,
        cell_states: bool,
        carried: Callable[[], Carried],
    ) -> None:
        self.kernel, self.cell, self.number, self.train = kernel, CELLS[call.cell], number, call.train
        self.weights, self.initial = call.layers[number], call.initial(number)
        self.receive, self.cell_states, self.carried = receive, cell_states, carried
        self.task = -1  # the backward pass of what follows
        self.found: dict[int, Gradients] = {}  # by direction
        self.arrived: dict[int, Tensor] = {}  # by result, where it will be differentiated again

    def run(self, x_TBI: Tensor) -> tuple[Tensor, ...]:
        """Output [T, B, S*D], h_n [S, B, D] and, for an LSTM, c_n [S, B, D]."""
        self.x = x_TBI
        parameters = [p for w in self.weights for p in w if p is not None]
        anchor = torch.zeros((), requires_grad=True)
        x, *rest = _Entrance.apply(self, anchor, x_TBI, *self.initial, *parameters)
        initial, parameters = rest[: len(self.initial)], rest[len(self.initial) :]
        size = len(parameters) // len(self.weights)
        runs = [
            self._direction(s, x, tuple(state[s] for state in initial), parameters[s * size : (s + 1) * size])
            for s in range(len(self.weights))
        ]
        outputs, finals = zip(*runs, strict=True)
        output = outputs[0] if len(runs) == 1 else torch.cat(outputs, dim=2)
        results = output, *(torch.stack(states) for states in zip(*finals, strict=True))
        for number, result in enumerate(results):
            self._listen(number, result)
        return results

    def _direction(self, s: int, x: Tensor, states: States, parameters: Sequence[Tensor]) -> tuple[Tensor, States]:
        """Output [T, B, D] and final states of one direction; the reverse one reads its input from the end."""
        zero = x.new_zeros(len(parameters[0]))
        w_ih, w_hh, b_ih, b_hh = (*parameters, zero, zero)[:4]
        ports = Ports(Observer(partial(self._told, s), self.cell_states, True, partial(self._later, s)))
        output, finals = compiled.run(self.cell, x.flip(0) if s else x, states, Weights(w_ih, w_hh, b_ih, b_hh), ports)
        return output.flip(0) if s else output, finals

    def _later(self, s: int) -> Carried:
        row = self.number * len(self.weights) + s
        return tuple(None if later is None else later[row] for later in self.carried())

    def _listen(self, number: int, result: Tensor) -> None:
        """Keep what arrives at a result for as long as it is needed: it may be differentiated."""
        node, at = result.grad_fn, result.output_nr

        def keep(gradients: tuple[Tensor | None, ...]) -> None:
            gradient = gradients[at]
            if torch.is_grad_enabled() and gradient is not None:
                self._begin()
                self.arrived[number] = gradient

        assert node is not None
        node.register_prehook(keep)

    def _told(self, s: int, found: Gradients) -> None:
        self._begin()
        self.found[s] = _flipped(found) if s else found

    def _begin(self) -> None:
        """Forget what an earlier pass has left that did not come back to the beginning of the call."""
        if (task := torch._C._current_graph_task_id()) != self.task:
            self.task, self.found, self.arrived = task, {}, {}

    def report(self) -> bool:
        """Every direction has been gone through that the loss depends on; False: none, by a second derivative."""
        self._begin()
        found, self.found = self.found, {}
        self.receive(self.number, [found.get(s) or self._nothing() for s in range(len(self.weights))])
        return bool(found)

    def _nothing(self) -> Gradients:
        T, B, _ = self.x.shape
        zeros = self.x.new_zeros(T, B, self.initial[0].shape[-1])
        by_state = dict.fromkeys(self.cell.states[: 2 if self.cell_states else 1], zeros)
        return Gradients(by_state, by_state)

    def again(self, inputs: Sequence[Tensor], wanted: Sequence[bool]) -> tuple[Tensor | None, ...]:
        """The gradients of ``inputs`` (x, initial states, parameters) as functions of all that they depend on.

        Whoever differentiates them comes through an entrance, where it is noticed.
        """
        with torch.enable_grad():
            inputs = x, *rest = _Entrance.apply(self, torch.zeros((), requires_grad=True), *inputs)
        hx, flat = rest[: len(self.initial)], rest[len(self.initial) :]
        biases, both = self.weights[0].b_ih is not None, len(self.weights) == 2
        state = hx[0] if len(hx) == 1 else tuple(hx)
        with torch.enable_grad():
            results = self.kernel(x, state, flat, biases, 1, 0.0, self.train, both, False)
        arrived, self.arrived = self.arrived, {}
        reached = [results[number] for number in arrived]
        sought = [p for p, is_wanted in zip(inputs, wanted, strict=True) if is_wanted]
        found = iter(torch.autograd.grad(reached, sought, [*arrived.values()], create_graph=True, allow_unused=True))
        return tuple(next(found) if is_wanted else None for is_wanted in wanted)


class _Entrance(torch.autograd.Function):
    """What goes into a layer, unchanged; every backward pass through the layer ends here.

    The anchor makes sure of it when neither input nor weights require a gradient.
    """

    @staticmethod
    def forward(ctx: Any, layer: _Layer, anchor: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.layer = layer
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs)
        return inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        through_kernels = ctx.layer.report()
        if through_kernels and torch.is_grad_enabled() and any(ctx.needs_input_grad[2:]):
            gradients = ctx.layer.again(ctx.saved_tensors, ctx.needs_input_grad[2:])
        return None, None, *gradients


def _flipped(found: Gradients) -> Gradients:
    parts = (found.total, found.direct, found.total_norms or {}, found.direct_norms or {})
    return Gradients(*({state: v.flip(0) for state, v in part.items()} for part in parts))
