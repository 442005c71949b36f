import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from schedule_fakes import curve
from scipy.stats import spearmanr

from mixopt import seeds
from mixopt.schedule.curve import Shape, constant
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.ordering import ramp, rearrange

SCORES = np.random.default_rng(0).lognormal(size=5000)
STRENGTHS = [-1.0, -0.7, -0.5, -0.2, 0.0, 0.1, 0.4, 0.5, 0.6, 0.9, 1.0]


def order(scores: ArrayLike, strength: float, key: int) -> NDArray[np.int64]:
    """Return which sequence stands at each rank of an epoch that is shuffled by a key; [N]."""
    values = np.asarray(scores, float)
    shuffled = seeds.permute(np.arange(len(values)), len(values), key)
    return shuffled[rearrange(values[shuffled], strength)]


def rank_correlation(strength: float) -> float:
    """Return Spearman's correlation of place and score, 12 E[F(Z) q] - 3 with Z = s q + (1 - s) u."""
    size = abs(strength)
    ratio = size / (1 - size) if size <= 0.5 else (1 - size) / size
    found = ratio - 0.3 * ratio**2 if size <= 0.5 else 1 - ratio**2 / 2 + ratio**3 / 5
    return float(np.sign(strength) * found)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_every_sequence_stands_once(strength: float) -> None:
    found = order(SCORES, strength, key=7)
    np.testing.assert_array_equal(np.sort(found), np.arange(5000))
    np.testing.assert_array_equal(found, order(SCORES, strength, key=7))
    assert (found != order(SCORES, strength, key=8)).any() or abs(strength) == 1


@pytest.mark.parametrize("strength", STRENGTHS)
def test_the_rank_correlation_is_as_stated(strength: float) -> None:
    found = spearmanr(np.arange(5000), SCORES[order(SCORES, strength, key=7)])[0]
    assert found == pytest.approx(rank_correlation(strength), abs=0.03)


def test_the_rank_correlation_rises_strictly_and_without_a_step() -> None:
    values = np.array([rank_correlation(strength) for strength in np.linspace(-1, 1, 2001)])
    assert (np.diff(values) > 0).all()
    assert np.diff(values).max() < 0.003
    assert values[[0, 1000, 2000]] == pytest.approx([-1, 0, 1])
    assert rank_correlation(0.5) == pytest.approx(0.7)


def test_without_strength_the_order_is_the_keyed_permutation() -> None:
    np.testing.assert_array_equal(order(SCORES, 0, 7), seeds.permute(np.arange(5000), 5000, 7))


def test_full_strength_sorts_and_equal_scores_stay_shuffled() -> None:
    scores = np.repeat([2.0, 1.0, 3.0], 100)
    shuffled = seeds.permute(np.arange(300), 300, 7)
    for strength, levels in ((1.0, (1.0, 2.0, 3.0)), (-1.0, (3.0, 2.0, 1.0))):
        found = order(scores, strength, key=7)
        np.testing.assert_array_equal(scores[found], np.repeat(levels, 100))
        for part, level in zip(np.split(found, 3), levels, strict=True):
            np.testing.assert_array_equal(part, shuffled[scores[shuffled] == level])


def test_only_ranks_of_scores_matter() -> None:
    np.testing.assert_array_equal(order(SCORES, 0.4, 7), order(np.log(SCORES), 0.4, 7))
    np.testing.assert_array_equal(order(np.ones(50), 0.9, 7), order(np.ones(50), 0.0, 7))


def test_a_part_of_an_epoch_keeps_what_it_holds() -> None:
    part = SCORES[100:350]
    np.testing.assert_array_equal(np.sort(rearrange(part, 0.8)), np.arange(250))
    assert (np.diff(part[rearrange(part, 1)]) >= 0).all()
    assert rearrange([], 0.5).shape == (0,)
    assert rearrange([3.0], -1).tolist() == [0]


@pytest.mark.parametrize("strength", [-1.01, 1.5, np.nan])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="strength"):
        rearrange(SCORES, strength)
    with pytest.raises(ValueError, match="finite"):
        rearrange([1.0, np.nan], 0.5)


@pytest.mark.parametrize("shape", ["linear", "piecewise", "cosine"])
@pytest.mark.parametrize("width", [0.1, 0.37, 1.0])
def test_a_ramp_leads_into_the_curve(shape: Shape, width: float) -> None:
    knots: list[dict[str, float]] = [{"a": 1.0}, {"a": 0.2, "b": 0.8}, {"b": 1.0}]
    after = curve(shape, *(knots if shape == "piecewise" else knots[:2]))
    before = mixture_of({"c": 1.0})
    found, names = ramp(before, after, width), ("a", "b", "c")
    assert (found.knots[0].at, found.knots[-1].at) == (0, 1)
    np.testing.assert_allclose(found.weights_at(0, names), [[0, 0, 1]])
    half = (after.weights_at(width, names) + np.array([0, 0, 1])) / 2
    np.testing.assert_allclose(found.weights_at(width / 2, names), half, atol=1e-12)
    beyond = np.linspace(width, 1, 50)
    wanted = after.weights_at(beyond, names)
    np.testing.assert_allclose(found.weights_at(beyond, names), wanted, atol=0.003)


def test_a_ramp_into_a_constant_and_a_step() -> None:
    before, after = mixture_of({"a": 1.0}), constant(mixture_of({"b": 1.0}))
    found = ramp(before, after, 0.2)
    assert [knot.at for knot in found.knots] == [0, 0.2, 1]
    assert found.mean().as_dict() == pytest.approx({"a": 0.1, "b": 0.9})
    assert ramp(before, after, 0) is after
    with pytest.raises(ValueError, match="0 to 1"):
        ramp(before, after, 1.2)
