"""Tests of what a law sees of a schedule."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_up_runs import made_up_features, made_up_space

from mixopt.errors import LawError
from mixopt.surrogate.features import schedule_features


def test_doses_are_stage_weights_times_token_shares() -> None:
    features = made_up_features(0, 5, domains=3, stages=2)
    first = features.tokens[:, :1] * features.weights[:, 0]
    second = features.tokens[:, 1:] * features.weights[:, 1]
    np.testing.assert_allclose(features.doses, first + second)
    np.testing.assert_allclose(features.doses.sum(axis=1), 1)


def test_features_of_a_schedule_follow_the_order_of_the_domains() -> None:
    space = made_up_space([100_000, 300_000, 600_000], stages=2)
    schedule = space.resolve(space.baseline("natural"))
    features = schedule_features([schedule, schedule], ("d2", "d0", "d1"))
    np.testing.assert_allclose(features.weights[1, 0], [0.6, 0.1, 0.3], atol=0.01)
    np.testing.assert_allclose(features.tokens, [[0.7, 0.3]] * 2)
    assert features.stages == ("stage-0", "stage-1")


def test_mean_over_a_stage_equals_the_dose_of_the_schedule() -> None:
    space = made_up_space([100_000, 300_000, 600_000], stages=2)
    point = {found.name: 0.3 for found in space.coordinates()} | {"stage-0.share": 0.6}
    schedule = space.resolve(point)
    domains = space.inventory.names()
    features = schedule_features([schedule], domains)
    np.testing.assert_allclose(features.doses[0], schedule.mean_mixture().on(domains))


def test_unknown_domain_is_named() -> None:
    space = made_up_space([100_000, 300_000, 600_000])
    schedule = space.resolve(space.baseline("natural"))
    with pytest.raises(LawError, match="Unknown: d2"):
        schedule_features([schedule], ("d0", "d1"))


def test_schedules_of_different_recipes_are_refused() -> None:
    one, two = (made_up_space([100_000, 900_000], stages=stages) for stages in (1, 2))
    schedules = [space.resolve(space.baseline("natural")) for space in (one, two)]
    with pytest.raises(LawError, match="other lm stages"):
        schedule_features(schedules, ("d0", "d1"))


def test_no_schedule_is_refused() -> None:
    with pytest.raises(LawError, match="no schedule"):
        schedule_features([], ("d0",))


def test_rows_keep_their_order() -> None:
    features = made_up_features(0, 5, stages=2)
    some = features.rows(np.array([3, 1]))
    np.testing.assert_array_equal(some.weights, features.weights[[3, 1]])
    np.testing.assert_array_equal(some.tokens, features.tokens[[3, 1]])


def test_shapes_that_disagree_are_refused() -> None:
    features = made_up_features(0, 5)
    with pytest.raises(ValueError, match="weights"):
        dataclasses.replace(features, tokens=features.tokens[:4])
