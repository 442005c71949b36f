import math

import numpy as np
import pytest

from mixopt.training.online.odm import OnlineDataMixing, exploration
from mixopt.training.online.policy import Observation


def test_the_update_is_the_papers_under_a_uniform_prior() -> None:
    policy, losses = OnlineDataMixing(), np.array([4.0, 3.0, 2.0, 1.0])
    state = policy.init(tuple("abcd"), np.full(4, 0.25))
    rewards, mixture, before = np.zeros(4), np.full(4, 0.25), 0.25
    for step in (50, 100, 150):
        state = policy.update(state, Observation(step=step, tokens=[0] * 4, losses=losses))
        rewards = 0.9 * rewards + 0.1 * losses / mixture
        now = min(0.25, math.sqrt(math.log(4) / (4 * step)))
        raised = np.exp(before * rewards)
        mixture, before = (1 - 4 * now) * raised / raised.sum() + now, now
        np.testing.assert_allclose(state.mixture, mixture, rtol=1e-12)


def test_high_loss_draws_tokens_and_less_so_with_time() -> None:
    policy = OnlineDataMixing()
    state = policy.init(("easy", "hard"), [0.7, 0.3])
    shares = []
    for step in range(10, 10_000, 10):
        state = policy.update(state, Observation(step=step, tokens=[0, 0], losses=[1.0, 4.0]))
        shares.append(state.mixture[1])
    assert shares[10] > 0.335
    assert 0.3 < shares[-1] < shares[30] < shares[10]


def test_exploration_falls_from_all_to_little() -> None:
    assert exploration(5, 0) == exploration(5, 1) == 1 / 5
    assert exploration(5, 100) == pytest.approx(math.sqrt(math.log(5) / 500))
    assert exploration(5, 10_000) < exploration(5, 1000) < exploration(5, 100)


def test_while_exploring_the_prior_holds() -> None:
    policy = OnlineDataMixing()
    state = policy.init(tuple("abc"), [0.5, 0.3, 0.2])
    state = policy.update(state, Observation(step=1, tokens=[0] * 3, losses=[9.0, 1.0, 1.0]))
    np.testing.assert_allclose(state.mixture, [0.5, 0.3, 0.2])
