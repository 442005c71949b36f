"""What holds for every law in the table."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.table import LAWS
from mixopt.surrogate.scores import rank_correlation

each_law = pytest.mark.parametrize("name", list(LAWS))


def _features(name: str, seed: int, rows: int, stages: int) -> Features:
    """Return schedules over five domains, or two for the law that is of two."""
    count = 2 if name == "domain_continual" else 5
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(count), (rows, stages))
    tokens = rng.dirichlet(np.full(stages, 4.0), rows) if stages > 1 else np.ones((rows, 1))
    names = tuple(f"stage-{number}" for number in range(stages))
    return Features(domains=tuple("abcde"[:count]), stages=names, weights=weights, tokens=tokens)


def _costs(features: Features) -> NDArray[np.float64]:
    return np.asarray(np.exp(-2 * features.doses[:, 0]) + features.doses[:, 1] / 2)


@each_law
@pytest.mark.parametrize("stages", [1, 3])
def test_ranks_unseen_schedules(name: str, stages: int) -> None:
    train, test = _features(name, 0, 40, stages), _features(name, 1, 100, stages)
    found = LAWS[name].fit(train, _costs(train), np.zeros(40), 0).predict(test)
    assert found.mean.shape == found.deviation.shape == (100,)
    assert rank_correlation(found.mean, _costs(test)) > 0.85
    assert (found.deviation >= 0).all()


@each_law
def test_same_seed_same_law(name: str) -> None:
    train, test = _features(name, 0, 20, 2), _features(name, 1, 10, 2)
    first, again = (
        LAWS[name].fit(train, _costs(train), np.zeros(20), 5).predict(test) for _ in range(2)
    )
    np.testing.assert_array_equal(first.mean, again.mean)
    np.testing.assert_array_equal(first.deviation, again.deviation)


@each_law
def test_rows_are_predicted_one_by_one(name: str) -> None:
    train, test = _features(name, 0, 20, 2), _features(name, 1, 10, 2)
    fitted = LAWS[name].fit(train, _costs(train), np.zeros(20), 0)
    whole, part = fitted.predict(test), fitted.predict(test.rows(np.array([7, 2])))
    np.testing.assert_allclose(part.mean, whole.mean[[7, 2]])
    np.testing.assert_allclose(part.deviation, whole.deviation[[7, 2]])


@each_law
def test_units_do_not_matter(name: str) -> None:
    train, test = _features(name, 0, 20, 1), _features(name, 1, 10, 1)
    noise = np.full(20, 1e-4)
    plain = LAWS[name].fit(train, _costs(train), noise, 0).predict(test)
    scaled = LAWS[name].fit(train, 64 * _costs(train), 64**2 * noise, 0).predict(test)
    np.testing.assert_allclose(scaled.mean, 64 * plain.mean, rtol=1e-6)
    np.testing.assert_allclose(scaled.deviation, 64 * plain.deviation, rtol=1e-6)


@each_law
def test_equal_values_and_repeated_rows_are_no_fault(name: str) -> None:
    train = _features(name, 0, 6, 2)
    twice = train.rows(np.array([0, 0, 1, 1, 2, 3, 4, 5]))
    found = LAWS[name].fit(twice, np.full(8, 0.7), np.zeros(8), 0).predict(train)
    np.testing.assert_allclose(found.mean, 0.7, atol=1e-3)
    assert np.isfinite(found.deviation).all()


@each_law
def test_a_domain_that_never_varies_is_no_fault(name: str) -> None:
    features = _features(name, 0, 20, 1)
    weights = features.weights.copy()
    weights[:, :, -1] = 0
    weights /= weights.sum(axis=2, keepdims=True)
    train = Features(
        domains=features.domains, stages=features.stages, weights=weights, tokens=features.tokens
    )
    found = LAWS[name].fit(train, _costs(train), np.zeros(20), 0).predict(features)
    assert np.isfinite(found.mean).all()
    assert np.isfinite(found.deviation).all()
