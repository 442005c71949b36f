"""Tests of guardrails against the probabilities of known normal errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from made_up_runs import made_up_features, made_up_space
from numpy.typing import NDArray
from scipy.stats import norm
from test_propose import SUPPLY, Bowl, _law

from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.calibrate import Calibration
from mixopt.surrogate.fitting.measure_law import MeasureLaw
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.proposing.exploration import Restraint
from mixopt.surrogate.proposing.guard import LARGEST_RISK, Guards, lead
from mixopt.surrogate.proposing.propose import propose

Vector = NDArray[np.float64]


@dataclass
class Line:
    """Cost: share of one domain, with errors that go together by the square of the distance."""

    domain: int
    deviation: float

    def predict(self, features: Features) -> Prediction:
        mean = features.doses[:, self.domain]
        return Prediction(mean=mean, deviation=np.full(len(mean), self.deviation))

    def correlation(self, left: Features, right: Features) -> Vector:
        squares = np.sum((left.doses[:, None] - right.doses[None]) ** 2, axis=2)
        return np.asarray(np.exp(-squares))


def guard(domain: int, deviation: float, noise: float = 0.0) -> MeasureLaw:
    empty = np.empty(0)
    known = Calibration(typical=1.0, share=0.0, doubt=0.0, noise=noise**2, misses=empty)
    law = replace(_law(Bowl(np.zeros(4))), fitted=Line(domain, deviation), measure=f"d{domain}")
    return replace(law, calibration=known)


def test_the_deviation_of_a_lead_counts_what_errors_have_in_common() -> None:
    features, law = made_up_features(0, 300), guard(1, 0.2)
    anchor = features.rows(np.array([7]))
    found = lead(law, features, anchor)
    squares = np.sum((features.doses - anchor.doses) ** 2, axis=1)
    np.testing.assert_allclose(found.gain, anchor.doses[0, 1] - features.doses[:, 1])
    np.testing.assert_allclose(found.deviation, 0.2 * np.sqrt(2 - 2 * np.exp(-squares)), atol=1e-7)
    assert found.probability[7] == 0.5


def test_risk_is_the_probability_of_being_worse_by_more_than_the_noise() -> None:
    features, law = made_up_features(1, 40), guard(2, 0.1, noise=0.03)
    guards = Guards(laws=(law,), natural=features.rows(np.array([0])))
    ahead, risks = lead(law, features, guards.natural), guards.risks(features)[0]
    expected = norm.cdf((-0.03 - ahead.gain[1:]) / ahead.deviation[1:])
    np.testing.assert_allclose(risks[1:], expected)
    assert risks[0] == 0.0
    np.testing.assert_array_equal(guards.violations(features) > 1e-12, risks > LARGEST_RISK + 1e-12)


def test_a_proposal_keeps_a_doubtful_guard_where_it_can() -> None:
    space, law = made_up_space(SUPPLY), _law(Bowl(np.array([0.1, 0.25, 0.55, 0.1])))
    known, held, doubtful = (
        propose(law, space, restraint=Restraint(penalty=0.0, guards=each), seed=0, candidates=512)
        for each in ((), (guard(1, 0.0),), (guard(1, 0.3),))
    )
    assert not known.guard_risk
    assert held.guard_risk == {"d1": 0.0}
    assert 0 < doubtful.guard_risk["d1"] <= LARGEST_RISK
    assert held.mean < doubtful.mean
    assert known.better == 1.0


def test_guards_that_contradict_each_other_are_broken_as_little_as_can_be() -> None:
    space, law = made_up_space(SUPPLY), _law(Bowl(np.array([0.9, 0.1, 0.0, 0.0])))
    pair = tuple(guard(domain, 0.5) for domain in (0, 1, 2, 3))  # one share falls, another rises
    found = propose(
        law, space, restraint=Restraint(penalty=0.0, guards=pair), seed=0, candidates=256
    )
    natural = np.array(SUPPLY) / sum(SUPPLY)
    dose = found.schedule.dose("lm")
    np.testing.assert_allclose([dose[f"d{j}"] / 1e6 for j in range(4)], natural, atol=0.01)
    assert max(found.guard_risk.values()) <= 0.6
