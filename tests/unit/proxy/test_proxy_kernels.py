"""Compiled loops against plain float64, at the ends of their ranges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba.core import caching

from mixopt.proxy.backends.kernels.attention import find_earliest
from mixopt.proxy.backends.kernels.compiled import Floats, Number, kernel
from mixopt.proxy.backends.kernels.losses import cross_entropy, cross_entropy_backward
from mixopt.proxy.backends.kernels.vectors import exponential
from mixopt.seeds import generator


@kernel
def _exponentials(numbers: Floats) -> None:
    for place in range(numbers.shape[0]):
        numbers[place] = exponential(numbers[place])


def test_the_exponential_is_exact_to_float32_and_keeps_what_is_not_a_number() -> None:
    numbers = np.linspace(-87, 88, 20_001, dtype=np.float32)
    found = numbers.copy()
    _exponentials(found)
    np.testing.assert_allclose(found, np.exp(numbers.astype(np.float64)), rtol=1e-6)
    ends = np.array([-np.inf, -1e30, np.nan], dtype=np.float32)
    _exponentials(ends)
    assert ends[:2].tolist() == [0.0, 0.0]
    assert np.isnan(ends[2])


@pytest.mark.parametrize("size", [1, 8, 24, 264, 512])
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_cross_entropy_and_its_gradient_equal_float64(size: int, scale: float) -> None:
    stream = generator(size, "logits")
    exact = scale * stream.standard_normal((7, size))
    targets, weights = stream.integers(0, size, 7), stream.standard_normal(7)
    logits, losses = exact.astype(np.float32), np.empty(7, np.float32)
    shares = np.exp(exact - exact.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    cross_entropy_backward(logits, targets, weights.astype(np.float32), losses)
    rows = np.arange(7)
    top = exact.max(axis=1)
    expected = top + np.log(np.exp(exact - top[:, None]).sum(axis=1)) - exact[rows, targets]
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=2e-4)
    shares[rows, targets] -= 1
    np.testing.assert_allclose(logits, shares * weights[:, None], rtol=1e-3, atol=2e-4)
    again = np.empty(7, np.float32)
    cross_entropy(exact.astype(np.float32), targets, again)
    assert np.array_equal(losses, again)


def test_the_first_position_of_every_segment_is_found() -> None:
    segments = np.array([[5, 5, -3, 5, 2, -6], [1, 1, 1, 1, 1, 1]], dtype=np.int32)
    earliest = np.empty_like(segments)
    find_earliest(segments, earliest)
    assert earliest.tolist() == [[0, 0, 2, 0, 4, 5], [0] * 6]


def test_what_cannot_be_kept_is_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.FunctionCache._impl_class, "_locator_classes", [])

    def double(number: Number) -> Number:
        return number + number

    assert kernel(double)(3.0) == 6.0


def test_what_is_kept_is_named_after_all_sources() -> None:
    kernels: list[Any] = [cross_entropy, cross_entropy_backward, find_earliest, _exponentials]
    stamps = [function._cache._cache_file._source_stamp for function in kernels]
    assert stamps[0] == stamps[1]
    assert len(set(stamps)) == 3
