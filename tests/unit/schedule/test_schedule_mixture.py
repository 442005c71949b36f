import numpy as np
import pytest

from mixopt.schedule.mixture import Mixture, mixture_of, natural, rounded, uniform, unimax


@pytest.mark.parametrize(
    ("domains", "weights"),
    [(("a",), (0.5, 0.5)), (("a", "a"), (0.5, 0.5)), (("a", "b"), (-0.1, 1.1)), (("a",), (0.9,))],
)
def test_what_is_no_mixture_is_refused(
    domains: tuple[str, ...], weights: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="weights"):
        Mixture(domains=domains, weights=weights)


def test_weights_are_found_by_name() -> None:
    mixture = mixture_of({"a": 3, "b": 1, "c": 0})
    assert (mixture.share("a"), mixture.share("c"), mixture.share("z")) == (0.75, 0, 0)
    assert mixture.on(("z", "b", "a")).tolist() == [0, 0.25, 0.75]
    assert mixture.as_dict() == {"a": 0.75, "b": 0.25}


def test_rounding_keeps_the_weights_and_the_sum() -> None:
    rng = np.random.default_rng(0)
    names = tuple("abcdefg")
    for _ in range(300):
        given = mixture_of(dict(zip(names, rng.dirichlet(np.full(7, 0.2)).tolist(), strict=True)))
        found = rounded(given)
        assert abs(sum(found.weights) - 1) < 1e-11
        np.testing.assert_allclose(found.on(names), given.on(names), rtol=3e-7, atol=1e-12)
        assert mixture_of(found.as_dict()) == found


def test_natural_and_uniform_by_hand() -> None:
    supply = {"a": 600, "b": 300, "c": 100}
    assert natural(supply, 1, 1).weights == (0.6, 0.3, 0.1)
    assert uniform(supply, 1, 1).weights == pytest.approx((1 / 3, 1 / 3, 1 / 3))


@pytest.mark.parametrize(
    ("max_epochs", "expected"),
    # 900 tokens over supplies 600, 50, 200: the smallest is full first, then the next.
    [(1, (600, 50, 200)), (2, (400, 100, 400)), (4, (350, 200, 350)), (6, (300, 300, 300))],
)
def test_unimax_by_hand(max_epochs: int, expected: tuple[int, ...]) -> None:
    mixture = unimax({"a": 600, "b": 50, "c": 200}, 900, max_epochs)
    assert mixture.domains == ("a", "b", "c")
    np.testing.assert_allclose(mixture.weights, np.array(expected) / sum(expected))
