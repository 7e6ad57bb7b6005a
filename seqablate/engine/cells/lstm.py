"""Long short-term memory: ``c' = f c + i g`` and ``h' = o tanh(c')`` (Gers et al. 2000); gates in the order i, f, g, o.

The kernels are also those of an LSTM without one of its parts (:class:`Form`, ``lstm_variants.py``).

Shapes: T time, B batch, I input, D hidden. Kernels: ``w_x`` and ``w_h`` are the transposed weights, in panels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor
from torch.nn.functional import linear

from seqablate.engine import kernels
from seqablate.engine.cell import Cell, Kernels, States, Weights
from seqablate.engine.kernels.cache import compiled, inlined
from seqablate.engine.tanh import Tanh

if TYPE_CHECKING:
    from seqablate.engine.kernels.arrays import Array, Backward, Call

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


def step(x_BI: Tensor, states: States, w: Weights) -> States:
    """``c' = f c + i g`` and ``h' = o tanh(c')`` (Gers et al. 2000), projected by W_hr (Sak et al. 2014)."""
    h_BP, c_BD = states
    i, f, g, o = (w.from_input(x_BI) + w.from_hidden(h_BP)).chunk(4, dim=1)
    c_BD = f.sigmoid() * c_BD + i.sigmoid() * g.tanh()
    m_BD = o.sigmoid() * Tanh.apply(w.from_cell(c_BD))
    return (m_BD if w.w_hr is None else linear(m_BD, w.w_hr)), c_BD


class Form(NamedTuple):
    """Which parts of an LSTM there are. A gate that is not there is computed like the others and then held at 1.

    The kernels of the LSTM itself are told None: what is here for others is then not compiled.
    """

    i: bool = True
    f: bool = True
    o: bool = True
    coupled: bool = False  # f = 1 - i
    bends_g: bool = True  # g has its tanh
    bends_c: bool = True  # so has what the output shows of c


@inlined
def open_gates(a, D, form):
    """The gates of one step from their pre-activations ``a`` [B, padded 4*D], in place."""
    for i in range(a.shape[0]):
        for j in range(2 * D):
            a[i, j] = kernels.sigmoid(a[i, j])
        if form is None or form.bends_g:
            for j in range(D):
                a[i, 2 * D + j] = kernels.tanh(a[i, 2 * D + j])
        for j in range(D):
            a[i, 3 * D + j] = kernels.sigmoid(a[i, 3 * D + j])
        if form is not None:
            hold_open(a[i], D, form)


@inlined
def hold_open(a, D, form):
    """1 for a gate that is not there, or what it is made of: a [4*D or more]."""
    if not form.i:
        for j in range(D):
            a[j] = _ONE
    if not form.f:
        for j in range(D):
            a[D + j] = _ONE - a[j] if form.coupled else _ONE
    if not form.o:
        for j in range(D):
            a[3 * D + j] = _ONE


@inlined
def advance(c, a, c_before):
    """``c = f c_before + i g`` of one step, all [B, D]."""
    B, D = c.shape
    for i in range(B):
        for j in range(D):
            c[i, j] = a[i, D + j] * c_before[i, j] + a[i, j] * a[i, 2 * D + j]


@inlined
def show(h, c, a, form):
    """``h = o tanh(c)`` of one step: h [B, D], c, or its norm, [B, D or more]."""
    B, D = h.shape
    for i in range(B):
        if form is None or form.bends_c:
            for j in range(D):
                h[i, j] = a[i, 3 * D + j] * kernels.tanh(c[i, j])
        else:
            for j in range(D):
                h[i, j] = a[i, 3 * D + j] * c[i, j]


@inlined
def through_output(d_a, d_c, direct, d_h, a, c, form):
    """What d_h brings to o and to what is shown of c, and ``direct`` to that; ``d_h`` begins anew, at 0."""
    B, D = direct.shape
    for i in range(B):
        if form is None or form.bends_c:
            for j in range(D):
                (tanh_c, slope), o = kernels.tanh_and_slope(c[i, j]), a[i, 3 * D + j]
                slope *= o
                direct[i, j] *= slope
                d_c[i, j] += d_h[i, j] * slope
                d_a[i, 3 * D + j] = d_h[i, j] * tanh_c * o * (_ONE - o)
                d_h[i, j] = _ZERO
        else:
            for j in range(D):
                o = a[i, 3 * D + j]
                direct[i, j] *= o
                d_c[i, j] += d_h[i, j] * o
                d_a[i, 3 * D + j] = d_h[i, j] * c[i, j] * o * (_ONE - o)
                d_h[i, j] = _ZERO


@inlined
def close_gates(d_a, D, form):
    """No gradient at a gate that is not there, although an infinite one times the slope there, 0, is no number."""
    if not form.i:
        for j in range(D):
            d_a[j] = _ZERO
    if not form.f:
        for j in range(D):
            d_a[D + j] = _ZERO
    if not form.o:
        for j in range(D):
            d_a[3 * D + j] = _ZERO


@inlined
def through_cell(d_a, d_c, a, c_before, form):
    """What d_c brings to i, f and g, and, left in its place, to c of the step before.

    One loop for each gate: LLVM leaves a loop scalar that writes to more arrays than it checks for overlap.
    """
    B, D = c_before.shape
    for i in range(B):
        for j in range(D):
            d, i_t, g = d_c[i, j], a[i, j], a[i, 2 * D + j]
            d_a[i, j] = d * g * i_t * (_ONE - i_t)
        for j in range(D):
            f = a[i, D + j]
            d_a[i, D + j] = d_c[i, j] * c_before[i, j] * f * (_ONE - f)
        if form is None or form.bends_g:
            for j in range(D):
                g = a[i, 2 * D + j]
                d_a[i, 2 * D + j] = d_c[i, j] * a[i, j] * (_ONE - g * g)
        else:
            for j in range(D):
                d_a[i, 2 * D + j] = d_c[i, j] * a[i, j]
        for j in range(D):
            d_c[i, j] *= a[i, D + j]
        if form is not None:
            if form.coupled:
                for j in range(D):  # through f = 1 - i, which d_c has as a factor already
                    d_a[i, j] -= d_c[i, j] * c_before[i, j] * a[i, j]
            close_gates(d_a[i], D, form)


@compiled
def forward(x, w_x, w_h, b, h0, c0, h, c, gates, form, norm_x, norm_h, norm_c, skip, S):
    """Fill h, c [T, B, D] and the gates [.., B, padded 4*D].

    The gates hold all timesteps, or one chunk of them, over and over, where no backward pass will ask for them.
    """
    T, _, D = h.shape
    kept = gates.shape[0]
    h_before, c_before = h0, c0
    for t in range(T):
        s = t % kept
        if t % S == 0:
            n = min(S, T - t)
            kernels.from_input(gates[s : s + n], x[t : t + n], w_x, b, norm_x, skip, t)
        a, h_t, c_t = gates[s], h[t], c[t]
        kernels.from_hidden(a, h_before, w_h, norm_h, t)
        open_gates(a, D, form)
        advance(c_t, a, c_before)
        show(h_t, kernels.shown(c_t, norm_c, t), a, form)
        h_before, c_before = h_t, c_t


@compiled
def backward(
    x, w_ih, w_hh, h0, c0, h, c, gates, d_out, d_hn, d_cn, d_h, d_c, chunk, direct, d_x, dw_x, dw_h,
    d_b, ports, form, norm_x, norm_h, norm_c, skip,
):  # fmt: skip
    """See the head of this file; the gradient of the initial c is left in ``d_c`` [B, D]."""
    T, _, D = h.shape
    S = chunk.shape[0]
    kernels.add(d_c, d_cn)
    for t in range(T - 1, -1, -1):
        a, d_a, c_t = gates[t], chunk[t % S], c[t]
        c_before = c[t - 1] if t > 0 else c0
        arrived = kernels.receive(d_h, direct, d_out, d_hn, skip, t, T, ports)
        d_shown = kernels.behind_norm(d_c, norm_c)
        through_output(d_a, d_shown, direct, d_h, a, kernels.shown_again(c_t, norm_c, t), form)
        kernels.to_cell(d_c, direct, d_shown, norm_c, t)
        if arrived:
            if t == T - 1:
                kernels.add(direct, d_cn)
            kernels.report(direct, D, 1, kernels.DIRECT, t, ports)
        kernels.complete(d_c, D, 1, t, ports)
        through_cell(d_a, d_c, a, c_before, form)
        kernels.to_hidden(d_h, d_a, w_hh, norm_h, t)
        if t % S == 0:
            n = min(S, T - t)
            kernels.to_recurrent_weights(dw_h, kernels.in_front(chunk, norm_h)[:n], h0, h, t)
            kernels.to_input_weights(dw_x, d_b, chunk[:n], x[t : t + n], norm_x, t)
            kernels.to_input(d_x[t : t + n], chunk[:n], w_ih)
            kernels.to_skipped(skip, chunk[:n], t)


def run_forward(call: Call, *, form: Form | None = None) -> None:
    """As :class:`seqablate.engine.cell.Kernels` has it, the weights [4*D, *]."""
    b_ih, b_hh = call.weights[2:4]
    (gates,), b = call.rooms(len(b_ih)), kernels.padded_row(b_ih + b_hh)
    norms, skips = kernels.norms_of(call, there=_there(form, call)), kernels.skips_of(call)
    forward(call.x, *call.transposed(), b, *call.states, *call.over_time, gates, form, *norms, *skips, call.chunk)
    call.gates[:] = [gates, *kernels.kept_of(norms)]


def run_backward(call: Call, back: Backward, *, form: Form | None = None) -> list[Array]:
    """The same."""
    norms, skips = kernels.norms_of(call, call.gates[1:], _there(form, call)), kernels.skips_of(call, back)
    sums = call.sums()
    backward(
        call.x, *call.panels(), *call.states, *call.over_time, call.gates[0], back.d_out, *back.d_final,
        *back.d_states, *call.chunks(len(call.weights[2])), back.direct, back.d_x, *sums.arrays, back.ports, form,
        *norms, *skips,
    )  # fmt: skip
    dw_ih, dw_hh, (d_b,) = sums.weights()
    each = [dw_ih, dw_hh, d_b, d_b.copy()]  # each its own array: a clip works in place
    return [*each, *kernels.d_gains(norms, 1), *kernels.d_skip(skips)]


def _there(form: Form | None, call: Call) -> Array | None:
    """1 for the columns of the gates that there are, which a norm is over; None: of all four."""
    if form is None:
        return None
    return np.repeat(np.array([form.i, form.f, True, form.o], call.x.dtype), call.over_time[0].shape[2])


CELLS = (
    Cell(
        "lstm",
        ("i", "f", "g", "o"),
        ("h", "c"),
        step,
        torch="lstm",
        kernels=Kernels(run_forward, run_backward),
        memory={"f": 1, "i": -1},
    ),
)
