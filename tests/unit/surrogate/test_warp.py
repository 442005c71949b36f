"""Tests of the logarithm of costs above a floor."""

from __future__ import annotations

import numpy as np
from scipy.optimize import approx_fprime

from mixopt.surrogate.laws.warp import Costs, costs_of


def _costs(seed: int) -> Costs:
    rng = np.random.default_rng(seed)
    return costs_of(3 + rng.gamma(2.0, size=9), rng.uniform(0.1, 0.3, 9))


def test_slopes_equal_finite_differences() -> None:
    costs, where = _costs(0), np.array([-1.2])
    found = costs.warped(-1.2)
    for name in ("targets", "noise", "cost"):
        numeric = approx_fprime(where, lambda x, n=name: getattr(costs.warped(float(x[0])), n))
        slope = getattr(found, f"{name}_slope")
        np.testing.assert_allclose(np.ravel(numeric), np.ravel(slope), rtol=1e-4, atol=1e-5)


def test_units_agree_with_the_targets_and_lead_back() -> None:
    rng = np.random.default_rng(1)
    values = 3 + rng.gamma(2.0, size=9)
    costs = costs_of(values, np.full(9, 0.01))
    units = costs.units(-0.5)
    np.testing.assert_allclose(units.inward(values), costs.warped(-0.5).targets)
    np.testing.assert_allclose(units.outward(units.inward(values), np.zeros(9)).mean, values)


def test_cost_is_minus_the_log_slope_of_the_map() -> None:
    costs, step = _costs(2), 1e-6
    units = costs.units(-0.7)
    above = units.floor + np.array([1.0, 2.5])
    slopes = (units.inward(above + step) - units.inward(above - step)) / (2 * step)
    np.testing.assert_allclose(slopes, 1 / (units.scale * np.array([1.0, 2.5])), rtol=1e-6)
    expected = len(costs.above) * np.log(units.scale) + np.log(costs.above + np.exp(-0.7)).sum()
    np.testing.assert_allclose(costs.warped(-0.7).cost, expected)


def test_equal_costs_are_no_fault() -> None:
    costs = costs_of(np.full(5, 2.0), np.zeros(5))
    found = costs.warped(-1.0)
    np.testing.assert_array_equal(found.targets, np.zeros(5))
    np.testing.assert_allclose(costs.units(-1.0).outward(np.zeros(5), np.zeros(5)).mean, 2.0)
