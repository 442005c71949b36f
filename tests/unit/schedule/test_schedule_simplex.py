import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import beta, kstest, qmc

from mixopt.schedule import simplex


@pytest.mark.parametrize("concentration", [[4.0, 2.0, 1.0, 1.0], [0.3, 0.05, 0.6], [20.0, 5.0]])
def test_uniform_points_become_dirichlet_draws(concentration: list[float]) -> None:
    parameters = np.array(concentration)
    cube = qmc.Sobol(len(parameters) - 1, rng=3).random(4096)
    draws = np.array([simplex.from_cube(point, parameters) for point in cube])
    total = parameters.sum()
    mean = parameters / total
    covariance = (np.diag(mean) - np.outer(mean, mean)) / (total + 1)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=2e-3)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=2e-3)


def test_every_weight_has_its_beta_marginal() -> None:
    parameters = np.array([3.0, 0.5, 1.5, 2.0])
    cube = np.random.default_rng(0).random((3000, 3))
    draws = np.array([simplex.from_cube(point, parameters) for point in cube])
    for column, parameter in zip(draws.T, parameters, strict=True):
        marginal = beta(parameter, parameters.sum() - parameter)
        assert kstest(column, marginal.cdf).pvalue > 1e-3


@pytest.mark.parametrize("size", [2, 3, 8, 40])
def test_cube_and_simplex_are_one_to_one(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(50):
        parameters = rng.uniform(0.3, 5, size)
        weights = rng.dirichlet(np.ones(size))
        cube = simplex.to_cube(weights, parameters)
        assert cube.shape == (size - 1,)
        assert ((cube >= 0) & (cube <= 1)).all()
        np.testing.assert_allclose(simplex.from_cube(cube, parameters), weights, atol=1e-6)
        point = rng.uniform(0.02, 0.98, size - 1)
        there = simplex.from_cube(point, parameters)
        np.testing.assert_allclose(simplex.to_cube(there, parameters), point, atol=1e-4)


@pytest.mark.parametrize("corner", [0.0, 1.0])
def test_corners_of_the_cube_are_mixtures(corner: float) -> None:
    weights = simplex.from_cube(np.full(5, corner), np.full(6, 1e-3))
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    assert weights[-1 if corner == 0 else 0] == pytest.approx(1, abs=1e-6)


def _projection(weights: NDArray[np.float64], caps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The minimizer of KL(w || weights) under the caps, found by a general solver."""
    found = minimize(
        lambda w: float(np.sum(w * np.log(w / weights))),
        caps / caps.sum(),
        jac=lambda w: np.log(w / weights) + 1,
        bounds=[(1e-12, limit) for limit in caps],
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"maxiter": 500, "ftol": 1e-14},
    )
    return np.asarray(found.x)


@pytest.mark.parametrize("seed", range(12))
def test_cap_is_the_nearest_mixture_in_divergence(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(6)) * 0.97 + 0.005
    caps = np.minimum(rng.dirichlet(np.ones(6)) * rng.uniform(1.05, 2.5) + 0.01, 1.0)
    found = simplex.cap(weights, caps)
    assert found.sum() == pytest.approx(1)
    assert (found <= caps + 1e-9).all()
    np.testing.assert_allclose(found, _projection(weights, caps), atol=2e-4)


def test_cap_hand_worked() -> None:
    np.testing.assert_allclose(simplex.cap([0.6, 0.3, 0.1], [0.4, 1, 1]), [0.4, 0.45, 0.15])
    np.testing.assert_allclose(simplex.cap([0.6, 0.3, 0.1], [0.4, 0.4, 1]), [0.4, 0.4, 0.2])
    np.testing.assert_allclose(simplex.cap([0.5, 0.5], [1, 1]), [0.5, 0.5])
    np.testing.assert_allclose(simplex.cap([0.8, 0.2, 0.0], [0.5, 0.5, 0.5]), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(simplex.cap([1.0, 0.0], [0.7, 0.9]), [0.7, 0.3])
    with pytest.raises(ValueError, match=r"caps sum to 0\.9000"):
        simplex.cap([0.5, 0.5], [0.5, 0.4])


def test_divergence_is_that_of_kullback_and_leibler() -> None:
    assert simplex.divergence([0.5, 0.5], [0.25, 0.75]) == pytest.approx(0.5 * np.log(4 / 3))
    assert simplex.divergence([1.0, 0.0], [0.5, 0.5]) == pytest.approx(np.log(2))
    assert simplex.divergence([0.2, 0.8], [0.2, 0.8]) == 0


@pytest.mark.parametrize("total", [0, 1, 7, 1000, 10**9])
def test_apportion_is_exact_and_nearest(total: int) -> None:
    rng = np.random.default_rng(total)
    for _ in range(20):
        shares = rng.dirichlet(np.full(9, 0.5)) * 3
        counts = simplex.apportion(shares, total)
        assert counts.sum() == total
        assert (np.abs(counts - shares / shares.sum() * total) < 1 + 1e-6).all()
    assert simplex.apportion([0, 1, 0], total).tolist() == [0, total, 0]


def test_apportion_gives_ties_to_the_first() -> None:
    assert simplex.apportion([1, 1, 1], 5).tolist() == [2, 2, 1]
    assert simplex.apportion([0.1, 0.2, 0.7], 10).tolist() == [1, 2, 7]
