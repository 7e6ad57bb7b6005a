"""The pieces of the compiled kernels against numpy in float64."""

from __future__ import annotations

import re

import numpy as np
import pytest

from seqablate.engine import kernels
from seqablate.engine.kernels.cache import compiled, inlined
from seqablate.engine.kernels.products import panels


@compiled
def each_sigmoid(x, out):
    for i in range(x.size):
        out[i] = kernels.sigmoid(x[i])


@compiled
def each_tanh(x, out):
    for i in range(x.size):
        out[i] = kernels.tanh(x[i])


@compiled
def each_slope(x, out):
    for i in range(x.size):
        out[i] = kernels.tanh_and_slope(x[i])[1]


@inlined
def twice(x):
    return 2.0 * x


@compiled
def four_times(x):
    return twice(twice(x))


def test_an_inlined_part_is_compiled_in_its_caller_alone():
    assert four_times(3.0) == 12.0
    assert not twice.part.overloads
    assert len(four_times.dispatcher.overloads) == 1


def spread(dtype) -> np.ndarray:
    rng = np.random.default_rng(0)
    parts = [np.linspace(-87, 87, 50_001), rng.normal(size=50_000), 10.0 ** rng.uniform(-30, 0, 50_000)]
    return np.concatenate(parts).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("gate", "exact", "units"), [(each_sigmoid, lambda x: 1 / (1 + np.exp(-x)), 6), (each_tanh, np.tanh, 3)]
)
def test_gate_functions_are_right_to_a_few_units_in_the_last_place(gate, exact, units, dtype):
    x = spread(dtype)
    found = np.empty_like(x)
    gate(x, found)
    wanted = exact(x.astype(np.longdouble))
    assert (np.abs(found - wanted) <= units * np.spacing(np.abs(wanted).astype(dtype))).all()


@pytest.mark.parametrize("gate", [each_sigmoid, each_tanh, each_slope])
def test_no_gate_function_converts_whole_numbers_of_64_bits(gate):
    """AVX2 has no instruction for it: the loop would do it one number at a time, and take twice as long."""
    from numba import njit

    options = {"fastmath": {"contract", "nsz", "arcp"}, "error_model": "numpy"}
    loop = njit("(float32[::1], float32[::1])", **options)(gate.function)
    (code,) = loop.inspect_llvm().values()
    assert "sitofp" in code
    assert not re.search(r"sitofp (<\d+ x i64>|i64)", code)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_slope_of_tanh_keeps_its_digits_where_tanh_is_1(dtype):
    x = spread(dtype)
    x = x[np.abs(x) < 43]  # beyond, it is below the range of float32
    found = np.empty_like(x)
    each_slope(x, found)
    wanted = np.cosh(x.astype(np.longdouble)) ** -2
    assert (np.abs(found - wanted) <= 6 * np.spacing(np.abs(wanted).astype(dtype))).all()


def test_the_slope_of_tanh_at_the_ends_and_at_nan():
    for dtype in (np.float32, np.float64):
        x = np.array([-np.inf, -1000, 0, 1000, np.inf, np.nan], dtype)
        found = np.empty_like(x)
        each_slope(x, found)
        np.testing.assert_array_equal(found, [0, 0, 1, 0, 0, np.nan])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gate_functions_at_the_ends_and_at_nan(dtype):
    x = np.array([-np.inf, -1000, -90, 0, 90, 1000, np.inf, np.nan], dtype)
    for gate, ends in ((each_sigmoid, (0, 0.5, 1)), (each_tanh, (-1, 0, 1))):
        found = np.empty_like(x)
        gate(x, found)
        np.testing.assert_allclose(found[:3], ends[0], atol=1e-37)
        assert found[3] == ends[1]
        assert (found[4:7] == ends[2]).all()
        assert np.isnan(found[7])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [0, 1, 3, 4, 7, 8, 13, 29, 35])
@pytest.mark.parametrize(
    ("depth", "columns"), [(1, 1), (5, 32), (64, 33), (0, 8), (17, 100), (128, 100), (129, 100), (300, 200)]
)
def test_products_equal_numpys_at_every_remainder(rows, depth, columns, dtype):
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(rows, depth)).astype(dtype), rng.normal(size=(depth, columns)).astype(dtype)
    wanted = A.astype(np.float64) @ B.astype(np.float64) + 1
    tolerance = 20 * np.finfo(dtype).eps * max(depth, 1)
    C = np.ones((rows, kernels.padded(columns, np.dtype(dtype))), dtype)
    kernels.add_product(C, A, panels(B))
    np.testing.assert_allclose(C[:, :columns], wanted, atol=tolerance)
    assert (C[:, columns:] == 1).all()

    padded = np.zeros((depth, C.shape[1]), dtype)
    padded[:, :columns] = B
    sums = panels(np.ones((rows, columns), dtype))
    kernels.add_to_panels(sums, A, padded)
    np.testing.assert_allclose(sums.swapaxes(0, 1).reshape(C.shape)[:, :columns], wanted, atol=tolerance)


def test_columns_of_the_left_matrix_beyond_the_rows_of_the_right_one_are_not_read():
    """Gates and their gradients have rows padded to whole panels, weights have not."""
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(9, 16)), rng.normal(size=(5, 16))
    A[:, 5:] = np.nan
    C = np.zeros((9, 16))
    kernels.add_product(C, A, panels(B))
    np.testing.assert_allclose(C, A[:, :5] @ B, atol=1e-13)


def test_a_transposed_matrix_is_taken_as_it_lies():
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(9, 20)), rng.normal(size=(9, 16))
    sums = np.zeros_like(panels(np.empty((20, 16))))
    kernels.add_to_panels(sums, A.T, B)
    np.testing.assert_allclose(sums.swapaxes(0, 1).reshape(20, -1)[:, :16], A.T @ B, atol=1e-13)
