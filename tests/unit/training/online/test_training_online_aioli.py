import numpy as np

from mixopt.training.online.aioli import Aioli
from mixopt.training.online.policy import Observation

TRUE = np.array([[0.3, 0.1, 0.0], [0.0, 0.2, 0.0], [-0.1, 0.0, 0.4]])
PRIOR = np.array([0.5, 0.3, 0.2])


def test_the_update_is_the_formula() -> None:
    policy = Aioli()
    state = policy.init(tuple("abc"), PRIOR)
    found = policy.update(state, Observation(step=1, tokens=[0] * 3, transfers=TRUE)).mixture
    shifted = TRUE + 0.1
    raised = PRIOR * np.exp(0.2 * (shifted / shifted.sum()).sum(axis=1))
    np.testing.assert_allclose(found, 0.999 * raised / raised.sum() + 1e-3 * PRIOR, rtol=1e-12)


def test_a_domain_that_lowers_all_losses_is_raised_and_a_harmful_one_lowered() -> None:
    policy = Aioli()
    state = policy.init(tuple("abc"), PRIOR)
    table = [[0.2, 0.2, 0.2], [0.0, 0.1, 0.0], [-0.1, -0.1, 0.1]]
    for step in range(1, 20):
        state = policy.update(state, Observation(step=step, tokens=[0] * 3, transfers=table))
    ratio = state.mixture / PRIOR
    assert ratio[0] > ratio[1] > ratio[2]
    assert ratio[0] > 1.3
