import numpy as np
import pytest
from schedule_fakes import SUPPLY, inventory, lm, space
from scipy.optimize import minimize

from mixopt.errors import RecipeError, SupplyError
from mixopt.schedule.projection import NoPointError, Polytope, project
from mixopt.schedule.region import on_lattice
from mixopt.schedule.space import Space


def random_polytope(rng: np.random.Generator, count: int, sums: int) -> Polytope:
    inside = rng.dirichlet(np.ones(count))
    rows = (rng.random((sums, count)) < 0.4) * rng.choice([1.0, 1.0, 0.5], size=(sums, count))
    return Polytope(
        low=inside * rng.random(count) * (rng.random(count) < 0.4),
        high=np.minimum(1.0, inside + rng.random(count) * (1 - inside)),
        sums=rows,
        least=np.maximum(0.0, rows @ inside - 0.05 * rng.random(sums)),
        most=rows @ inside + 0.05 * rng.random(sums),
    )


@pytest.mark.parametrize("number", range(12))
def test_the_projection_is_the_nearest_point(number: int) -> None:
    rng = np.random.default_rng(number)
    held, base = random_polytope(rng, 7, number % 4), rng.dirichlet(np.full(7, 0.7))
    found = project(base, held)
    assert held.violation(found) < 1e-9

    def distance(point: np.ndarray) -> float:
        return float(np.sum(point * np.log(np.maximum(point, 1e-300) / base)))

    rows = [{"type": "eq", "fun": lambda point: point.sum() - 1}]
    if number % 4:
        rows.append({"type": "ineq", "fun": lambda point: held.sums @ point - held.least})
        rows.append({"type": "ineq", "fun": lambda point: held.most - held.sums @ point})
    pairs = np.stack([np.maximum(held.low, 1e-12), held.high], axis=1)
    rival = minimize(distance, found * 0.9 + 0.1 / 7, bounds=pairs, constraints=rows, tol=1e-12)
    assert distance(found) <= distance(rival.x) + 1e-7


def test_an_empty_polytope_is_told() -> None:
    rows, one = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]), np.ones(2)
    held = Polytope(low=np.zeros(3), high=np.ones(3), sums=rows, least=0.0 * one, most=0.4 * one)
    with pytest.raises(NoPointError):
        project(np.full(3, 1 / 3), held)


@pytest.mark.parametrize("number", range(8))
def test_the_lattice_keeps_the_bounds_and_is_near(number: int) -> None:
    rng = np.random.default_rng(number)
    held, step = random_polytope(rng, 6, number % 3), 0.002
    base = project(rng.dirichlet(np.ones(6)), held)
    found = on_lattice(base, held, step)
    np.testing.assert_allclose(found / step, np.round(found / step), atol=1e-6)
    assert held.violation(found) < 1e-8
    assert np.abs(found - base).max() < 4 * step


def points(found: Space, count: int) -> list[dict[str, float]]:
    rng = np.random.default_rng(0)
    return [{c.name: rng.random() for c in found.coordinates()} for _ in range(count)]


def test_every_point_keeps_the_bounds() -> None:
    free = {
        "floors": {"math": 0.1},
        "ceilings": {"web": 0.5},
        "groups": [{"of": ["web", "code"], "ceiling": 0.8}, {"provenance": "organic", "floor": 1}],
        "lattice": 0.005,
    }
    found = space(lm(free=free), max_epochs=3.0)
    for point in points(found, 40):
        web, code, math = found.resolve(point).stages[0].curve.mean().on(tuple(SUPPLY))
        assert math >= 0.1 - 1e-9
        assert web <= 0.5 + 1e-9
        assert web + code <= 0.8 + 1e-9
        assert math <= 0.3 + 1e-9
        np.testing.assert_allclose(
            np.round(np.array([web, code, math]) * 200) / 200, [web, code, math]
        )


def test_a_block_is_one_coordinate_that_keeps_its_ratios() -> None:
    held = inventory({"web": 600_000, "code": 300_000, "math": 100_000, "new": 200_000})
    block = {"web": 0.5, "code": 0.25, "math": 0.25}
    found = space(lm(free={"blocks": {"old": block}}), max_epochs=3.0, held=held)
    assert len(found.coordinates()) == 1
    for point in points(found, 40):
        share = found.resolve(point).stages[0].curve.mean()
        old = 1 - share.share("new")
        assert share.on(tuple(block)) / old == pytest.approx(list(block.values()), abs=1e-6)
        assert share.share("math") <= 0.3 + 1e-6


def test_bounds_that_the_supply_forbids_are_told_with_numbers() -> None:
    found = space(lm(free={"floors": {"math": 0.5}}), max_epochs=2.0)
    with pytest.raises(SupplyError, match=r"math: at least 0\.5, at most 0\.2"):
        found.resolve(points(found, 1)[0])


def test_groups_that_leave_no_mixture_are_told_with_the_bounds_inside_them() -> None:
    groups = [{"of": ["math", "code"], "ceiling": 0.3}]
    found = space(lm(free={"floors": {"math": 0.6}, "groups": groups}), max_epochs=99.0)
    with pytest.raises(RecipeError) as told:
        found.resolve(points(found, 1)[0])
    assert "code, math: together 0 to 0.3" in told.value.why
    assert "math: 0.6 to 1" in told.value.why
