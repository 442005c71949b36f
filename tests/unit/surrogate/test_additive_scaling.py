"""The additive scaling law: its derivatives, what it recovers, and sizes that do not vary."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import made_up_features

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.additive_scaling import AdditiveScaling, SharesAndSizes
from mixopt.surrogate.laws.law import Vector
from mixopt.surrogate.scores import rank_correlation


def _runs(seed: int, rows: int, sizes: tuple[float, ...]) -> Features:
    rng = np.random.default_rng(seed)
    scale = rng.choice(sizes, rows)
    return replace(
        made_up_features(seed, rows),
        parameters=scale,
        total_tokens=rng.choice([10.0, 20.0, 40.0], rows) * scale,
    )


def _loss(features: Features) -> Vector:
    worth = np.array([1.0, 3.0, 0.5, 2.0]) * features.doses ** np.array([0.3, 0.6, 0.4, 0.5])
    heavy = 1 + features.doses @ np.array([0.4, -0.3, 0.0, 0.2])
    model, tokens = features.parameters**-0.3, features.total_tokens**-0.3
    return np.asarray(1.5 + 1 / worth.sum(axis=1) + 100 * heavy * model + 200 * tokens)


@pytest.mark.parametrize(("joint", "varying"), [(True, (0, 1)), (False, (1,)), (True, ())])
def test_derivatives_match_differences(*, joint: bool, varying: tuple[int, ...]) -> None:
    form = SharesAndSizes(
        num_domains=4, varying=varying, units=tuple(1e7 for _ in varying), joint=joint
    )
    columns = form.columns(_runs(0, 9, (1e6, 1e7)))
    point = form.prior.centre + 0.3 * np.random.default_rng(1).normal(size=len(form.prior.centre))
    slopes = form.value(columns, point)[1]
    for place, step in enumerate(1e-6 * np.eye(len(point))):
        up, down = form.value(columns, point + step)[0], form.value(columns, point - step)[0]
        np.testing.assert_allclose(slopes[:, place], (up - down) / 2e-6, atol=1e-7)


def test_larger_sizes_than_any_run_are_foreseen() -> None:
    runs, target = _runs(1, 90, (1e6, 1e7, 1e8)), _runs(2, 100, (1e9,))
    found = AdditiveScaling().fit(runs, _loss(runs), np.zeros(90), 0).predict(target)
    assert np.abs(found.mean - _loss(target)).mean() < 0.03
    assert rank_correlation(found.mean, _loss(target)) > 0.98


def test_one_size_leaves_a_law_of_the_mixture() -> None:
    law, runs, new = AdditiveScaling(), made_up_features(3, 40), made_up_features(4, 60)
    values = 1 / (np.sqrt(runs.doses) @ np.array([1.0, 3.0, 0.5, 2.0]))
    truth = 1 / (np.sqrt(new.doses) @ np.array([1.0, 3.0, 0.5, 2.0]))
    found = law.fit(runs, values, np.zeros(40), 0).predict(new)
    assert not law.applies(runs)
    assert rank_correlation(found.mean, truth) > 0.99


def test_sizes_known_for_some_runs_only_are_refused() -> None:
    runs = _runs(5, 12, (1e6, 1e7))
    runs.parameters[0] = 0.0
    with pytest.raises(LawError, match="parameters of some runs"):
        AdditiveScaling().fit(runs, np.arange(12.0), np.zeros(12), 0)
