"""Compiled loops over sparse matrices with several right-hand sides side by side.

A matrix is read from memory once for all right-hand sides, which lie side by side (node, lane); the compiler knows the
number of lanes by the length of a tuple. The compiler does not find out by itself that the lanes can be one vector of
the processor, so that the inner loop is written as one: half the time of the loop over lanes.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

_FAST = {"contract", "reassoc", "nsz"}


@intrinsic  # type: ignore[untyped-decorator]
def _gather(_: Any, total: Any, matrix: Any, first: Any, last: Any, x: Any, lanes: Any) -> Any:
    """Add data[p] * x[indices[p]] of first <= p < last to `total`, all lanes as one vector."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kinds, long = signature.args, ir.IntType(64)
        number = context.get_value_type(kinds[4].dtype)
        vector = ir.VectorType(number, len(lanes))
        _, indices, data = cgutils.unpack_tuple(builder, given[1], 3)
        columns = context.make_array(kinds[1][1])(context, builder, indices).data
        values = context.make_array(kinds[1][2])(context, builder, data).data
        rows = context.make_array(kinds[4])(context, builder, given[4]).data
        sums = builder.bitcast(context.make_array(kinds[0])(context, builder, given[0]).data, vector.as_pointer())
        begin, end = (context.cast(builder, given[n], kinds[n], types.int64) for n in (2, 3))
        # Arrays of NumPy are aligned to their numbers only.
        before = builder.load(sums, align=4)
        entry, head = builder.block, builder.append_basic_block("head")
        body, done = builder.append_basic_block("body"), builder.append_basic_block("done")
        builder.branch(head)
        builder.position_at_end(head)
        place, so_far = builder.phi(long), builder.phi(vector)
        builder.cbranch(builder.icmp_signed("<", place, end), body, done)
        builder.position_at_end(body)
        column = builder.sext(builder.load(builder.gep(columns, [place])), long)
        row = builder.gep(rows, [builder.mul(column, ir.Constant(long, len(lanes)))])
        there = builder.load(builder.bitcast(row, vector.as_pointer()), align=4)
        nothing = ir.Constant(vector, ir.Undefined)
        value = builder.load(builder.gep(values, [place]))
        first_lane = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        spread = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), [0] * len(lanes))
        product = builder.fmul(builder.shuffle_vector(first_lane, nothing, spread), there, flags=("contract",))
        after = builder.fadd(so_far, product, flags=("contract",))
        following = builder.add(place, ir.Constant(long, 1))
        builder.branch(head)
        for block, at, value in ((entry, begin, before), (body, following, after)):
            place.add_incoming(at, block)
            so_far.add_incoming(value, block)
        builder.position_at_end(done)
        builder.store(so_far, sums, align=4)
        return context.get_dummy_value()

    return types.void(total, matrix, first, last, x, lanes), generate


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def sweep_down(matrix: Any, diagonal: Any, inverse: Any, right: Any, x: Any, lanes: Any) -> None:
    """Gauss-Seidel forwards from zero: only the columns before the diagonal count."""
    total = np.empty(len(lanes), x.dtype)
    for i in range(len(inverse)):
        for m in range(len(lanes)):
            total[m] = 0
        _gather(total, matrix, matrix[0][i], diagonal[i], x, lanes)
        for m in range(len(lanes)):
            x[i, m] = (right[i, m] - total[m]) * inverse[i]


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def restrict_rest(matrix: Any, diagonal: Any, finer: Any, x: Any, coarse: Any, lanes: Any) -> None:
    """Carry the residual to the coarser grid; after a sweep from zero it is made of the columns after the diagonal."""
    parent_of, parents, weights = finer
    total = np.empty(len(lanes), x.dtype)
    for i in range(len(diagonal)):
        for m in range(len(lanes)):
            total[m] = 0
        _gather(total, matrix, diagonal[i] + 1, matrix[0][i + 1], x, lanes)
        for p in range(parent_of[i], parent_of[i + 1]):
            for m in range(len(lanes)):
                coarse[parents[p], m] -= weights[p] * total[m]


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def add_coarse(finer: Any, coarse: Any, x: Any, lanes: Any) -> None:
    """Add what the coarser grid found."""
    total = np.empty(len(lanes), x.dtype)
    for i in range(len(x)):
        for m in range(len(lanes)):
            total[m] = x[i, m]
        _gather(total, finer, finer[0][i], finer[0][i + 1], coarse, lanes)
        for m in range(len(lanes)):
            x[i, m] = total[m]


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def sweep_up(matrix: Any, inverse: Any, right: Any, x: Any, lanes: Any) -> None:
    """Gauss-Seidel backwards."""
    total = np.empty(len(lanes), x.dtype)
    for i in range(len(inverse) - 1, -1, -1):
        for m in range(len(lanes)):
            total[m] = -right[i, m]
        _gather(total, matrix, matrix[0][i], matrix[0][i + 1], x, lanes)
        for m in range(len(lanes)):
            x[i, m] -= total[m] * inverse[i]


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def multiply(matrix: Any, x: Any, result: Any, lanes: Any) -> Any:
    """Write matrix @ x to `result`; returns x·result of each lane."""
    total, dots = np.empty(len(lanes)), np.zeros(len(lanes))
    for i in range(len(x)):
        for m in range(len(lanes)):
            total[m] = 0
        _gather(total, matrix, matrix[0][i], matrix[0][i + 1], x, lanes)
        for m in range(len(lanes)):
            result[i, m] = total[m]
            dots[m] += total[m] * x[i, m]
    return dots


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def dots(one: Any, other: Any, lanes: Any) -> Any:
    """Return one·other of each lane."""
    sums = np.zeros(len(lanes))
    for i in range(len(one)):
        for m in range(len(lanes)):
            sums[m] += one[i, m] * other[i, m]
    return sums


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def turn(way: Any, better: Any, share: Any, lanes: Any) -> None:
    """Turn the way of the last step into the next."""
    for i in range(len(way)):
        for m in range(len(lanes)):
            way[i, m] = better[i, m] + share[m] * way[i, m]


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def advance(found: Any, rest: Any, way: Any, moved: Any, step: Any, lanes: Any) -> Any:
    """Go along `way`; returns the squared residual of each lane."""
    squares = np.zeros(len(lanes))
    for i in range(len(found)):
        for m in range(len(lanes)):
            found[i, m] += step[m] * way[i, m]
            rest[i, m] -= step[m] * moved[i, m]
            squares[m] += rest[i, m] ** 2
    return squares
