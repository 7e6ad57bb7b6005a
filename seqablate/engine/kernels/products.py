"""Products of small matrices, the result kept in registers.

Shapes: W the width of a panel (two vectors of the processor). A matrix on the right of a product, and a weight
gradient, is kept in panels [panel, rows, W], each contiguous and padded with zeros: read row by row, wide matrices
would miss the cache and the page table. Other matrices that receive a product have rows padded to whole panels
(:func:`padded`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from seqablate.engine.kernels.cache import compiled


def _vector_bytes() -> int:
    features = get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


VECTOR_BYTES = _vector_bytes()
TILE_ROWS = 4 if VECTOR_BYTES == 32 else 8  # with two vectors a row, what fits the registers: AVX2 has 16, others 32
PANEL_BYTES = 2 * VECTOR_BYTES
PANEL_ROWS = 128  # of a panel that is copied: at least as many as of a chunk (arrays.py), 8 kB with AVX2


def padded(columns: int, dtype: np.dtype[Any]) -> int:
    """``columns``, rounded up to whole panels."""
    width = PANEL_BYTES // dtype.itemsize
    return -(-columns // width) * width


def _make_tile(rows: int, panels: int = 1) -> Any:
    """``C[i:i+rows, c:c+W] += A[i:i+rows] @ B[:, b:b+W]``, W the width of a panel, with C in registers throughout.

    For several panels at once B is the first one, the others lie behind it, and c is where the first result begins.
    Written in LLVM's own terms because the loop vectoriser keeps C in memory, which costs a factor of two to three.
    A may have any strides, and more columns than B has rows; the columns of B and C are contiguous.
    """
    vectors = range(2 * panels)

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
                (r, v): at(to, plus(row, r), plus(to_column, v * lanes), vector) for r in range(rows) for v in vectors
            }
            sums = {key: cgutils.alloca_once_value(builder, builder.load(p, align=size)) for key, p in where.items()}
            depth = cgutils.unpack_tuple(builder, right.shape)[0]
            with cgutils.for_range(builder, depth) as loop:
                k = loop.index
                k_in = [builder.add(k, builder.mul(depth, ir.Constant(integer, panel))) for panel in range(panels)]
                b_k = [
                    builder.load(at(right, k_in[v // 2], plus(right_column, v % 2 * lanes), vector), align=size)
                    for v in vectors
                ]
                for r in range(rows):
                    a_rk = builder.load(at(left, plus(row, r), k, scalar))
                    a_rk = builder.insert_element(nowhere, a_rk, ir.IntType(32)(0))
                    a_rk = builder.shuffle_vector(a_rk, nowhere, spread)
                    for v in vectors:
                        product = builder.fmul(a_rk, b_k[v], flags=["contract"])
                        total = builder.fadd(builder.load(sums[r, v]), product, flags=["contract"])
                        builder.store(total, sums[r, v])
            for key, p in where.items():
                builder.store(builder.load(sums[key]), p, align=size)
            return context.get_dummy_value()

        return types.void(C, A, B, i, c, b), generate

    return tile


_tile, _half_tile, _row = _make_tile(TILE_ROWS), _make_tile(TILE_ROWS // 2), _make_tile(1)
_row_in_2, _row_in_4 = _make_tile(1, 2), _make_tile(1, 4)


@intrinsic
def rows(typing: Any, a: Any) -> Any:
    """[n, B, G] as [n * B, G]. The checks of a reshape would take longer to compile than a product."""
    flat = types.Array(a.dtype, 2, "C")

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        whole, found = make_array(a)(context, builder, args[0]), make_array(flat)(context, builder)
        n, B, G = cgutils.unpack_tuple(builder, whole.shape)
        _, row, column = cgutils.unpack_tuple(builder, whole.strides)
        of = {name: getattr(whole, name) for name in ("data", "itemsize", "meminfo", "parent")}
        populate_array(found, shape=[builder.mul(n, B), G], strides=[row, column], **of)
        return impl_ret_borrowed(context, builder, flat, found._getvalue())

    return flat(a), generate


@compiled
def _add_panel(C, c, A, B, b):
    """``C[:, c:c+W] += A[:, :K] @ B[:, b:b+W]`` with K rows of B."""
    M = A.shape[0]
    i = 0
    while i + TILE_ROWS <= M:
        _tile(C, A, B, i, c, b)
        i += TILE_ROWS
    if i + TILE_ROWS // 2 <= M:
        _half_tile(C, A, B, i, c, b)
        i += TILE_ROWS // 2
    while i < M:
        _row(C, A, B, i, c, b)
        i += 1


@compiled
def add_product(C, A, B):
    """``C += A[:, :K] @ B``, for B in panels [panel, K, W] and C [M, panels * W].

    A single row is multiplied with four panels at once. An addition waits for the one before it in the same sum: one
    panel gives two sums to work on at the same time, four give eight.
    """
    (count, _, width), panel = B.shape, 0
    if A.shape[0] == 1:
        while panel + 4 <= count:
            _row_in_4(C, A, B[panel], 0, panel * width, 0)
            panel += 4
        if panel + 2 <= count:
            _row_in_2(C, A, B[panel], 0, panel * width, 0)
            panel += 2
    while panel < count:
        _add_panel(C, panel * width, A[:, :], B[panel], 0)
        panel += 1


@intrinsic
def _room(typing: Any, like: Any, rows: Any) -> Any:
    """[rows, W] of numbers as in ``like``, at most PANEL_ROWS, for as long as the function runs: not filled."""
    kind = types.Array(like.dtype, 2, "C")

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        scalar, size = context.get_data_type(like.dtype), like.dtype.bitwidth // 8
        width, integer = PANEL_BYTES // size, args[1].type
        with builder.goto_entry_block():  # numba's own helper would fill it with zeros at each call
            room = builder.alloca(ir.ArrayType(scalar, PANEL_ROWS * width))
            room.align = VECTOR_BYTES
        found, of = make_array(kind)(context, builder), {"meminfo": None, "parent": None}
        of["data"], of["itemsize"] = builder.bitcast(room, scalar.as_pointer()), ir.Constant(integer, size)
        shape, strides = [args[1], ir.Constant(integer, width)], [ir.Constant(integer, n) for n in (PANEL_BYTES, size)]
        populate_array(found, shape=shape, strides=strides, **of)
        return found._getvalue()

    return kind(like, types.intp), generate


@compiled
def add_to_panels(C, A, B):
    """``C += A @ B``, for C in panels [panel, M, W] and B [K, panels * W].

    Of more than three panels, whose rows then lie far apart, each is copied to one place first: its rows would push
    each other out of the first cache. But not where few rows of C read it, nor of more rows than fit there.
    """
    (count, M, width), K = C.shape, B.shape[0]
    copied = count >= 4 and M >= 4 * TILE_ROWS and K <= PANEL_ROWS
    room = _room(C, K if copied else 0)
    for panel in range(count):
        right, b = B, panel * width
        if copied:
            for k in range(K):
                for j in range(width):
                    room[k, j] = B[k, b + j]
            right, b = room, 0
        _add_panel(C[panel], 0, A[:, :], right, b)  # a slice has one type for rows and for columns in memory


class Panels:
    """A matrix [M, N] in panels [panel, M, W], padded with zeros; either is filled anew from what the other holds."""

    def __init__(self, w: np.ndarray[Any, Any], array: np.ndarray[Any, Any] | None = None) -> None:
        """``array``: its panels, where there are some already."""
        (M, N), width = w.shape, PANEL_BYTES // w.itemsize
        whole, rest = divmod(N, width)
        self.array = np.zeros((whole + (rest > 0), M, width), w.dtype) if array is None else array
        self.parts = [(self.array[:whole], w[:, : N - rest].reshape(M, whole, width).swapaxes(0, 1))]
        if rest:
            self.parts.append((self.array[whole, :, :rest], w[:, N - rest :]))

    def filled(self) -> np.ndarray[Any, Any]:
        """The panels of the matrix as it is now, in the same array at each call."""
        for place, part in self.parts:
            np.copyto(place, part)
        return self.array

    def unpack(self) -> None:
        """Fill the matrix with what stands in its panels."""
        for place, part in self.parts:
            np.copyto(part, place)


def panels(w: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """[M, N] as panels [panel, M, W], padded with zeros."""
    return Panels(w).filled()
