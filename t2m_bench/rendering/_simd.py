"""Eight float32 lanes as one value inside compiled kernels.

Loops of five to nine pixels, the width of a typical splat, are too short for a compiler to vectorise on its own. Here
a `Lanes` value *is* a vector register in the generated code, on any processor (the code generator splits it where
registers are narrower), so a kernel reads as arithmetic and runs as vector instructions.

A `Lanes` supports + - * and > >= <= (giving a `Mask`) with another `Lanes` or a float32 on its right or left; masks
support &. Everything else is a function below. None of this can be called from Python, only from compiled code.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.core import cgutils as _cgutils
from numba.core.datamodel import models
from numba.extending import overload, register_model

from t2m_bench.rendering._compiled import intrinsic

LANES = 8
cgutils: Any = _cgutils
_PrimitiveModel: Any = models.PrimitiveModel
_F32 = ir.FloatType()
_I32 = ir.IntType(32)
_VEC = ir.VectorType(_F32, LANES)
_IVEC = ir.VectorType(_I32, LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)


class _LanesType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"Float32x{LANES}")


class _MaskType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"Mask{LANES}")


_LANES = _LanesType()
_MASK = _MaskType()
Lanes: TypeAlias = Any  # for annotations; the values exist in compiled code only
Mask: TypeAlias = Any


@register_model(_LanesType)
class _LanesModel(_PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _VEC)


@register_model(_MaskType)
class _MaskModel(_PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _BITS)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_VEC, [value] * LANES)


def _integer(value: int) -> ir.Constant:
    return ir.Constant(_IVEC, [value] * LANES)


def _broadcast(builder: Any, value: Any) -> Any:
    """A scalar in every lane; a vector as it is."""
    if isinstance(value.type, ir.VectorType):
        return value
    undefined = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, undefined, _integer(0))


def _call(builder: Any, name: str, result: Any, *args: Any) -> Any:
    signature = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), args)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any = _VEC) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _is_flat(array: Any, dtype: Any) -> bool:
    return isinstance(array, types.Array) and array.dtype == dtype and array.ndim == 1 and array.layout == "C"


@intrinsic
def load(typingctx: Any, plane: Any, index: Any) -> Any:
    """Eight floats of a flat array from `index` on; no bounds check."""
    if not _is_flat(plane, types.float32):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_pointer(context, builder, signature.args[0], args[0], args[1]))
        value.align = 4
        return value

    return _LANES(plane, types.int64), codegen


@intrinsic
def store(typingctx: Any, plane: Any, index: Any, value: Any) -> Any:
    """Write eight floats to a flat array from `index` on; no bounds check."""
    if not _is_flat(plane, types.float32):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, signature.args[0], args[0], args[1])).align = 4
        return context.get_dummy_value()

    return types.void(plane, types.int64, _LANES), codegen


@intrinsic
def store_whole(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Write eight whole numbers to a flat int32 array from `index` on, cut towards zero; no bounds check."""
    if not _is_flat(array, types.int32):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1], _IVEC)
        builder.store(builder.fptosi(args[2], _IVEC), pointer).align = 4
        return context.get_dummy_value()

    return types.void(array, types.int64, _LANES), codegen


@intrinsic
def spread(typingctx: Any, value: Any) -> Any:
    """One float in every lane."""
    return _LANES(types.float32), lambda context, builder, signature, args: _broadcast(builder, args[0])


@intrinsic
def ramp(typingctx: Any, start: Any) -> Any:
    """start, start + 1, ..., start + 7."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        steps = ir.Constant(_VEC, [float(i) for i in range(LANES)])
        return builder.fadd(_broadcast(builder, args[0]), steps)

    return _LANES(types.float32), codegen


@intrinsic
def mul_add(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, fused where the processor can; any of the three may be a float32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, f"llvm.fmuladd.v{LANES}f32", _VEC, *(_broadcast(builder, arg) for arg in args))

    return _LANES(*(arg if arg is _LANES else types.float32 for arg in (a, b, c))), codegen


@intrinsic
def select(typingctx: Any, mask: Any, yes: Any, no: Any) -> Any:
    """Lane by lane, `yes` where the mask is set, else `no`; either may be a float32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(args[0], _broadcast(builder, args[1]), _broadcast(builder, args[2]))

    return _LANES(_MASK, *(arg if arg is _LANES else types.float32 for arg in (yes, no))), codegen


@intrinsic
def any_lane(typingctx: Any, mask: Any) -> Any:
    """Whether the mask is set anywhere."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(_MASK), codegen


@intrinsic
def either_bit(typingctx: Any, table: Any, shifts: Any, index: Any) -> Any:
    """Lane i: whether bit `shifts[index + i]` of `table[i]` is set, or the one above; flat int32 arrays."""
    if not (_is_flat(table, types.int32) and _is_flat(shifts, types.int32)):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = ir.Constant(ir.IntType(64), 0)
        words = builder.load(_pointer(context, builder, signature.args[0], args[0], start, _IVEC))
        counts = builder.load(_pointer(context, builder, signature.args[1], args[1], args[2], _IVEC))
        words.align = counts.align = 4
        low = builder.lshr(words, builder.and_(counts, _integer(31)))
        return builder.icmp_unsigned("!=", builder.and_(low, _integer(3)), _integer(0))

    return _MASK(table, shifts, types.int64), codegen


# For each of the 256 masks, the set lanes first, in order.
_SET_FIRST = bytes(
    lane
    for mask in range(1 << LANES)
    for lane in sorted(range(LANES), key=lambda lane: (~mask >> lane & 1, lane))
)


@intrinsic
def append_lanes(typingctx: Any, array: Any, index: Any, mask: Any, base: Any) -> Any:
    """Write `base` + lane number for every set lane, packed, to a flat int32 array from `index` on; how many.

    Always writes eight numbers; those past the count mean nothing.
    """
    if not _is_flat(array, types.int32):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = ir.IntType(64)
        bits = builder.zext(builder.bitcast(args[2], ir.IntType(LANES)), wide)
        content = ir.Constant(ir.ArrayType(ir.IntType(8), len(_SET_FIRST)), bytearray(_SET_FIRST))
        table = cgutils.global_constant(builder.module, "set_lanes_first", content)
        entry = builder.gep(table, [ir.Constant(wide, 0), builder.mul(bits, ir.Constant(wide, LANES))])
        packed = builder.load(builder.bitcast(entry, ir.VectorType(ir.IntType(8), LANES).as_pointer()))
        packed.align = 1
        offset = _broadcast(builder, builder.trunc(args[3], _I32))
        target = _pointer(context, builder, signature.args[0], args[0], args[1], _IVEC)
        builder.store(builder.add(builder.zext(packed, _IVEC), offset), target).align = 4
        return _call(builder, "llvm.ctpop.i64", wide, bits)

    return types.int64(array, types.int64, _MASK, types.int64), codegen


@intrinsic
def total(typingctx: Any, value: Any) -> Any:
    """Sum of the lanes, always added pairwise in the same order."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, width = args[0], LANES
        while width > 1:
            width //= 2
            shape = ir.VectorType(_I32, width)
            undefined = ir.Constant(value.type, ir.Undefined)
            low = builder.shuffle_vector(value, undefined, ir.Constant(shape, list(range(width))))
            high = builder.shuffle_vector(value, undefined, ir.Constant(shape, list(range(width, 2 * width))))
            value = builder.fadd(low, high)
        return builder.extract_element(value, ir.Constant(_I32, 0))

    return types.float32(_LANES), codegen


def _elementwise(name: str) -> Any:
    """An intrinsic for a function of one vector that the code generator knows."""

    @intrinsic
    def operation(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _call(builder, f"llvm.{name}.v{LANES}f32", _VEC, args[0])

        return _LANES(_LANES), codegen

    return operation


square_root, round_up, round_down = _elementwise("sqrt"), _elementwise("ceil"), _elementwise("floor")


# 2**f on [-1/2, 1/2], minimax in relative error (1.9e-7 in float32), highest power first.
_EXP2 = (1.32647e-3, 9.67151e-3, 5.550734e-2, 2.4022242e-1, 6.9314698e-1, 1.0)
_ROUND = 12582912.0  # 1.5 * 2**23: adding it leaves the nearest integer in the low bits of the sum


@intrinsic
def exp2(typingctx: Any, value: Any) -> Any:
    """2**x for x in [-126, 127]; outside of that the lane holds any number."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        shifted = builder.fadd(args[0], _constant(_ROUND))
        fraction = builder.fsub(args[0], builder.fsub(shifted, _constant(_ROUND)))
        power = _constant(_EXP2[0])
        for coefficient in _EXP2[1:]:
            power = _call(builder, f"llvm.fmuladd.v{LANES}f32", _VEC, power, fraction, _constant(coefficient))
        exponent = builder.shl(builder.bitcast(shifted, _IVEC), _integer(23))
        return builder.bitcast(builder.add(builder.bitcast(power, _IVEC), exponent), _VEC)

    return _LANES(_LANES), codegen


def _binary(name: str) -> Callable[..., Any]:
    """An intrinsic for one floating-point instruction on two vectors, or a vector and a float32."""

    @intrinsic
    def operation(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*(_broadcast(builder, arg) for arg in args))

        return _LANES(*(arg if arg is _LANES else types.float32 for arg in (a, b))), codegen

    return operation


_add, _sub, _mul, divide = _binary("fadd"), _binary("fsub"), _binary("fmul"), _binary("fdiv")


def _compare(symbol: str) -> Callable[..., Any]:
    """An intrinsic for one comparison; false where either side is NaN."""

    @intrinsic
    def operation(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.fcmp_ordered(symbol, *(_broadcast(builder, arg) for arg in args))

        return _MASK(*(arg if arg is _LANES else types.float32 for arg in (a, b))), codegen

    return operation


_above, _at_least, _at_most = _compare(">"), _compare(">="), _compare("<=")


@intrinsic
def _both(typingctx: Any, a: Any, b: Any) -> Any:
    return _MASK(_MASK, _MASK), lambda context, builder, signature, args: builder.and_(*args)


def _install(symbol: Callable[..., Any], operation: Callable[..., Any], on_masks: bool = False) -> None:
    """Let a Python operator stand for an intrinsic in compiled code."""

    def implementation(a: Any, b: Any) -> Any:
        return operation(a, b)

    def resolve(a: Any, b: Any) -> Any:
        if on_masks:
            return implementation if a is _MASK and b is _MASK else None
        vectors = (a is _LANES) + (b is _LANES)
        scalars = isinstance(a, types.Float) + isinstance(b, types.Float)
        return implementation if vectors >= 1 and vectors + scalars == 2 else None

    overload(symbol)(resolve)


_install(operator.add, _add)
_install(operator.sub, _sub)
_install(operator.mul, _mul)
_install(operator.ge, _at_least)
_install(operator.gt, _above)
_install(operator.le, _at_most)
_install(operator.and_, _both, on_masks=True)
