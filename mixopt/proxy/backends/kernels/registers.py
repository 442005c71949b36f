"""Writes LLVM instructions that work on whole vector registers, for float32 and float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from llvmlite import ir

Value = Any
"""A value, type or builder of llvmlite, which has no types for Python."""

LANES = 16
"""Elements of a register: one AVX-512 register of float32; others take several for it."""

INDEX = ir.IntType(64)
_LANE = ir.IntType(32)

# Up to the lowest 2^n has n = -127, whose bits are those of zero: what is hidden counts nothing.
_LOWEST, _HIGHEST = -88.0, 88.0
# 1 / ln 2 as a float32 and what that lacks.
_PER_LOG_TWO, _REST = 1.44269502162933349609375, 1.92596299112661746887e-8
# 2^f on [-1/2, 1/2], highest power first, minimax: relative error 1e-7.
_POWERS = (
    1.535336188319500e-4,
    1.339887440266574e-3,
    9.618437357674640e-3,
    5.550332471162809e-2,
    2.402264791363012e-1,
    6.931472028550421e-1,
    1.0,
)


class Registers:
    """Instructions on `lanes` numbers of one type: a register, or at one lane a plain number."""

    def __init__(self, builder: Value, element: Value, lanes: int = LANES) -> None:
        """Write at the builder's place."""
        self.builder = builder
        self.element = element
        self.lanes = lanes
        self.kind = element if lanes == 1 else ir.VectorType(element, lanes)

    def constant(self, number: float) -> Value:
        """Return a register with the same number in all lanes."""
        one = ir.Constant(self.element, number)
        return one if self.lanes == 1 else ir.Constant(self.kind, [one] * self.lanes)

    def repeat(
        self,
        count: Value,
        step: int,
        initial: Sequence[Value],
        body: Callable[..., Sequence[Value]],
    ) -> list[Value]:
        """Run `body(place, *values)` for places 0, step, ... below count; return its last values.

        Without a place the initial values are returned.
        """
        builder, before = self.builder, self.builder.block
        loop = builder.append_basic_block("registers.loop")
        after = builder.append_basic_block("registers.after")
        zero = ir.Constant(INDEX, 0)
        builder.cbranch(builder.icmp_signed(">", count, zero), loop, after)
        builder.position_at_end(loop)
        carried = [builder.phi(value.type) for value in (zero, *initial)]
        found = list(body(*carried))
        following = [builder.add(carried[0], ir.Constant(INDEX, step)), *found]
        builder.cbranch(builder.icmp_signed("<", following[0], count), loop, after)
        for phi, first, later in zip(carried, (zero, *initial), following, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(later, loop)
        builder.position_at_end(after)
        results = [builder.phi(value.type) for value in initial]
        for result, first, later in zip(results, initial, found, strict=True):
            result.add_incoming(first, before)
            result.add_incoming(later, loop)
        return results

    def load(self, data: Value, place: Value) -> Value:
        """Read a register from any place of an array."""
        return self.builder.load(self._pointer(data, place), align=self._size())

    def store(self, value: Value, data: Value, place: Value) -> None:
        """Write a register to any place of an array."""
        self.builder.store(value, self._pointer(data, place), align=self._size())

    def spread(self, number: Value) -> Value:
        """Return a register with a number in all lanes."""
        empty = ir.Constant(self.kind, ir.Undefined)
        first = self.builder.insert_element(empty, number, ir.Constant(_LANE, 0))
        return self.builder.shuffle_vector(first, empty, _numbers([0] * self.lanes))

    def multiply_add(self, one: Value, other: Value, total: Value) -> Value:
        """Return one * other + total, in one instruction where there is one."""
        return self.builder.call(self._named("llvm.fmuladd", 3), [one, other, total])

    def larger(self, one: Value, other: Value) -> Value:
        """Return the larger of two; `other` where `one` is NaN."""
        return self.builder.select(self.builder.fcmp_ordered(">", one, other), one, other)

    def fold(self, register: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """Combine halves until one number is left."""
        width = self.lanes
        while width > 1:
            width //= 2
            halves = [
                self.builder.shuffle_vector(
                    register, register, _numbers(range(start, start + width))
                )
                for start in (0, width)
            ]
            register = combine(*halves)
        return self.builder.extract_element(register, ir.Constant(_LANE, 0))

    def exponential(self, x: Value) -> Value:
        """Return e^x: without branches or calls for float32, of the C library for float64."""
        builder = self.builder
        if not isinstance(self.element, ir.FloatType):
            return builder.call(self._named("llvm.exp"), [x])
        # The comparisons are written so that NaN passes.
        low, high = self.constant(_LOWEST), self.constant(_HIGHEST)
        x = builder.select(builder.fcmp_ordered("<", x, low), low, x)
        x = builder.select(builder.fcmp_ordered(">", x, high), high, x)
        scale = self.constant(_PER_LOG_TWO)
        whole = builder.call(self._named("llvm.rint"), [builder.fmul(x, scale)])
        part = self.multiply_add(x, scale, builder.fneg(whole))
        part = self.multiply_add(x, self.constant(_REST), part)
        power = self.constant(_POWERS[0])
        for coefficient in _POWERS[1:]:
            power = self.multiply_add(power, part, self.constant(coefficient))
        integer = _LANE if self.lanes == 1 else ir.VectorType(_LANE, self.lanes)
        return builder.fmul(power, self._two_to(builder.fptosi(whole, integer), integer))

    def logarithm(self, x: Value) -> Value:
        """Return the natural logarithm of x, of the C library."""
        return self.builder.call(self._named("llvm.log"), [x])

    def _two_to(self, exponent: Value, integer: Value) -> Value:
        def every(number: int) -> Value:
            one = ir.Constant(_LANE, number)
            return one if self.lanes == 1 else ir.Constant(integer, [one] * self.lanes)

        biased = self.builder.add(exponent, every(127))
        return self.builder.bitcast(self.builder.shl(biased, every(23)), self.kind)

    def _named(self, name: str, arguments: int = 1) -> Value:
        short = "f32" if isinstance(self.element, ir.FloatType) else "f64"
        full = f"{name}.{short}" if self.lanes == 1 else f"{name}.v{self.lanes}{short}"
        module, kind = self.builder.module, ir.FunctionType(self.kind, [self.kind] * arguments)
        return module.globals.get(full) or ir.Function(module, kind, full)

    def _pointer(self, data: Value, place: Value) -> Value:
        return self.builder.bitcast(self.builder.gep(data, [place]), self.kind.as_pointer())

    def _size(self) -> int:
        return 4 if isinstance(self.element, ir.FloatType) else 8


def _numbers(values: Iterable[int]) -> Value:
    chosen = list(values)
    return ir.Constant(ir.VectorType(_LANE, len(chosen)), chosen)
