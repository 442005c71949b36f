import numpy as np
import pytest

from mixopt.training.online.doremi import DoReMi
from mixopt.training.online.policy import Observation, PolicyState

PRIOR = [0.5, 0.3, 0.2]


def _after(losses: list[float], reference: list[float], policy: DoReMi) -> PolicyState:
    state = policy.init(("a", "b", "c"), PRIOR)
    observation = Observation(step=10, tokens=[1] * 3, losses=losses, reference_losses=reference)
    return policy.update(state, observation)


def test_the_first_update_is_the_formula() -> None:
    found = _after([2.0, 3.0, 1.0], [1.5, 2.8, 1.4], DoReMi()).mixture
    raised = np.array(PRIOR) * np.exp([0.5, 0.2, 0.0])
    expected = (1 - 1e-3) * raised / raised.sum() + 1e-3 * np.array(PRIOR)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_being_ahead_of_the_reference_counts_as_level() -> None:
    ahead = _after([1.0, 1.0, 1.0], [1.0, 9.0, 2.0], DoReMi()).mixture
    np.testing.assert_allclose(ahead, PRIOR)


def test_high_loss_alone_raises_nothing() -> None:
    found = _after([9.0, 2.0, 1.0], [9.0, 1.0, 1.0], DoReMi()).mixture
    assert found[1] > PRIOR[1]
    assert found[0] < PRIOR[0]


def test_lasting_excess_ends_near_one_domain_and_a_small_rate_gets_there_later() -> None:
    def share(rate: float) -> float:
        policy = DoReMi(rate=rate)
        state = policy.init(("a", "b", "c"), PRIOR)
        for step in range(1, 21):
            seen = Observation(
                step=step, tokens=[0] * 3, losses=[1, 1.5, 1], reference_losses=[1, 1, 1]
            )
            state = policy.update(state, seen)
        return float(state.mixture[1])

    assert share(1.0) > 0.98
    assert share(0.1) == pytest.approx(0.3 * np.e / (0.3 * np.e + 0.7), abs=0.01)
