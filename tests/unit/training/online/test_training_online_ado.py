import numpy as np
import pytest
from scipy.optimize import nnls

from mixopt.training.online.ado import AdaptiveDataOptimization, speeds
from mixopt.training.online.policy import Observation, PolicyState

TOKENS = np.linspace(1e5, 5e6, 60)


def _losses(floor: float, scale: float, exponent: float) -> np.ndarray:
    return np.asarray(floor + scale * (TOKENS / TOKENS[-1]) ** -exponent)


def _run(policy: AdaptiveDataOptimization, losses: np.ndarray, prior: list[float]) -> PolicyState:
    state = policy.init(("a", "b"), prior)
    for number, row in enumerate(losses):
        tokens = TOKENS[number] * np.array(prior)
        state = policy.update(state, Observation(step=number + 1, tokens=tokens, losses=row))
    return state


def test_speeds_are_the_slopes_of_the_true_laws() -> None:
    laws = [(2.0, 0.5, 0.3), (1.0, 1.0, 0.5), (0.0, 3.0, 0.1), (2.5, 0.0, 0.2)]
    losses = np.stack([_losses(*law) for law in laws], axis=1)
    found = speeds(TOKENS, losses)
    np.testing.assert_allclose(found, [scale * power for _, scale, power in laws], rtol=1e-6)


def test_speeds_stand_noise_and_rising_losses() -> None:
    noise = 0.01 * np.random.default_rng(0).normal(size=60)
    falling = _losses(1.0, 1.0, 0.5) + noise
    found = speeds(TOKENS, np.stack([falling, 1 + TOKENS / 1e6], axis=1))
    assert found[0] == pytest.approx(0.5, rel=0.1)
    assert found[1] == 0


def test_speeds_are_those_of_the_best_law_without_negative_parts() -> None:
    steep = np.stack([_losses(0.0, 0.2, 1.3), _losses(0.3, -0.2, 0.5), _losses(1, 1, 0.32)], axis=1)
    expected, fits = [], {}
    for column in steep.T:
        for exponent in np.linspace(0.05, 0.8, 31):
            shape = np.stack([np.ones(60), (TOKENS / TOKENS[-1]) ** -exponent], axis=1)
            (_, scale), error = nnls(shape, column)
            fits[float(error)] = exponent * scale
        expected.append(fits[min(fits)])
        fits.clear()
    np.testing.assert_allclose(speeds(TOKENS, steep), expected, rtol=1e-6, atol=1e-12)


def test_the_mixture_follows_the_recursions() -> None:
    losses = np.stack([_losses(3.0, 0.1, 0.3), _losses(1.0, 0.5, 0.3)], axis=1)
    prior = np.array([0.7, 0.3])
    recent = average = mixture = prior
    for number in range(1, 61):
        recent, wanted = 0.9 * recent + 0.1 * mixture, prior
        if number >= 8:
            speed = speeds(TOKENS[:number], losses[:number])
            wanted = prior * np.sqrt(recent / prior) * speed
            wanted = wanted / wanted.sum()
        mixture = 0.99 * (0.9 * average + 0.1 * wanted) + 0.01 * prior
        average = (average * number + wanted) / (number + 1)
    found = _run(AdaptiveDataOptimization(), losses, [0.7, 0.3]).mixture
    np.testing.assert_allclose(found, mixture, rtol=1e-10)


def test_what_is_learned_fastest_draws_tokens() -> None:
    losses = np.stack([_losses(3.0, 0.1, 0.3), _losses(1.0, 0.5, 0.3)], axis=1)
    state = _run(AdaptiveDataOptimization(), losses, [0.5, 0.5])
    assert state.mixture[1] > 0.7
    assert state.mixture.sum() == pytest.approx(1)


def test_the_prior_holds_until_there_is_something_to_fit() -> None:
    losses = np.stack([_losses(3.0, 0.1, 0.3), _losses(1.0, 0.5, 0.3)], axis=1)
    policy = AdaptiveDataOptimization()
    np.testing.assert_allclose(_run(policy, losses[:7], [0.6, 0.4]).mixture, [0.6, 0.4])
    assert _run(policy, losses[:8], [0.6, 0.4]).mixture[1] > 0.4


def test_a_long_run_remembers_a_bounded_history() -> None:
    policy = AdaptiveDataOptimization()
    state = policy.init(("a", "b"), [0.5, 0.5])
    for step in range(1, 600):
        losses = [1 + step**-0.3, 2 + step**-0.1]
        state = policy.update(state, Observation(step=step, tokens=[step, step], losses=losses))
        assert len(state.memory["tokens"]) == len(state.memory["losses"]) < 256
    assert state.memory["tokens"][-1] == 2 * 599
    assert (np.diff(state.memory["tokens"]) > 0).all()
