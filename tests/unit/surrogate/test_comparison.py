"""Gains of mixtures over others: probabilities and intervals against the normal distribution."""

from __future__ import annotations

import numpy as np
import pytest

from mixopt.surrogate.fitting.comparison import Difference


def test_probability_and_interval_are_those_of_a_normal_gain() -> None:
    found = Difference(gain=np.array([0.0, 1.96, -1.0]), deviation=np.array([1.0, 1.0, 2.0]))
    np.testing.assert_allclose(found.probability, [0.5, 0.975002, 0.308538], atol=1e-6)
    low, high = found.interval()
    np.testing.assert_allclose(high - low, 2 * 1.959964 * found.deviation, atol=1e-5)
    np.testing.assert_allclose((low + high) / 2, found.gain, atol=1e-12)


@pytest.mark.parametrize(("gain", "probability"), [(0.0, 0.5), (0.1, 1.0), (-0.1, 0.0)])
def test_a_gain_without_doubt_is_certain(gain: float, probability: float) -> None:
    found = Difference(gain=np.array([gain]), deviation=np.zeros(1))
    assert found.probability[0] == probability
