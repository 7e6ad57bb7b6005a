"""Gate functions in plain arithmetic, so that the loop vectoriser takes them: a library call would stop it.

exp(y) = 2^n exp(r) with |r| <= ln(2)/2, exp(r) - 1 by its Taylor polynomial of degree 7; ln 2 in two parts (Cody and
Waite 1980). In float64 they are the library's.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

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
    # _i twice: numba makes 64 bits of a difference of 32, which AVX2 can only convert to float one by one.
    n = _i(_i(y * _LOG2_E + _HALF) - _ROUND)
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
