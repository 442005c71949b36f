import numpy as np
import pytest

from mixopt.training.online.policy import Observation, PolicyState
from mixopt.training.online.skill_it import SkillIt

PRIOR = np.array([0.5, 0.3, 0.2])


def _run(graph: np.ndarray, rows: list[list[float]]) -> PolicyState:
    policy = SkillIt()
    state = policy.init(tuple("abc"), PRIOR)
    for number, losses in enumerate(rows):
        seen = Observation(step=number + 1, tokens=[0] * 3, losses=losses, transfers=graph)
        state = policy.update(state, seen)
    return state


def test_the_update_sums_the_window_and_forgets_what_was_before() -> None:
    graph = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    rows = [[9.0, 9.0, 9.0], [3.0, 2.0, 1.0], [2.0, 2.0, 1.0], [2.0, 1.0, 1.0]]
    raised = PRIOR * np.exp(0.5 * graph @ np.sum(rows[1:], axis=0))
    expected = 0.999 * raised / raised.sum() + 1e-3 * PRIOR
    np.testing.assert_allclose(_run(graph, rows).mixture, expected, rtol=1e-12)


def test_a_prerequisite_of_what_is_not_learned_is_raised() -> None:
    graph = np.eye(3)
    alone = _run(graph, [[1.0, 1.0, 3.0]]).mixture
    graph[0, 2] = 0.5
    unlocking = _run(graph, [[1.0, 1.0, 3.0]]).mixture
    assert unlocking[0] > alone[0]
    assert alone[2] > PRIOR[2]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_a_graph_counts_by_shares_of_its_largest_gain(scale: float) -> None:
    graph = np.array([[1.0, 0.5, -2.0], [0.0, 1.0, 0.5], [-0.3, 0.0, 1.0]])
    rows = [[1.0, 2.0, 3.0]]
    found = _run(scale * graph, rows).mixture
    np.testing.assert_allclose(found, _run(np.maximum(graph, 0), rows).mixture, rtol=1e-12)


def test_a_graph_without_gains_keeps_the_prior() -> None:
    np.testing.assert_allclose(_run(np.full((3, 3), -0.1), [[1.0, 2.0, 3.0]]).mixture, PRIOR)
