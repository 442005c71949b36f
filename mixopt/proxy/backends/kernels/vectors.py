"""Functions of compiled loops that need whole vector registers, where the compiler finds none."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.np import arrayobj

from mixopt.proxy.backends.kernels.compiled import instructions
from mixopt.proxy.backends.kernels.registers import INDEX, LANES, Registers, Value

ROWS = 8
"""Rows of a tile: sums enough in flight to hide the latency of a fused multiply-add."""


@instructions
def at(_: Value, array: Value, number: Value) -> Value:
    """Return a pointer to an element of a contiguous array, or beyond another pointer.

    Inner loops work on pointers, as every view of an array would be counted by its owner.
    """
    pointer = array if isinstance(array, types.CPointer) else types.CPointer(array.dtype)

    def build(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        data = arguments[0]
        if isinstance(signature.args[0], types.Array):
            data = arrayobj.make_array(signature.args[0])(context, builder, data).data
        return builder.gep(data, [arguments[1]])

    return pointer(array, types.int64), build


@instructions
def set_tile(_: Value, left: Value, right: Value, out: Value, depth: Value) -> Value:
    """Set out[r, l] to sum_d left[r, d] right[d, l]: ROWS x LANES sums.

    This comes to two thirds of the processor's peak at any stride, where the call of a library
    would cost more than the product.

    Args:
        left: (pointer, step to the next row, step in depth), steps in elements.
        right: (pointer, step in depth); LANES neighbouring elements are read per step.
        out: (pointer, step to the next row).
        depth: how many products a sum has.
    """

    def build(_: Value, builder: Value, signature: Value, arguments: Value) -> None:
        registers, totals, out = _multiply(builder, signature, arguments)
        for row, total in enumerate(totals):
            registers.store(total, out.data, out.at(row))

    return _signature(left, right, out), _without_result(build)


@instructions
def add_tile(_: Value, left: Value, right: Value, out: Value, depth: Value) -> Value:
    """Add to out[r, l] what `set_tile` would set it to."""

    def build(_: Value, builder: Value, signature: Value, arguments: Value) -> None:
        registers, totals, out = _multiply(builder, signature, arguments)
        for row, total in enumerate(totals):
            before = registers.load(out.data, out.at(row))
            registers.store(builder.fadd(before, total), out.data, out.at(row))

    return _signature(left, right, out), _without_result(build)


@instructions
def largest(_: Value, numbers: Value, count: Value) -> Value:
    """Return the largest of the n LANES numbers at a pointer, of those that are not NaN.

    The compiler vectorizes a maximum only if it may assume that there is no NaN.
    """

    def build(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        data, count = arguments
        registers = Registers(builder, _element(signature.args[0]))
        found = registers.repeat(
            count,
            LANES,
            [registers.constant(float("-inf"))],
            lambda place, most: [registers.larger(registers.load(data, place), most)],
        )
        return registers.fold(found[0], registers.larger)

    return numbers.dtype(numbers, types.int64), build


@instructions
def exponentiate(_: Value, numbers: Value, count: Value, top: Value) -> Value:
    """Replace x by e^(x - top) in the n LANES numbers at a pointer; return the sum."""

    def build(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        data, count, top = arguments
        registers = Registers(builder, _element(signature.args[0]))
        subtracted = registers.spread(top)

        def advance(place: Value, total: Value) -> list[Value]:
            power = registers.exponential(builder.fsub(registers.load(data, place), subtracted))
            registers.store(power, data, place)
            return [builder.fadd(total, power)]

        totals = registers.repeat(count, LANES, [registers.constant(0.0)], advance)
        return registers.fold(totals[0], builder.fadd)

    return numbers.dtype(numbers, types.int64, numbers.dtype), build


@instructions
def soften(
    _: Value, scores: Value, keys: Value, queries: Value, span: Value, logsums: Value
) -> Value:
    """Turn scores [n, LANES] of n keys into shares of LANES queries; set their logsums [LANES].

    A query sees the keys up to itself that have its number: scores of others count nothing.

    Args:
        scores: pointer; are replaced.
        keys: pointer to the numbers of the keys.
        queries: pointer to the numbers of the queries.
        span: (n, place of the first query, counted from the first key).
        logsums: pointer; logarithms of the denominators.
    """

    def build(context: Value, builder: Value, signature: Value, arguments: Value) -> None:
        registers = Registers(builder, _element(signature.args[0]))
        block = _Scores(builder, registers, arguments)
        data, logs, lanes = arguments[0], arguments[4], ir.Constant(INDEX, LANES)

        def find_top(key: Value, top: Value) -> list[Value]:
            score = block.visible(key)
            registers.store(score, data, builder.mul(key, lanes))
            return [registers.larger(score, top)]

        def exponentiate(key: Value, total: Value) -> list[Value]:
            score = registers.load(data, builder.mul(key, lanes))
            share = registers.exponential(builder.fsub(score, top))
            registers.store(share, data, builder.mul(key, lanes))
            return [builder.fadd(total, share)]

        def divide(key: Value) -> list[Value]:
            share = registers.load(data, builder.mul(key, lanes))
            registers.store(builder.fmul(share, factor), data, builder.mul(key, lanes))
            return []

        (top,) = registers.repeat(block.count, 1, [registers.constant(float("-inf"))], find_top)
        (total,) = registers.repeat(block.count, 1, [registers.constant(0.0)], exponentiate)
        factor = builder.fdiv(registers.constant(1.0), total)
        registers.repeat(block.count, 1, [], divide)
        logsum = builder.fadd(top, registers.logarithm(total))
        registers.store(logsum, logs, ir.Constant(INDEX, 0))

    pair = types.UniTuple(types.int64, 2)
    return types.void(scores, keys, queries, pair, logsums), _without_result(build)


@instructions
def soften_backward(
    _: Value,
    scores: Value,
    keys: Value,
    queries: Value,
    span: Value,
    logsums: Value,
    to_shares: Value,
) -> Value:
    """Turn scores into shares as `soften` did, and the gradient of shares into that of scores.

    The gradient of a softmax: shares * (gradient - sum(shares * gradient)).

    Args:
        scores: as in `soften`.
        keys: as in `soften`.
        queries: as in `soften`.
        span: as in `soften`.
        logsums: pointer to what `soften` found.
        to_shares: pointer to gradients [n, LANES]; are replaced.
    """

    def build(context: Value, builder: Value, signature: Value, arguments: Value) -> None:
        registers = Registers(builder, _element(signature.args[0]))
        block = _Scores(builder, registers, arguments)
        data, gradients, lanes = arguments[0], arguments[5], ir.Constant(INDEX, LANES)
        logsum = registers.load(arguments[4], ir.Constant(INDEX, 0))

        def find_shares(key: Value, total: Value) -> list[Value]:
            place = builder.mul(key, lanes)
            share = registers.exponential(builder.fsub(block.visible(key), logsum))
            registers.store(share, data, place)
            return [registers.multiply_add(share, registers.load(gradients, place), total)]

        def differentiate(key: Value) -> list[Value]:
            place = builder.mul(key, lanes)
            rest = builder.fsub(registers.load(gradients, place), total)
            registers.store(builder.fmul(registers.load(data, place), rest), gradients, place)
            return []

        (total,) = registers.repeat(block.count, 1, [registers.constant(0.0)], find_shares)
        registers.repeat(block.count, 1, [], differentiate)

    pair = types.UniTuple(types.int64, 2)
    return types.void(scores, keys, queries, pair, logsums, to_shares), _without_result(build)


@instructions
def exponential(_: Value, x: Value) -> Value:
    """Return e^x in the type of x."""

    def build(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        registers = Registers(builder, _element(signature.args[0]), lanes=1)
        return registers.exponential(arguments[0])

    return x(x), build


def _signature(left: Value, right: Value, out: Value) -> Value:
    steps = [
        types.Tuple((part[0], *[types.int64] * (len(part) - 1))) for part in (left, right, out)
    ]
    return types.void(*steps, types.int64)


def _multiply(
    builder: Value, signature: Value, arguments: Value
) -> tuple[Registers, list[Value], _Matrix]:
    """Return registers, the sums of a tile's rows, and where they are to go."""
    element = _element(signature.args[0][0])
    registers = Registers(builder, element)
    left, right, out = (
        _Matrix(builder, kind, value)
        for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
    )

    def advance(place: Value, *totals: Value) -> list[Value]:
        column = registers.load(right.data, right.at(place))
        factors = (
            builder.load(builder.gep(left.data, [left.at(row, place)])) for row in range(ROWS)
        )
        return [
            registers.multiply_add(registers.spread(factor), column, total)
            for factor, total in zip(factors, totals, strict=True)
        ]

    totals = registers.repeat(arguments[3], 1, [registers.constant(0.0)] * ROWS, advance)
    return registers, totals, out


def _element(kind: Value) -> Value:
    """Return LLVM's type of what a pointer points to."""
    number = kind.dtype if isinstance(kind, types.CPointer) else kind
    return ir.FloatType() if number == types.float32 else ir.DoubleType()


class _Scores:
    """Scores of some keys by LANES queries, of which some are not for the query to see."""

    def __init__(self, builder: Value, registers: Registers, arguments: Value) -> None:
        self.builder = builder
        self.registers = registers
        self.integers = Registers(builder, ir.IntType(32))
        self.data, self.keys, queries, span = arguments[:4]
        self.count = builder.extract_value(span, 0)
        self.numbers = self.integers.load(queries, ir.Constant(INDEX, 0))
        first = self._spread(builder.extract_value(span, 1))
        lanes = ir.Constant(self.integers.kind, list(range(LANES)))
        self.places = builder.add(first, lanes)

    def visible(self, key: Value) -> Value:
        """Return the scores of one key, -inf for queries that do not see it."""
        number = self.integers.spread(self.builder.load(self.builder.gep(self.keys, [key])))
        seen = self.builder.and_(
            self.builder.icmp_signed("<=", self._spread(key), self.places),
            self.builder.icmp_signed("==", number, self.numbers),
        )
        place = self.builder.mul(key, ir.Constant(INDEX, LANES))
        score = self.registers.load(self.data, place)
        return self.builder.select(seen, score, self.registers.constant(float("-inf")))

    def _spread(self, place: Value) -> Value:
        return self.integers.spread(self.builder.trunc(place, self.integers.element))


class _Matrix:
    """A pointer and steps: where the elements of a matrix lie."""

    def __init__(self, builder: Value, kind: Value, value: Value) -> None:
        self.builder = builder
        self.data, *self.steps = (builder.extract_value(value, part) for part in range(len(kind)))

    def at(self, *places: Value) -> Value:
        """Return the number of an element."""
        found = ir.Constant(INDEX, 0)
        for place, step in zip(places, self.steps, strict=True):
            number = ir.Constant(INDEX, place) if isinstance(place, int) else place
            found = self.builder.add(found, self.builder.mul(number, step))
        return found


def _without_result(build: Value) -> Value:
    def complete(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
        build(context, builder, signature, arguments)
        return context.get_dummy_value()

    return complete
