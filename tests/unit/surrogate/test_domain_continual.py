"""The law of one domain beside general text: its derivatives, and what it recovers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import made_up_features

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.domain_continual import DomainContinual, ShareAndSizes
from mixopt.surrogate.laws.law import Vector


def _runs(seed: int, rows: int, sizes: tuple[float, ...]) -> Features:
    rng = np.random.default_rng(seed)
    return replace(
        made_up_features(seed, rows, domains=2),
        parameters=rng.choice(sizes, rows),
        total_tokens=rng.choice([1e8, 1e9, 1e10], rows),
    )


def _loss(features: Features) -> Vector:
    share = features.doses[:, 1]
    model, tokens = features.parameters**-0.3, features.total_tokens**-0.25
    last = 0.3 / (share + 0.05) ** 0.5
    return np.asarray(1 + 200 * model + 80 * share**0.3 * tokens + last)


def test_derivatives_match_differences() -> None:
    form = ShareAndSizes(domain=1, units=(1e7, 1e9))
    columns = form.columns(_runs(0, 9, (1e6, 1e7)))
    point = form.prior.centre + 0.3 * np.random.default_rng(1).normal(size=9)
    slopes = form.value(columns, point)[1]
    for place, step in enumerate(1e-6 * np.eye(9)):
        up, down = form.value(columns, point + step)[0], form.value(columns, point - step)[0]
        np.testing.assert_allclose(slopes[:, place], (up - down) / 2e-6, atol=1e-7)


def test_curve_over_the_share_is_recovered_at_a_larger_size() -> None:
    runs, target = _runs(1, 60, (1e6, 1e7, 1e8)), _runs(2, 100, (1e9,))
    fitted = DomainContinual().fit(runs, _loss(runs), np.zeros(60), 0)
    np.testing.assert_allclose(fitted.predict(target).mean, _loss(target), atol=0.05)


def test_general_text_is_told_by_its_own_share() -> None:
    runs, new = made_up_features(3, 30, domains=2), made_up_features(4, 30, domains=2)
    truth = [(rows.doses[:, 0] + 0.1) ** -0.5 for rows in (runs, new)]
    found = DomainContinual().fit(runs, truth[0], np.zeros(30), 0).predict(new)
    np.testing.assert_allclose(found.mean, truth[1], atol=0.03)


def test_three_domains_are_refused() -> None:
    runs = made_up_features(5, 9, domains=3)
    assert not DomainContinual().applies(runs)
    with pytest.raises(LawError, match="given 3"):
        DomainContinual().fit(runs, np.arange(9.0), np.zeros(9), 0)
