import numpy as np
import pytest

from mixopt.schedule.curve import MixtureCurve
from mixopt.schedule.mixture import mixture_of
from mixopt.training.online.trajectory import Choice, freeze

NAMES = ("a", "b", "c")


def _choices(count: int, noise: float = 0.0) -> list[Choice]:
    generator = np.random.default_rng(0)
    choices = []
    for number in range(count):
        since = number / count
        weights = np.array([1.0, 0.3 + 2 * since**2, 0.5]) + noise * generator.random(3)
        shares = dict(zip(NAMES, weights.tolist(), strict=True))
        choices.append(Choice(since=since, mixture=mixture_of(shares)))
    return choices


def _largest_error(curve: MixtureCurve, choices: list[Choice]) -> float:
    count = len(choices)
    middles = (np.arange(count) + 0.5) / count
    wanted = np.stack([choice.mixture.on(NAMES) for choice in choices])
    return float(np.abs(curve.weights_at(middles, NAMES) - wanted).max())


@pytest.mark.parametrize("tolerance", [0.05, 0.01, 0.001])
def test_a_frozen_trajectory_stays_within_its_tolerance(tolerance: float) -> None:
    choices = _choices(100)
    curve = freeze(choices, tolerance)
    assert _largest_error(curve, choices) <= tolerance + 1e-7
    assert (curve.knots[0].at, curve.knots[-1].at) == (0, 1)


def test_a_smooth_trajectory_needs_few_knots_and_exactness_all() -> None:
    assert len(freeze(_choices(200), 0.01).knots) <= 8
    jagged = _choices(50, noise=0.3)
    assert len(freeze(jagged, 0.0).knots) >= 50
    assert len(freeze(jagged, 0.05).knots) < 50


@pytest.mark.parametrize("tolerance", [0.0, 0.02])
def test_the_dose_is_that_of_the_trajectory(tolerance: float) -> None:
    choices = _choices(40, noise=0.2)
    spent = np.mean([choice.mixture.on(NAMES) for choice in choices], axis=0)
    found = freeze(choices, tolerance).mean().on(NAMES)
    np.testing.assert_allclose(found, spent, atol=max(tolerance, 1e-6))


def test_what_never_moved_is_constant() -> None:
    held = [Choice(since=at, mixture=mixture_of({"a": 1, "b": 3})) for at in (0.0, 0.3, 0.8)]
    curve = freeze(held)
    assert curve.shape == "constant"
    assert curve.mean() == mixture_of({"a": 0.25, "b": 0.75})
    assert freeze(held[:1]).shape == "constant"


@pytest.mark.parametrize("since", [[], [0.1, 0.5], [0.0, 0.5, 0.5], [0.0, 0.6, 0.5], [0.0, 1.0]])
def test_choices_come_in_order_from_the_start(since: list[float]) -> None:
    mixture = mixture_of({"a": 1.0})
    with pytest.raises(ValueError, match="from 0 to below 1"):
        freeze([Choice(since=at, mixture=mixture) for at in since])
