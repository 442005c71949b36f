import numpy as np
import pytest

from mixopt.training.online.learning_progress import LearningProgress
from mixopt.training.online.policy import Observation, PolicyState

PRIOR = np.array([0.5, 0.3, 0.2])


def _run(rows: np.ndarray, steps: list[int] | None = None) -> PolicyState:
    policy = LearningProgress()
    state = policy.init(tuple("abc"), PRIOR)
    for step, losses in zip(steps or range(1, len(rows) + 1), rows, strict=True):
        state = policy.update(state, Observation(step=step, tokens=[0] * 3, losses=losses))
    return state


def test_the_update_is_the_formula() -> None:
    rows = np.array([[3.0, 3.0, 3.0], [2.0, 2.5, 3.0], [1.5, 2.4, 3.0]])
    progress = 0.09 * (rows[0] - rows[1]) + 0.1 * (rows[1] - rows[2])
    raised = PRIOR * np.exp(progress / (0.5 * progress.max()))
    expected = 0.99 * raised / raised.sum() + 0.01 * PRIOR
    np.testing.assert_allclose(_run(rows).mixture, expected, rtol=1e-12)


def test_the_first_losses_are_only_remembered() -> None:
    np.testing.assert_allclose(_run(np.array([[9.0, 1.0, 1.0]])).mixture, PRIOR)


def test_forgetting_counts_as_learning_does() -> None:
    time = np.arange(20.0)[:, None]
    moving = np.hstack([3 - 0.05 * time, 1 + 0.05 * time, 0 * time + 2])
    found = _run(moving).mixture
    assert found[0] / found[1] == pytest.approx(PRIOR[0] / PRIOR[1], rel=1e-2)
    assert found[2] < 0.5 * PRIOR[2]
    assert found[1] > PRIOR[1]


def test_uneven_checks_and_slow_stages_do_not_matter() -> None:
    steps = [1, 2, 5, 6, 10, 20, 21]
    rows = 3 - np.array(steps)[:, None] * np.array([0.01, 0.02, 0.04])
    tenth = 3 - np.array(steps)[:, None] * np.array([0.001, 0.002, 0.004])
    even = 3 - np.arange(1, 8)[:, None] * np.array([0.01, 0.02, 0.04])
    np.testing.assert_allclose(_run(rows, steps).mixture, _run(even).mixture)
    np.testing.assert_allclose(_run(tenth, steps).mixture, _run(even).mixture)
