import math
from decimal import Decimal

import numpy as np
import pytest
from export_fakes import stage

from mixopt.export.pieces import cut, exact_shares, total_variation
from mixopt.schedule.curve import MixtureCurve

A, B = {"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}


def test_a_constant_stage_is_one_piece_without_error() -> None:
    (piece,) = cut(stage("s", {"a": 0.3, "b": 0.7}).curve, ("a", "b"), 100)
    assert piece.steps == 100
    assert piece.distance == pytest.approx(0.0, abs=1e-12)
    assert piece.weights == pytest.approx([0.3, 0.7])


def test_a_line_is_cut_at_its_quarters() -> None:
    pieces = cut(stage("s", A, B).curve, ("a", "b"), 100)
    assert [piece.steps for piece in pieces] == [25, 25, 25, 25]
    assert [piece.weights[1] for piece in pieces] == pytest.approx([0.125, 0.375, 0.625, 0.875])
    # |t - middle| averages a quarter of a piece's width, in both of two domains, halved
    assert [piece.distance for piece in pieces] == pytest.approx([0.0625] * 4, rel=1e-3)


def test_a_plateau_between_knots_stays_whole() -> None:
    pieces = cut(stage("s", A, A, B).curve, ("a", "b"), 80)
    assert [piece.steps for piece in pieces] == [40, 10, 10, 10, 10]
    assert pieces[0].distance == pytest.approx(0.0, abs=1e-12)


def test_the_pieces_of_a_cosine_have_its_integral() -> None:
    line = stage("s", A, B).curve
    curve = MixtureCurve(shape="cosine", knots=line.knots)
    pieces = cut(curve, ("a", "b"), 100)
    # integral over the first quarter of (1 - cos(pi t)) / 2, times 4
    exact = 4 * (0.25 - math.sin(math.pi / 4) / math.pi) / 2
    assert pieces[0].weights[1] == pytest.approx(exact, abs=1e-4)


def test_a_stage_of_one_step_is_one_piece_at_its_mean() -> None:
    (piece,) = cut(stage("s", A, B).curve, ("a", "b"), 1)
    assert piece.weights == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("count", [1, 3, 7, 200, 5000])
def test_exact_shares_sum_to_one_as_they_are_written(count: int) -> None:
    weights = np.random.default_rng(count).dirichlet(np.full(count, 0.1))
    shares = exact_shares(weights)
    assert sum(Decimal(repr(share)) for share in shares) == 1
    assert math.fsum(shares) == 1.0
    assert shares == pytest.approx(weights, abs=2e-12)


def test_total_variation_of_disjoint_mixtures_is_one() -> None:
    assert total_variation(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1.0
