"""Whole recurrences as single compiled functions: forward, and a backward pass derived by hand (README.md).

Compiled by numba at first use and kept on disk. All of it is in one file because numba's cache looks at the file of the
function it compiles, and would keep code whose helpers have changed elsewhere.

Shapes: T time, B batch, I input, D hidden, G gates * D, W the width of a panel (two vectors of the processor).
``w_x`` and ``w_h`` are the transposed weights, [I, G] and [D, G]. A matrix on the right of a product, and a weight
gradient, is kept in panels [panel, rows, W], each contiguous and padded with zeros: read row by row, wide matrices
would miss the cache and the page table. Other matrices that receive a product have rows padded to whole panels
(:func:`padded`). Products that do not wait for the step before are made for a chunk of S steps at once.

A backward kernel takes ``d_out`` [T, B, D] (T = 0: no gradient reached the output) and ``d_hn`` [B, D], the gradient of
the returned final state. It adds to ``dw_*`` and ``d_b``, to ``d_x`` (T = 0: not wanted), and leaves the
gradient of the initial state in ``d_h`` [B, D], which starts at zero. ``norms`` [states, 2, T, B] (states = 0: not
wanted) receives the norms of every state's total and direct gradient, ``vectors`` [states, 2, T, B, D] those
themselves; both start at zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload, register_jitable

TOTAL, DIRECT = 0, 1


# Sums may be regrouped and fused; infinities and NaN keep their meaning, because a diverging run must be seen.
uncached = partial(njit, fastmath={"contract", "reassoc", "nsz", "arcp"}, error_model="numpy", nogil=True)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call; keep the result on disk where numba finds a place for it."""
    try:
        return uncached(cache=True)(function)
    except RuntimeError:  # neither this folder nor the user's cache can be written
        return uncached()(function)


def _vector_bytes() -> int:
    features = get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


VECTOR_BYTES = _vector_bytes()
TILE_ROWS = 4 if VECTOR_BYTES == 32 else 8  # with two vectors a row, what fits the registers: AVX2 has 16, others 32
PANEL_BYTES = 2 * VECTOR_BYTES


def padded(columns: int, dtype: np.dtype[Any]) -> int:
    """``columns``, rounded up to whole panels."""
    width = PANEL_BYTES // dtype.itemsize
    return -(-columns // width) * width


# --- products ---------------------------------------------------------------------------------------------------------


def _make_tile(rows: int) -> Any:
    """``C[i:i+rows, c:c+W] += A[i:i+rows] @ B[:, b:b+W]``, W the width of a panel, with C in registers throughout.

    Written in LLVM's own terms because the loop vectoriser keeps C in memory, which costs a factor of two to three.
    A may have any strides; the columns of B and C are contiguous.
    """

    @intrinsic
    def tile(typing: Any, C: Any, A: Any, B: Any, i: Any, c: Any, b: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
            to, left, right = (
                context.make_array(t)(context, builder, v) for t, v in zip(signature.args[:3], args[:3], strict=True)
            )
            row, to_column, right_column = args[3:]
            scalar = context.get_data_type(signature.args[0].dtype)
            size = signature.args[0].dtype.bitwidth // 8
            lanes = VECTOR_BYTES // size
            vector, integer = ir.VectorType(scalar, lanes), row.type
            nowhere = ir.Constant(vector, ir.Undefined)
            spread = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

            def at(array: Any, r: Any, s: Any, kind: ir.Type) -> Any:
                r_stride, s_stride = cgutils.unpack_tuple(builder, array.strides)
                base = builder.ptrtoint(array.data, integer)
                offset = builder.add(builder.mul(r, r_stride), builder.mul(s, s_stride))
                return builder.inttoptr(builder.add(base, offset), kind.as_pointer())

            def plus(value: Any, by: int) -> Any:
                return builder.add(value, ir.Constant(integer, by))

            where = {
                (r, v): at(to, plus(row, r), plus(to_column, v * lanes), vector) for r in range(rows) for v in (0, 1)
            }
            sums = {key: cgutils.alloca_once_value(builder, builder.load(p, align=size)) for key, p in where.items()}
            depth = cgutils.unpack_tuple(builder, left.shape)[1]
            with cgutils.for_range(builder, depth) as loop:
                k = loop.index
                b_k = [builder.load(at(right, k, plus(right_column, v * lanes), vector), align=size) for v in (0, 1)]
                for r in range(rows):
                    a_rk = builder.load(at(left, plus(row, r), k, scalar))
                    a_rk = builder.insert_element(nowhere, a_rk, ir.IntType(32)(0))
                    a_rk = builder.shuffle_vector(a_rk, nowhere, spread)
                    for v in (0, 1):
                        product = builder.fmul(a_rk, b_k[v], flags=["contract"])
                        total = builder.fadd(builder.load(sums[r, v]), product, flags=["contract"])
                        builder.store(total, sums[r, v])
            for key, p in where.items():
                builder.store(builder.load(sums[key]), p, align=size)
            return context.get_dummy_value()

        return types.void(C, A, B, i, c, b), generate

    return tile


_tile, _half_tile, _row = _make_tile(TILE_ROWS), _make_tile(TILE_ROWS // 2), _make_tile(1)


@compiled
def _add_panel(C, c, A, B, b):
    """``C[:, c:c+W] += A @ B[:, b:b+W]``."""
    rows = A.shape[0]
    i = 0
    while i + TILE_ROWS <= rows:
        _tile(C, A, B, i, c, b)
        i += TILE_ROWS
    if i + TILE_ROWS // 2 <= rows:
        _half_tile(C, A, B, i, c, b)
        i += TILE_ROWS // 2
    while i < rows:
        _row(C, A, B, i, c, b)
        i += 1


@compiled
def add_product(C, A, B):
    """``C += A @ B``, for B in panels [panel, K, W] and C [M, panels * W]."""
    width = B.shape[2]
    for panel in range(B.shape[0]):
        _add_panel(C, panel * width, A, B[panel], 0)


@compiled
def add_to_panels(C, A, B):
    """``C += A @ B``, for C in panels [panel, M, W] and B [K, panels * W]."""
    width = C.shape[2]
    for panel in range(C.shape[0]):
        _add_panel(C[panel], 0, A, B, panel * width)


# --- gate functions ---------------------------------------------------------------------------------------------------
# exp(y) = 2^n exp(r) with |r| <= ln(2)/2, exp(r) - 1 by its Taylor polynomial of degree 7; ln 2 in two parts (Cody and
# Waite 1980). Plain arithmetic, so that the loop vectoriser takes it: a call of a library function would stop it.

_f, _i = np.float32, np.int32
_LOG2_E, _LN2_HIGH, _LN2_LOW = _f(1.4426950408889634), _f(0.693359375), _f(-2.12194440e-4)
_T2, _T3, _T4, _T5, _T6, _T7 = (_f(1 / math.factorial(k)) for k in range(2, 8))
_LOWEST, _HIGHEST, _HALF, _BIAS = _f(-87.0), _f(88.0), _f(128.5), _i(127)
_ZERO, _ONE, _TWO, _FOUR, _ROUND, _MANTISSA = _f(0.0), _f(1.0), _f(2.0), _f(4.0), _i(128), _i(23)
# Gate functions are not regrouped: n p + (n - 1) would become (n + n p) - 1, which loses the digits of a small result.
_IN_ORDER = {"fastmath": {"contract", "nsz", "arcp"}}


@register_jitable(**_IN_ORDER)
def _exp_parts(y):
    """``(exp(r) - 1, 2^n)`` for -87 <= y <= 88; NaN stays NaN."""
    n = _i(y * _LOG2_E + _HALF) - _ROUND
    r = y - _f(n) * _LN2_HIGH - _f(n) * _LN2_LOW
    p = r + r * r * (_T2 + r * (_T3 + r * (_T4 + r * (_T5 + r * (_T6 + r * _T7)))))
    return p, _i((n + _BIAS) << _MANTISSA).view(_f)


@register_jitable(**_IN_ORDER)
def _decay(x):
    """``s - 1`` and ``s`` for ``s = exp(-2 |x|)``; below float32's range s is 0."""
    y = -_TWO * abs(x)
    p, n = _exp_parts(_LOWEST if y < _LOWEST else y)
    return n * p + (n - _ONE), _ZERO if y < _LOWEST else n + n * p


def sigmoid(x):
    """``1 / (1 + exp(-x))``, within 6 units in the last place."""


def tanh(x):
    """``tanh(x)`` through expm1, so that small values keep their digits; within 3 units in the last place."""


def tanh_and_slope(x):
    """``tanh(x)`` and its derivative ``1 - tanh(x)^2``, as ``4 s / (1 + s)^2`` with ``s = exp(-2 |x|)``.

    The difference would lose all its digits where tanh(x) is rounded to 1: in float32, 7 % of it at 7, all at 9.
    """


@overload(sigmoid, jit_options=_IN_ORDER)
def _sigmoid(x):
    def single(x):
        y = -x
        y = _HIGHEST if y > _HIGHEST else y  # written so that NaN passes
        y = _LOWEST if y < _LOWEST else y
        p, s = _exp_parts(y)
        return _ONE / (_ONE + (s + s * p))

    def double(x):
        return 1.0 / (1.0 + math.exp(-x))

    return single if x == types.float32 else double


@overload(tanh, jit_options=_IN_ORDER)
def _tanh(x):
    def single(x):
        e, _ = _decay(x)
        return math.copysign(-e / (_TWO + e), x)

    def double(x):
        return math.tanh(x)

    return single if x == types.float32 else double


@overload(tanh_and_slope, jit_options=_IN_ORDER)
def _tanh_and_slope(x):
    def single(x):
        e, s = _decay(x)
        r = _ONE / (_TWO + e)
        return math.copysign(-e * r, x), _FOUR * s * r * r

    def double(x):
        s = math.exp(-2.0 * abs(x))
        return math.tanh(x), 4.0 * s / ((1.0 + s) * (1.0 + s))

    return single if x == types.float32 else double


# --- what all kernels do ----------------------------------------------------------------------------------------------

CHUNK_ROWS = 128  # timesteps times samples


@register_jitable
def chunk_length(T, B):
    """S: so many timesteps that the weights are worth fetching once for all of them, so few that they stay in cache."""
    return min(T, max(1, CHUNK_ROWS // max(B, 1)))


@compiled
def _from_input(a, x, w_x, b):
    """``a = x @ w_x + b`` for a chunk: a [n, B, G], x [n, B, I]."""
    n, B, G = a.shape
    for t in range(n):
        for i in range(B):
            for j in range(G):
                a[t, i, j] = b[j]
    add_product(a.reshape(n * B, G), x.reshape(n * B, x.shape[2]), w_x)


@compiled
def _add(C, A):
    """``C += A``, over the columns that both have: one may be padded."""
    for i in range(C.shape[0]):
        for j in range(min(C.shape[1], A.shape[1])):
            C[i, j] += A[i, j]


@compiled
def _arrived(direct, d_out, d_hn, t, T):
    """Put what reaches h_t from outside the recurrence into ``direct`` [B, D]; False when that is nothing."""
    for i in range(direct.shape[0]):
        for j in range(direct.shape[1]):
            direct[i, j] = d_hn[i, j] if t == T - 1 else _ZERO
    if d_out.shape[0] > 0:
        _add(direct, d_out[t])
    return d_out.shape[0] > 0 or t == T - 1


@compiled
def _scaled_norm(row):
    """The norm of float64 entries whose squares are out of range: divided by the largest one first."""
    largest = 0.0
    for j in range(row.shape[0]):
        size = abs(np.float64(row[j]))
        largest = max(largest, size)
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    s = 0.0
    for j in range(row.shape[0]):
        part = np.float64(row[j]) / largest
        s += part * part
    return largest * math.sqrt(s)


@compiled
def _report(v, D, state, kind, t, norms, vectors):
    """Record the gradient ``v`` [B, >= D] of a state at t: its norms, in float64, and itself where wanted."""
    if norms.shape[0] == 0:
        return
    for i in range(v.shape[0]):
        s = 0.0
        for j in range(D):
            s += np.float64(v[i, j]) * np.float64(v[i, j])
        out_of_range = s <= 1e-290 or s >= 1e290  # never of float32 entries, unless all are 0 or one is infinite
        norms[state, kind, t, i] = _scaled_norm(v[i, :D]) if out_of_range else math.sqrt(s)
    if vectors.shape[0] > 0:
        for i in range(v.shape[0]):
            for j in range(D):
                vectors[state, kind, t, i, j] = v[i, j]


@compiled
def _receive(d_h, direct, d_out, d_hn, t, T, norms, vectors):
    """Make ``d_h`` the total gradient of h_t and report it, the direct part too; False when there is no direct part."""
    D = direct.shape[1]
    arrived = _arrived(direct, d_out, d_hn, t, T)
    if arrived:
        _report(direct, D, 0, DIRECT, t, norms, vectors)
        _add(d_h, direct)
    _report(d_h, D, 0, TOTAL, t, norms, vectors)
    return arrived


@compiled
def _to_input_weights(dw_x, d_b, d_a, x):
    """Add a chunk's share of dW_ih and db: d_a [n, B, G], x [n, B, I]."""
    n, B, G = d_a.shape
    rows = d_a.reshape(n * B, G)
    add_to_panels(dw_x, x.reshape(n * B, x.shape[2]).T, rows)
    for i in range(n * B):
        for j in range(G):
            d_b[j] += rows[i, j]


@compiled
def _to_recurrent_weights(dw_h, d_a, h0, h, start):
    """Add a chunk's share of dW_hh: d_a [n, B, G] of the steps from ``start``, each of which came from the h before."""
    n, B, G = d_a.shape
    D = h0.shape[1]
    if start > 0:
        add_to_panels(dw_h, h[start - 1 : start + n - 1].reshape(n * B, D).T, d_a.reshape(n * B, G))
    else:
        add_to_panels(dw_h, h0.T, d_a[0])
        add_to_panels(dw_h, h[: n - 1].reshape((n - 1) * B, D).T, d_a[1:].reshape((n - 1) * B, G))


@compiled
def _to_input(d_x, d_a, columns, w_ih):
    """``d_x += d_a[..., :columns] @ w_ih`` for a chunk, where it is wanted: d_x [n, B, I], d_a [n, B, G]."""
    n, B, _ = d_x.shape
    if n == 0:
        return
    padded_I = w_ih.shape[0] * w_ih.shape[2]
    found = np.zeros((n * B, padded_I), d_a.dtype)
    add_product(found, d_a.reshape(n * B, d_a.shape[2])[:, :columns], w_ih)
    _add(d_x.reshape(n * B, d_x.shape[2]), found)


# --- simple recurrence: h' = f(W_x x + W_h h + b), f = tanh or relu ---------------------------------------------------


@compiled
def rnn_forward(x, w_x, w_h, b, h0, h, relu):
    """Fill h [T, B, D]."""
    T, B, D = h.shape
    S = chunk_length(T, B)
    chunk = np.empty((S, B, b.shape[0]), x.dtype)
    before = h0
    for t in range(T):
        s = t % S
        if s == 0:
            n = min(S, T - t)
            _from_input(chunk[:n], x[t : t + n], w_x, b)
        a, after = chunk[s], h[t]
        add_product(a, before, w_h)
        for i in range(B):
            if relu:
                for j in range(D):
                    after[i, j] = _ZERO if a[i, j] <= _ZERO else a[i, j]
            else:
                for j in range(D):
                    after[i, j] = tanh(a[i, j])
        before = after


@compiled
def rnn_backward(x, w_ih, w_hh, h0, h, d_out, d_hn, d_h, d_x, dw_x, dw_h, d_b, norms, vectors, relu):
    """See the head of this file."""
    T, B, D = h.shape
    S = chunk_length(T, B)
    chunk = np.zeros((S, B, d_b.shape[0]), x.dtype)
    direct = np.empty((B, D), x.dtype)
    for t in range(T - 1, -1, -1):
        _receive(d_h, direct, d_out, d_hn, t, T, norms, vectors)
        d_a, after = chunk[t % S], h[t]
        for i in range(B):
            if relu:
                for j in range(D):
                    d_a[i, j] = _ZERO if after[i, j] <= _ZERO else d_h[i, j]  # NaN passes, as in torch
                    d_h[i, j] = _ZERO
            else:
                for j in range(D):
                    d_a[i, j] = d_h[i, j] * (_ONE - after[i, j] * after[i, j])
                    d_h[i, j] = _ZERO
        add_product(d_h, d_a[:, :D], w_hh)
        if t % S == 0:
            n = min(S, T - t)
            _to_input_weights(dw_x, d_b, chunk[:n], x[t : t + n])
            _to_recurrent_weights(dw_h, chunk[:n], h0, h, t)
            _to_input(d_x[t : t + n], chunk[:n], D, w_ih)


# --- long short-term memory: c' = f c + i g, h' = o tanh(c'); gates in torch's order i, f, g, o -----------------------


@compiled
def lstm_forward(x, w_x, w_h, b, h0, c0, h, c, gates):
    """Fill h, c [T, B, D] and the gates [.., B, padded 4*D].

    The gates hold all timesteps, or one chunk of them, over and over, where no backward pass will ask for them.
    """
    T, B, D = h.shape
    S, kept = chunk_length(T, B), gates.shape[0]
    h_before, c_before = h0, c0
    for t in range(T):
        s = t % kept
        if t % S == 0:
            n = min(S, T - t)
            _from_input(gates[s : s + n], x[t : t + n], w_x, b)
        a, h_t, c_t = gates[s], h[t], c[t]
        add_product(a, h_before, w_h)
        for i in range(B):
            for j in range(2 * D):
                a[i, j] = sigmoid(a[i, j])
            for j in range(D):
                a[i, 2 * D + j] = tanh(a[i, 2 * D + j])
            for j in range(D):
                a[i, 3 * D + j] = sigmoid(a[i, 3 * D + j])
            for j in range(D):
                c_t[i, j] = a[i, D + j] * c_before[i, j] + a[i, j] * a[i, 2 * D + j]
                h_t[i, j] = a[i, 3 * D + j] * tanh(c_t[i, j])
        h_before, c_before = h_t, c_t


@compiled
def lstm_backward(
    x, w_ih, w_hh, h0, c0, h, c, gates, d_out, d_hn, d_cn, d_h, d_c, d_x, dw_x, dw_h, d_b, norms, vectors
):
    """See the head of this file; the gradient of the initial c is left in ``d_c`` [B, D]."""
    T, B, D = h.shape
    S = chunk_length(T, B)
    chunk = np.zeros((S, B, d_b.shape[0]), x.dtype)
    direct = np.empty((B, D), x.dtype)
    _add(d_c, d_cn)
    for t in range(T - 1, -1, -1):
        a, d_a, c_t = gates[t], chunk[t % S], c[t]
        c_before = c[t - 1] if t > 0 else c0
        arrived = _receive(d_h, direct, d_out, d_hn, t, T, norms, vectors)
        for i in range(B):
            for j in range(D):
                (tanh_c, slope), o = tanh_and_slope(c_t[i, j]), a[i, 3 * D + j]
                slope *= o
                direct[i, j] *= slope
                d_c[i, j] += d_h[i, j] * slope
                d_a[i, 3 * D + j] = d_h[i, j] * tanh_c * o * (_ONE - o)
                d_h[i, j] = _ZERO
        if arrived:
            if t == T - 1:
                _add(direct, d_cn)
            _report(direct, D, 1, DIRECT, t, norms, vectors)
        _report(d_c, D, 1, TOTAL, t, norms, vectors)
        for i in range(B):
            for j in range(D):
                i_t, f, g, d = a[i, j], a[i, D + j], a[i, 2 * D + j], d_c[i, j]
                d_a[i, j] = d * g * i_t * (_ONE - i_t)
                d_a[i, D + j] = d * c_before[i, j] * f * (_ONE - f)
                d_a[i, 2 * D + j] = d * i_t * (_ONE - g * g)
                d_c[i, j] = d * f
        add_product(d_h, d_a[:, : 4 * D], w_hh)
        if t % S == 0:
            n = min(S, T - t)
            _to_input_weights(dw_x, d_b, chunk[:n], x[t : t + n])
            _to_recurrent_weights(dw_h, chunk[:n], h0, h, t)
            _to_input(d_x[t : t + n], chunk[:n], 4 * D, w_ih)


# --- gated recurrent unit: n = tanh(W_n x + b_n + r (U_n h + b_un)), h' = (1 - z) n + z h -----------------------------
# What belongs to n is kept apart from r and z (``_rz``, ``_n``): its two products meet only behind the reset gate.


@compiled
def gru_forward(x, wx_rz, wx_n, wh_rz, wh_n, b_rz, b_n, b_un, h0, h, rz, n, un):
    """Fill h [T, B, D], rz [.., B, padded 2*D], n and ``un`` = U_n h + b_un [.., B, padded D].

    The last three hold all timesteps, or one chunk of them, over and over, where no backward pass will ask for them.
    """
    T, B, D = h.shape
    S, kept = chunk_length(T, B), rz.shape[0]
    before = h0
    for t in range(T):
        s = t % kept
        if t % S == 0:
            k = min(S, T - t)
            _from_input(rz[s : s + k], x[t : t + k], wx_rz, b_rz)
            _from_input(n[s : s + k], x[t : t + k], wx_n, b_n)
        rz_t, n_t, un_t, after = rz[s], n[s], un[s], h[t]
        for i in range(B):
            for j in range(b_un.shape[0]):
                un_t[i, j] = b_un[j]
        add_product(rz_t, before, wh_rz)
        add_product(un_t, before, wh_n)
        for i in range(B):
            for j in range(2 * D):
                rz_t[i, j] = sigmoid(rz_t[i, j])
            for j in range(D):
                n_t[i, j] = tanh(n_t[i, j] + rz_t[i, j] * un_t[i, j])
                after[i, j] = n_t[i, j] + rz_t[i, D + j] * (before[i, j] - n_t[i, j])
        before = after


@compiled
def gru_backward(
    x, wih_rz, wih_n, whh_rz, whh_n, h0, h, rz, n, un, d_out, d_hn,
    d_h, d_x, dwx_rz, dwx_n, dwh_rz, dwh_n, db_rz, db_n, db_un, norms, vectors,
):  # fmt: skip
    """See the head of this file."""
    T, B, D = h.shape
    S = chunk_length(T, B)
    chunk_rz = np.zeros((S, B, db_rz.shape[0]), x.dtype)
    chunk_n, chunk_un = np.zeros((S, B, db_n.shape[0]), x.dtype), np.zeros((S, B, db_n.shape[0]), x.dtype)
    direct = np.empty((B, D), x.dtype)
    for t in range(T - 1, -1, -1):
        _receive(d_h, direct, d_out, d_hn, t, T, norms, vectors)
        rz_t, n_t, un_t, before = rz[t], n[t], un[t], h[t - 1] if t > 0 else h0
        d_rz, d_n, d_un = chunk_rz[t % S], chunk_n[t % S], chunk_un[t % S]
        for i in range(B):
            for j in range(D):
                r, z, m, d = rz_t[i, j], rz_t[i, D + j], n_t[i, j], d_h[i, j]
                d_m = d * (_ONE - z) * (_ONE - m * m)
                d_n[i, j] = d_m
                d_un[i, j] = d_m * r
                d_rz[i, j] = d_m * un_t[i, j] * r * (_ONE - r)
                d_rz[i, D + j] = d * (before[i, j] - m) * z * (_ONE - z)
                d_h[i, j] = d * z
                db_un[j] += d_un[i, j]
        add_product(d_h, d_rz[:, : 2 * D], whh_rz)
        add_product(d_h, d_un[:, :D], whh_n)
        if t % S == 0:
            k = min(S, T - t)
            _to_input_weights(dwx_rz, db_rz, chunk_rz[:k], x[t : t + k])
            _to_input_weights(dwx_n, db_n, chunk_n[:k], x[t : t + k])
            _to_recurrent_weights(dwh_rz, chunk_rz[:k], h0, h, t)
            _to_recurrent_weights(dwh_n, chunk_un[:k], h0, h, t)
            _to_input(d_x[t : t + k], chunk_rz[:k], 2 * D, wih_rz)
            _to_input(d_x[t : t + k], chunk_n[:k], D, wih_n)
