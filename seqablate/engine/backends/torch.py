"""torch's own kernels, one layer at a time, with zero channels that bring out what flows back through time.

Shapes: T time, B batch, N packed steps, I input, D hidden, P projected (D without ``proj_size``), G gates,
S directions, C zero channels of one direction (P; a GRU 2*D). ``*`` stands for T, B, or for N when packed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from seqablate.engine.backends.torch_call import KernelCall, Padding, layer_by_layer
from seqablate.engine.backends.totals import Memory, Order, cell_total, gru_total, hidden_total
from seqablate.engine.cell import Cell, States, Weights
from seqablate.engine.gradients import Carried, Gradients
from seqablate.engine.ports import Ports

Kernel = Callable[..., tuple[Tensor, ...]]
Receive = Callable[[int, list[Gradients]], None]


def run_cell(cell: Cell, x_TBI: Tensor, states: States, w: Weights, ports: Ports) -> tuple[Tensor, States]:
    """Run one layer and direction; see :class:`seqablate.engine.recurrence.Recurrence`."""
    observer = ports.observer
    assert cell.torch is not None  # a Recurrence has asked
    assert ports.clipping is None
    kernel = getattr(torch._VF, cell.torch)
    hx = tuple(state[None] for state in states)
    train = torch.is_grad_enabled()  # cuDNN has no backward pass otherwise
    if observer is None:
        results = kernel(x_TBI, hx if len(hx) > 1 else hx[0], list(w[:4]), True, 1, 0.0, train, False, False)
    else:
        call = KernelCall(cell.torch, x_TBI, hx, [[w]], train=train)
        results = run(
            kernel,
            call,
            lambda _, found: observer.receive(found[0]),
            cell_states=observer.cell_states,
            carried=lambda: tuple(None if later is None else later[None] for later in observer.carried()),
        )
    return results[0], tuple(state[0] for state in results[1:])


def flatten(cell: Cell, weights: list[Tensor]) -> None:
    """Lay the weights of a cell that torch knows out as one piece of memory, where cuDNN will use them."""
    if cell.torch is None or not weights[0].is_cuda or not torch.backends.cudnn.is_acceptable(weights[0]):
        return
    from torch.backends.cudnn import rnn

    mode, size = rnn.get_cudnn_mode(cell.torch.upper()), weights[1].shape[1]
    with torch.no_grad():
        torch._cudnn_rnn_flatten_weight(weights, 4, weights[0].shape[1], mode, size, 0, 1, False, False)


def run(
    kernel: Kernel,
    call: KernelCall,
    receive: Receive,
    *,
    cell_states: bool = True,
    carried: Callable[[], Carried] = tuple,
) -> tuple[Tensor, ...]:
    """Make a kernel call so that every backward pass through it reports the gradient of every timestep.

    Args:
        kernel: ``torch._VF.lstm`` or one of its siblings.
        call: what it is called with.
        receive: called with a layer's number and its :class:`Gradients`, one per direction, whenever a backward pass
            has come through that layer.
        cell_states: whether an LSTM's c is wanted as well.
        carried: as of an :class:`~seqablate.engine.ports.Observer`: for h_n [L*S, B, P] and c_n [L*S, B, D].

    Returns:
        What the kernel returns (output, h_n and, for an LSTM, c_n), equal to an unprobed call's up to rounding.

    Raises:
        RuntimeError: in the backward pass, when an output that is needed again was modified in place.
    """
    padding = call.padding()

    def layer(number: int, x: Tensor) -> tuple[Tensor, ...]:
        return _Layer(call, number, padding, receive, cell_states, carried).run(kernel, x)

    output, *finals = layer_by_layer(call, layer)
    return output.transpose(0, 1) if call.batch_first else output, *finals


class _Layer:
    """One layer of one call: makes it, gathers what a backward pass brings to its results, works out the totals."""

    def __init__(
        self,
        call: KernelCall,
        number: int,
        padding: Padding | None,
        receive: Receive,
        cell_states: bool,
        carried: Callable[[], Carried],
    ) -> None:
        self.cell, self.number, self.weights = call.cell, number, call.layers[number]
        self.batch_sizes, self.train, self.initial = call.batch_sizes, call.train, call.initial(number)
        self.padding, self.receive, self.carried = padding, receive, carried
        self.cell_states = cell_states and call.cell == "lstm"
        self.arrived: dict[str, Tensor] = {}
        self.task = -1  # the backward pass in which it arrived

    def run(self, kernel: Kernel, x: Tensor) -> tuple[Tensor, ...]:
        """Output [*, S*P], h_n [S, B, P] and, for an LSTM, c_n [S, B, D]."""
        # Sums and copies: an optimizer may step the parameters in place before the backward pass is through.
        self.biases = [None if w.b_ih is None or w.b_hh is None else (w.b_ih + w.b_hh).detach() for w in self.weights]
        self.u_n = [w.w_hh.detach().chunk(3)[2].clone() if self.cell == "gru" else None for w in self.weights]
        self.w_hr = [None if w.w_hr is None else w.w_hr.detach().clone() for w in self.weights]
        anchor = torch.zeros((), device=x.device, requires_grad=True)
        joined, *w_joined = _Join.apply(self, anchor, x, *self._channels(), *(w.w_ih for w in self.weights))
        flat = [p for w, w_ih in zip(self.weights, w_joined, strict=True) for p in (w_ih, *w[1:]) if p is not None]
        hx = self.initial if self.cell == "lstm" else self.initial[0]
        options = (flat, self.biases[0] is not None, 1, 0.0, self.train, len(self.weights) == 2)
        packed = self.batch_sizes is not None
        with _quiet() if x.is_cuda else nullcontext():
            results = kernel(joined, self.batch_sizes, hx, *options) if packed else kernel(joined, hx, *options, False)
        for name, result in zip(("output", "h", "c"), results, strict=False):
            self._listen(name, result)
        self.output, self.version = results[0].detach(), results[0]._version
        return results

    def _channels(self) -> list[Tensor]:
        """The zero channels' input weights of each direction, [G*D, S*C]; zero for the other direction's channels."""
        own = [_gru_channels(w) if self.cell == "gru" else w.w_hh.detach() for w in self.weights]
        if len(own) == 1:
            return own
        none = torch.zeros_like(own[0])
        return [torch.cat([own[0], none], dim=1), torch.cat([none, own[1]], dim=1)]

    def _listen(self, name: str, result: Tensor) -> None:
        """Keep the gradient that arrives at a result, as it is once every hook of the caller's has seen it."""
        node, number = result.grad_fn, result.output_nr

        def keep(gradients: tuple[Tensor | None, ...]) -> None:
            gradient, task = gradients[number], torch._C._current_graph_task_id()
            if task != self.task:  # what an earlier pass left that did not come back to the beginning of the call
                self.arrived, self.task = {}, task
            if gradient is not None:
                self.arrived[name] = gradient.detach()

        assert node is not None
        node.register_prehook(keep)

    def finish(self, flow: Tensor, joined: Tensor, w_joined: tuple[Tensor, ...]) -> None:
        """Report the totals: the kernel's backward pass is through, ``flow`` [*, S*C] is the channels' gradient."""
        with torch.no_grad():
            reports = self._reports(flow, joined, w_joined)
        self.receive(self.number, reports)  # in the mode of the backward pass, which tells whether it is differentiated

    def _reports(self, flow: Tensor, joined: Tensor, w_joined: tuple[Tensor, ...]) -> list[Gradients]:
        arrived, self.arrived = self.arrived, {}
        if self.output._version != self.version and (self.cell_states or self.cell == "gru"):
            raise RuntimeError(
                f"cannot work out the gradients of layer {self.number}: the output of its nn.{self.cell.upper()} was "
                "modified in place after the call; use the out-of-place operation inside TimestepProbe"
            )
        parts, channels = len(self.weights), flow.shape[-1]
        direct = arrived["output"] if "output" in arrived else torch.zeros_like(self.output)
        flow_s, direct_s, h_s = (self._padded(part).chunk(parts, -1) for part in (flow, direct, self.output))
        # The zeros have done their work: what stands there now only enters weight gradients that nobody sees. As .data,
        # because autograd would take the kernel's saved input for spoilt.
        xh = self._padded(joined.data)
        lengths_B = None if self.padding is None else self.padding.lengths_B
        delayed_s = xh[..., -channels:].chunk(parts, -1)
        reports = []
        for s in range(parts):
            order = Order.of(len(xh), reverse=s == 1, lengths_B=lengths_B)
            h0, c0 = self.initial[0][s].detach(), self.initial[-1][s].detach()
            if self.cell_states or self.cell == "gru":
                order.delay(h_s[s], h0, out=delayed_s[s][..., : h0.shape[-1]])
            memory = Memory(order, xh, w_joined[s], self.biases[s], h_s[s], c0, self.w_hr[s], self.u_n[s])
            finals = {name: arrived[name][s] for name in arrived if name != "output"}
            row = self.number * parts + s
            later = {n: g[row] for n, g in zip(("h", "c"), self.carried(), strict=False) if g is not None}
            reports.append(self._totals(direct_s[s], flow_s[s], finals, later, memory))
        return reports

    def _padded(self, data: Tensor) -> Tensor:
        return data if self.padding is None else self.padding.pad(data)

    def _totals(
        self, direct: Tensor, flow: Tensor, finals: dict[str, Tensor], later: dict[str, Tensor], memory: Memory
    ) -> Gradients:
        """The gradients of one direction.

        ``finals`` holds what reached the returned h_n and c_n, ``later`` the part of it that later calls sent.
        """
        last, arrived = memory.order.last, direct
        if "h" in finals:
            arrived, direct = direct.clone(), direct.clone()
            arrived[last] += finals["h"]
            direct[last] += finals["h"] - later["h"] if "h" in later else finals["h"]
        total = gru_total(arrived, flow, memory) if self.cell == "gru" else hidden_total(arrived, flow, memory.order)
        if not self.cell_states:
            return Gradients({"h": total}, {"h": direct})
        total_c, direct_c = cell_total(total, direct, finals.get("c"), memory)
        if "c" in later:
            direct_c[last] -= later["c"]
        return Gradients({"h": total, "c": total_c}, {"h": direct, "c": direct_c})


class _Join(torch.autograd.Function):
    """``[x, 0]`` and ``[W_ih, channels]`` of every direction; the backward pass hands the channels' gradient over.

    It is a function of the input and the weights at once, so that whatever of them a backward pass is asked for, it
    comes through here; the anchor makes sure of it when neither requires a gradient.
    """

    @staticmethod
    def forward(ctx: Any, layer: _Layer, anchor: Tensor, x: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        channels, w_ih = weights[: len(weights) // 2], weights[len(weights) // 2 :]
        inputs, added = x.shape[-1], channels[0].shape[-1]
        joined = x.new_empty(*x.shape[:-1], inputs + added)
        joined[..., :inputs] = x
        joined[..., inputs:] = 0
        w_joined = tuple(torch.cat(pair, dim=1) for pair in zip(w_ih, channels, strict=True))
        ctx.layer, ctx.inputs = layer, inputs
        ctx.save_for_backward(joined, *w_joined)
        return joined, *w_joined

    @staticmethod
    def backward(ctx: Any, d_joined: Tensor, *d_weights: Tensor) -> tuple[Tensor | None, ...]:
        joined, *w_joined = ctx.saved_tensors
        ctx.layer.finish(d_joined[..., ctx.inputs :].detach(), joined.detach(), tuple(w.detach() for w in w_joined))
        d_x = d_joined[..., : ctx.inputs] if ctx.needs_input_grad[2] else None
        return None, None, d_x, *(None for _ in d_weights), *(d_weight[:, : ctx.inputs] for d_weight in d_weights)


def _gru_channels(w: Weights) -> Tensor:
    """``[[U_r, 0], [U_z, 0], [0, 1]]``: U_n acts behind the reset gate, so its part is brought out in front of U_n."""
    u_rz, u_n = w.w_hh.detach().tensor_split([2 * w.w_hh.shape[1]])
    one = torch.eye(len(u_n), dtype=u_n.dtype, device=u_n.device)
    return torch.block_diag(u_rz, one)


@contextmanager
def _quiet() -> Iterator[None]:
    """The joined weights are new tensors, which cuDNN lays out again for this one call, and says so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        yield
