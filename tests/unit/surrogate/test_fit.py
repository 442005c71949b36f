"""Tests of the choice of a law by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from made_up_runs import made_up_features
from numpy.typing import NDArray

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.fit import fit_measure, out_of_fold
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.laws.mean import Mean
from mixopt.surrogate.laws.table import LAWS

Vector = NDArray[np.float64]


@dataclass
class Memory:
    """A law that knows by heart the rows it was fitted to and says -1 for any other."""

    name: str = "memory"
    seen: list[int] = field(default_factory=list)

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> Recall:  # noqa: ARG002 - the protocol's
        self.seen.append(features.num_rows)
        return Recall(dict(zip(features.doses[:, 0].tolist(), values.tolist(), strict=True)))


@dataclass
class Recall:
    known: dict[float, float]

    def predict(self, features: Features) -> Prediction:
        mean = np.array([self.known.get(dose, -1.0) for dose in features.doses[:, 0].tolist()])
        return Prediction(mean=mean, deviation=np.ones(len(mean)))


@dataclass
class Fixed:
    """A law that says a function of the first dose, whatever it is fitted to."""

    name: str
    slope: float

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> Fixed:  # noqa: ARG002 - the protocol's
        return self

    def predict(self, features: Features) -> Prediction:
        mean = self.slope * features.doses[:, 0]
        return Prediction(mean=mean, deviation=np.zeros(len(mean)))


@pytest.mark.parametrize(("rows", "folds"), [(8, 4), (12, 4), (18, 6), (60, 8)])
def test_no_row_is_judged_by_a_law_that_saw_it(rows: int, folds: int) -> None:
    features = made_up_features(0, rows)
    law = Memory()
    out = out_of_fold({"memory": law}, features, np.ones(rows), np.zeros(rows), 0)
    assert (out["memory"] == -1).all()
    assert len(law.seen) == folds
    assert sum(rows - seen for seen in law.seen) == rows


def test_runs_that_begin_alike_are_judged_together() -> None:
    free = made_up_features(0, 24, stages=2)
    weights, tokens = free.weights.copy(), free.tokens.copy()
    leaders = np.arange(24) // 3 * 3
    weights[:, 0], tokens[:] = weights[leaders, 0], tokens[leaders]
    features = replace(free, weights=weights, tokens=tokens)
    law = Memory()
    out_of_fold({"memory": law}, features, np.ones(24), np.zeros(24), 0)
    judged = [24 - seen for seen in law.seen]
    assert sum(judged) == 24
    assert all(count % 3 == 0 for count in judged)


@pytest.mark.parametrize("name", list(LAWS))
def test_a_judged_value_never_moves_its_own_prediction(name: str) -> None:
    features = made_up_features(0, 16)
    laws = LAWS if name == "mean" else {name: LAWS[name]}
    values = features.doses[:, 0].copy()
    before = out_of_fold(laws, features, values, np.zeros(16), 0)[name]
    values[5] += 10.0
    after = out_of_fold(laws, features, values, np.zeros(16), 0)[name]
    assert after[5] == before[5]
    assert not np.allclose(after, before)


def test_the_least_error_wins_and_ties_go_to_the_first() -> None:
    features = made_up_features(0, 20)
    values, noise = features.doses[:, 0], np.zeros(20)
    slopes = {"far": 3.0, "near": 0.899, "nearer": 0.9, "tied": 0.9}
    laws = {name: Fixed(name, slope) for name, slope in slopes.items()}
    found = fit_measure("loss", "minimize", features, values, noise, seed=0, laws=laws)
    assert found.law == "near"
    assert [score.law for score in found.scores] == list(laws)


def test_mean_is_judged_by_its_members_out_of_fold() -> None:
    features = made_up_features(0, 20)
    members = (Fixed("low", 0.0), Fixed("high", 2.0))
    laws = {law.name: law for law in members} | {"mean": Mean(laws=members)}
    values = features.doses[:, 0]
    found = fit_measure("loss", "minimize", features, values, np.zeros(20), seed=0, laws=laws)
    assert found.law == "mean"
    np.testing.assert_allclose(found.out_of_fold, values)
    np.testing.assert_allclose(found.predict(features).mean, values)


def test_a_maximized_measure_mirrors_a_minimized_one() -> None:
    train, test = made_up_features(0, 24), made_up_features(1, 10)
    values, noise = np.exp(-2 * train.doses[:, 0]), np.full(24, 1e-6)
    down = fit_measure("m", "minimize", train, values, noise, seed=0)
    up = fit_measure("m", "maximize", train, -values, noise, seed=0)
    assert up.scores == down.scores
    np.testing.assert_allclose(up.out_of_fold, -down.out_of_fold)
    np.testing.assert_allclose(up.predict(test).mean, -down.predict(test).mean)
    np.testing.assert_allclose(up.predict(test).deviation, down.predict(test).deviation)


@pytest.mark.parametrize(
    ("rows", "change", "match"),
    [
        (7, {}, "measured in 7 trials"),
        (12, {"values": np.full(12, 0.3)}, "All 12 values are 0.3"),
        (12, {"values": np.array([0.0, 1.0] * 5 + [np.nan, np.inf])}, "2 of 12 .* row 10"),
        (12, {"noise": np.full(12, -1.0)}, "the least is -1"),
        (12, {"noise": np.full(12, np.nan)}, "must be finite"),
    ],
)
def test_runs_that_no_law_fits_are_refused_with_numbers(
    rows: int, change: dict[str, Vector], match: str
) -> None:
    given = {"values": np.arange(float(rows)), "noise": np.zeros(rows)} | change
    with pytest.raises(LawError, match=match):
        fit_measure(
            "loss",
            "minimize",
            made_up_features(0, rows),
            given["values"],
            given["noise"],
            seed=0,
        )


def test_other_domains_are_refused() -> None:
    law = {"fixed": Fixed("fixed", 1.0)}
    train = made_up_features(0, 10)
    values = train.doses[:, 0]
    found = fit_measure("loss", "minimize", train, values, np.zeros(10), seed=0, laws=law)
    with pytest.raises(LawError, match="other domains"):
        found.predict(made_up_features(0, 3, domains=5))
