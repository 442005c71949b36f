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
    raised = PRIOR * np.exp(0.2 * graph @ np.sum(rows[1:], axis=0))
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
def test_gains_count_by_shares_of_a_domains_own(scale: float) -> None:
    graph = np.array([[1.0, 0.5, -2.0], [0.0, 1.0, 3.0], [-0.3, 0.0, 1.0]])
    measured = scale * graph * np.array([5.0, 0.1, 1.0])  # losses fall at speeds of their own
    rows = [[1.0, 2.0, 3.0]]
    found = _run(measured, rows).mixture
    np.testing.assert_allclose(found, _run(np.clip(graph, 0, 1), rows).mixture, rtol=1e-12)


def test_the_graph_is_the_mean_of_what_was_measured() -> None:
    rng, policy = np.random.default_rng(0), SkillIt()
    graphs, state = np.eye(3) + rng.random((4, 3, 3)), policy.init(tuple("abc"), PRIOR)
    for step, graph in enumerate(graphs, start=1):
        seen = Observation(step=step, tokens=[0] * 3, losses=[1.0, 2.0, 3.0], transfers=graph)
        state = policy.update(state, seen)
    expected = _run(graphs.mean(axis=0), [[1.0, 2.0, 3.0]] * 4).mixture
    np.testing.assert_allclose(state.mixture, expected, rtol=1e-12)


def test_a_graph_without_gains_keeps_the_prior() -> None:
    np.testing.assert_allclose(_run(np.full((3, 3), -0.1), [[1.0, 2.0, 3.0]]).mixture, PRIOR)
