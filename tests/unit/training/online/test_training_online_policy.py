import numpy as np
import pytest
from numpy.typing import ArrayLike

from mixopt.training.online.policy import (
    Need,
    Observation,
    start,
    take,
    tilt,
)

AB = ("a", "b")


@pytest.mark.parametrize("prior", [[0.5, 0.4], [1.2, -0.2], [1.0], [[0.5, 0.5]], [np.nan, 1.0]])
def test_a_prior_is_a_mixture(prior: ArrayLike) -> None:
    with pytest.raises(ValueError, match="2 shares that sum to 1"):
        start(AB, prior)


@pytest.mark.parametrize("scores", [[0.0, 800.0], [-1e9, 1e9], [-1e9, -1e9], [5.0, 5.0]])
def test_tilted_weights_are_finite(scores: list[float]) -> None:
    found = tilt(np.array([0.3, 0.7]), np.array(scores))
    assert found.sum() == pytest.approx(1)
    expected = 0.7 if scores[0] == scores[1] else 1.0
    assert found[1] == pytest.approx(expected)


def test_what_has_no_weight_gets_none() -> None:
    found = tilt(np.array([0.0, 0.4, 0.6]), np.array([1e9, 1.0, 1.0]))
    np.testing.assert_allclose(found, [0, 0.4, 0.6])


@pytest.mark.parametrize(
    ("losses", "transfers", "name"),
    [
        (np.ones(3), None, "losses"),
        (np.ones((2, 2)), None, "losses"),
        (None, np.ones(2), "transfers"),
        (None, np.ones((2, 3)), "transfers"),
    ],
)
def test_shapes_are_checked(losses: ArrayLike, transfers: ArrayLike, name: Need) -> None:
    observation = Observation(step=1, tokens=[1, 1], losses=losses, transfers=transfers)
    with pytest.raises(ValueError, match=f"{name} of shape"):
        take(start(AB, [0.5, 0.5]), observation, name)


def test_tokens_are_not_clipped_and_losses_are() -> None:
    seen = Observation(step=1, tokens=[1e12, 1.0], losses=[1e12, 1.0])
    state = start(AB, [0.5, 0.5])
    np.testing.assert_array_equal(take(state, seen, "tokens"), [1e12, 1])
    np.testing.assert_array_equal(take(state, seen, "losses"), [1e6, 1])
