import numpy as np
import pytest
from numpy.typing import ArrayLike

from mixopt.training.online.doge import DoGE
from mixopt.training.online.policy import Observation

PRIOR = np.array([0.5, 0.3, 0.2])


def _mixture(alignments: ArrayLike, policy: DoGE | None = None) -> np.ndarray:
    policy = policy or DoGE()
    state = policy.init(("a", "b", "c"), PRIOR)
    return policy.update(state, Observation(step=1, tokens=[0] * 3, alignments=alignments)).mixture


def test_a_gradient_that_serves_the_others_raises_its_domain() -> None:
    gradients = np.random.default_rng(0).normal(size=(3, 50))
    gradients[1] += 2 * gradients[0] + 2 * gradients[2]
    gradients /= np.linalg.norm(gradients, axis=1).mean()
    found = _mixture(gradients @ gradients.T)
    others = [gradients[i] @ (gradients.sum(axis=0) - gradients[i]) for i in range(3)]
    raised = PRIOR * np.exp(0.05 * np.clip(others, 0, 5))
    np.testing.assert_allclose(found, 0.999 * raised / raised.sum() + 1e-3 * PRIOR, rtol=1e-12)
    assert found[1] > PRIOR[1]


def test_a_domains_gain_for_itself_is_left_out_among_domains() -> None:
    np.testing.assert_allclose(_mixture(np.diag([5.0, 1.0, 0.0])), PRIOR)


def test_serving_counts_and_being_served_does_not() -> None:
    served_by_c = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.9, 0.9, 1.0]])
    found = _mixture(served_by_c) / PRIOR
    assert found[2] > 1 > found[0] == pytest.approx(found[1])


def test_given_targets_every_gain_counts() -> None:
    found = _mixture([0.0, 0.5, 2.0])
    np.testing.assert_allclose(found / PRIOR, found[0] / PRIOR[0] * np.exp([0, 0.025, 0.1]), 1e-3)


@pytest.mark.parametrize(("gain", "counted"), [(1e5, 5.0), (-3.0, 0.0)])
def test_gains_are_clipped(gain: float, counted: float) -> None:
    np.testing.assert_array_equal(_mixture([0, 1, gain]), _mixture([0, 1, counted]))
