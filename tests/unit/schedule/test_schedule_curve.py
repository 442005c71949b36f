import numpy as np
import pytest
from schedule_fakes import curve
from scipy.integrate import quad

from mixopt.schedule.curve import Knot, MixtureCurve, Shape, constant
from mixopt.schedule.mixture import mixture_of

A, B, C = {"a": 1.0}, {"a": 0.2, "b": 0.8}, {"b": 0.5, "c": 0.5}


@pytest.mark.parametrize(
    ("shape", "knots"), [("linear", [A, B]), ("cosine", [A, C]), ("piecewise", [A, C, B, A])]
)
def test_the_mean_is_the_integral(shape: Shape, knots: list[dict[str, float]]) -> None:
    moving = curve(shape, *knots)
    corners = [knot.at for knot in moving.knots]
    for number, name in enumerate(moving.domains):
        area, _ = quad(
            lambda at, j=number: moving.weights_at(at, moving.domains)[0, j], 0, 1, points=corners
        )
        assert moving.mean().share(name) == pytest.approx(area, abs=1e-9)


def test_uneven_knots_count_by_their_width() -> None:
    knots = ((0.0, A), (0.2, B), (1.0, B))
    moving = MixtureCurve(
        shape="piecewise", knots=tuple(Knot(at=at, mixture=mixture_of(w)) for at, w in knots)
    )
    assert moving.mean().share("a") == pytest.approx(0.2 * 0.6 + 0.8 * 0.2)
    assert moving.weights_at(0.1, ("a",))[0, 0] == pytest.approx(0.6)


def test_values_at_known_points() -> None:
    points = [0, 0.25, 0.5, 1]
    linear = curve("linear", A, {"b": 1.0}).weights_at(points, ("a", "b"))
    cosine = curve("cosine", A, {"b": 1.0}).weights_at(points, ("a", "b"))
    np.testing.assert_allclose(linear[:, 0], [1, 0.75, 0.5, 0])
    np.testing.assert_allclose(cosine[:, 0], [1, (2 + np.sqrt(2)) / 4, 0.5, 0], atol=1e-12)
    np.testing.assert_allclose(linear.sum(axis=1), 1)
    np.testing.assert_allclose(cosine.sum(axis=1), 1)


def test_a_constant_curve_holds() -> None:
    held = constant(mixture_of(B))
    assert held.mean() == mixture_of(B)
    np.testing.assert_allclose(held.weights_at([0, 0.3, 1], ("b", "x")), [[0.8, 0]] * 3)
    assert curve("piecewise", A, C, B).domains == ("a", "b", "c")
