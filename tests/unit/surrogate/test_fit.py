"""Tests of fitting families out of fold, and of laws of measures and of their sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from made_up_runs import made_up_features
from numpy.typing import NDArray

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.fit import MeasureLaw, combine_measures, fit_measure, fit_runs
from mixopt.surrogate.fitting.folds import folds
from mixopt.surrogate.fitting.members import Table, applies, out_of_fold
from mixopt.surrogate.laws.law import Law, Prediction
from mixopt.surrogate.laws.table import LAWS
from mixopt.surrogate.runs import Runs

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


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
    level: float = 0.0

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> Fixed:  # noqa: ARG002 - the protocol's
        return self

    def predict(self, features: Features) -> Prediction:
        mean = self.level + self.slope * features.doses[:, 0]
        return Prediction(mean=mean, deviation=np.full(len(mean), 0.1))


@dataclass
class Broken:
    """A law that fits nothing."""

    name: str = "broken"

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> Fixed:  # noqa: ARG002 - the protocol's
        message = "no floor was found"
        raise LawError(message)


@dataclass
class Choosy(Fixed):
    """A law for tables of two domains."""

    def applies(self, features: Features) -> bool:
        return len(features.domains) == 2


@dataclass
class Means:
    """A joint law: the mean of each measure over the rows it was fitted to."""

    name: str = "means"
    levels: Vector = field(default_factory=lambda: np.zeros(0))

    def fit(self, features: Features, values: Matrix, noise: Matrix, seed: int) -> Means:  # noqa: ARG002 - the protocol's
        return Means(levels=values.mean(axis=0))

    def predict(self, features: Features) -> tuple[Prediction, ...]:
        ones = np.ones(features.num_rows)
        return tuple(Prediction(mean=level * ones, deviation=ones) for level in self.levels)


def _table(features: Features, costs: Vector) -> Table:
    noise = np.zeros(len(costs))
    return Table(features=features, costs=costs, noise=noise, fold=folds(features, 0), seed=0)


def _runs(features: Features, values: Matrix) -> Runs:
    count = values.shape[1]
    return Runs(
        names=tuple(str(row) for row in range(features.num_rows)),
        features=features,
        measures=tuple(f"m{place}" for place in range(count)),
        directions=("minimize",) * count,
        values=values,
        noise=np.zeros_like(values),
    )


def _noisy(features: Features, count: int, seed: int = 0) -> Matrix:
    """Return measures that rise with the first dose, with noise that they share in part."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((features.num_rows, 1))
    own = rng.standard_normal((features.num_rows, count))
    return features.doses[:, :1] + 0.03 * (shared + own)


@pytest.mark.parametrize(("rows", "number"), [(8, 4), (12, 4), (18, 6), (60, 8), (200, 5)])
def test_no_row_is_judged_by_a_law_that_saw_it(rows: int, number: int) -> None:
    features = made_up_features(0, rows)
    law = Memory()
    out = out_of_fold(law, _table(features, np.full(rows, -1.0)))
    assert (out.mean == -1).all()
    assert len(law.seen) == number
    assert sum(rows - seen for seen in law.seen) == rows


@pytest.mark.parametrize("stages", [1, 2])
def test_runs_that_begin_alike_are_judged_together(stages: int) -> None:
    free = made_up_features(0, 24, stages=stages)
    weights, tokens = free.weights.copy(), free.tokens.copy()
    leaders = np.arange(24) // 3 * 3
    weights[:, 0], tokens[:] = weights[leaders, 0], tokens[leaders]
    fold = folds(replace(free, weights=weights, tokens=tokens), 0)
    assert (fold == fold[leaders]).all()
    assert len(set(fold.tolist())) >= 4


def test_too_few_runs_that_differ_are_refused() -> None:
    features = made_up_features(0, 3).rows(np.arange(12) % 3)
    with pytest.raises(LawError, match="no law can be judged"):
        fit_measure("loss", "minimize", features, np.arange(12.0), np.zeros(12), seed=0)


PLAIN = [name for name, law in LAWS.items() if applies(law, made_up_features(0, 8))]


@pytest.mark.parametrize("name", PLAIN)
def test_a_judged_value_never_moves_its_own_prediction(name: str) -> None:
    features = made_up_features(0, 16)
    values = features.doses[:, 0].copy()
    before = out_of_fold(LAWS[name], _table(features, values)).mean
    values[5] += 10.0
    after = out_of_fold(LAWS[name], _table(features, values)).mean
    assert after[5] == before[5]
    assert not np.allclose(after, before)


def test_families_that_cannot_are_left_out_with_their_reasons() -> None:
    features = made_up_features(0, 20)
    laws: dict[str, Law] = {
        "broken": Broken(),
        "choosy": Choosy("choosy", 1.0),
        "fine": Fixed("fine", 1.0),
    }
    values = features.doses[:, 0]
    found = fit_measure("loss", "minimize", features, values, np.zeros(20), seed=0, laws=laws)
    assert found.law == "fine"
    assert set(found.left_out) == {"broken", "choosy"}
    assert found.left_out["broken"] == "no floor was found"
    only = {"broken": Broken()}
    with pytest.raises(LawError, match="broken: no floor"):
        fit_measure("loss", "minimize", features, values, np.zeros(20), seed=0, laws=only)


def test_the_stack_finds_the_combination_that_is_right() -> None:
    features = made_up_features(0, 200)
    laws = {"low": Fixed("low", 0.9), "high": Fixed("high", 1.1)}
    values = features.doses[:, 0]
    found = fit_measure("loss", "minimize", features, values, np.zeros(200), seed=0, laws=laws)
    assert found.law == "stack"
    assert [row.law for row in found.scores] == ["low", "high", "stack"]
    np.testing.assert_allclose(list(found.weights.values()), 0.5, atol=1e-6)
    np.testing.assert_allclose(found.predict(features).mean, values, atol=1e-6)


def test_a_maximized_measure_mirrors_a_minimized_one() -> None:
    train, test = made_up_features(0, 24), made_up_features(1, 10)
    values, noise = np.exp(-2 * train.doses[:, 0]), np.full(24, 1e-6)
    laws = {name: LAWS[name] for name in ("ridge_log", "gaussian_process", "trees")}
    down = fit_measure("m", "minimize", train, values, noise, seed=0, laws=laws)
    up = fit_measure("m", "maximize", train, -values, noise, seed=0, laws=laws)
    assert up.scores == down.scores
    np.testing.assert_allclose(up.out_of_fold, -down.out_of_fold)
    np.testing.assert_allclose(up.predict(test).mean, -down.predict(test).mean)
    np.testing.assert_allclose(up.interval(test)[0], -down.interval(test)[1])


def test_measures_that_runs_lack_are_fitted_on_the_others() -> None:
    features = made_up_features(0, 30)
    values = _noisy(features, 2)
    values[::5, 1] = np.nan
    found = fit_runs(_runs(features, values), seed=0, laws={"fixed": Fixed("fixed", 1.0)}, joint={})
    assert found["m1"].rows.tolist() == [row for row in range(30) if row % 5]
    assert (found["m1"].values == values[found["m1"].rows, 1]).all()
    shared = np.isin(np.arange(30), found["m1"].rows)
    np.testing.assert_array_equal(found["m1"].fold, found["m0"].fold[shared])


def test_of_many_measures_the_later_ones_are_spared_useless_families() -> None:
    features = made_up_features(0, 16)
    runs = _runs(features, _noisy(features, 20))
    laws = {"fine": Fixed("fine", 1.0), "far": Fixed("far", -9.0)}
    found = fit_runs(runs, seed=0, laws=laws, joint={})
    assert list(found) == list(runs.measures)
    spared = [name for name, law in found.items() if "far" in law.left_out]
    assert len(spared) == 12
    assert found[spared[0]].law == "fine"


def test_the_number_of_workers_changes_nothing() -> None:
    features, test = made_up_features(0, 16), made_up_features(1, 5)
    runs = _runs(features, _noisy(features, 2))
    laws = {name: LAWS[name] for name in ("ridge_log", "trees")}
    one, two = (fit_runs(runs, seed=0, laws=laws, joint={}, workers=w) for w in (1, 2))
    for name in runs.measures:
        assert one[name].scores == two[name].scores
        np.testing.assert_array_equal(one[name].predict(test).mean, two[name].predict(test).mean)


def test_joint_laws_join_the_stacks_of_measures_that_all_runs_have() -> None:
    features = made_up_features(0, 30)
    values = _noisy(features, 3)
    values[0, 2] = np.nan
    laws = {"fixed": Fixed("fixed", 1.0)}
    found = fit_runs(_runs(features, values), seed=0, laws=laws, joint={"means": Means()})
    assert [list(found[name].weights) for name in found] == [["fixed", "means"]] * 2 + [["fixed"]]
    assert found["m0"].weights["means"] < 0.2


def _summed(laws: Sequence[MeasureLaw]) -> MeasureLaw:
    return combine_measures(laws, [2.0, -1.0], measure="sum", direction="maximize")


def test_a_sum_is_predicted_and_judged_as_the_sum() -> None:
    features, test = made_up_features(0, 40), made_up_features(1, 5)
    values = _noisy(features, 2)
    laws = {"fixed": Fixed("fixed", 1.0)}
    each = list(fit_runs(_runs(features, values), seed=0, laws=laws, joint={}).values())
    found = _summed(each)
    parts = [law.predict(test).mean for law in each]
    np.testing.assert_allclose(found.predict(test).mean, 2 * parts[0] - parts[1])
    np.testing.assert_allclose(found.values, values @ [2, -1])
    np.testing.assert_allclose(found.out_of_fold, 2 * each[0].out_of_fold - each[1].out_of_fold)
    misses = found.values - found.out_of_fold
    own = np.mean(found.out_of_fold_deviation**2)
    np.testing.assert_allclose(own, np.mean(misses**2), rtol=1e-6)


def test_a_sum_is_of_the_runs_that_have_all_measures() -> None:
    features = made_up_features(0, 30)
    values = _noisy(features, 2)
    values[:4, 0], values[-4:, 1] = np.nan, np.nan
    laws = {"fixed": Fixed("fixed", 1.0)}
    each = list(fit_runs(_runs(features, values), seed=0, laws=laws, joint={}).values())
    assert _summed(each).rows.tolist() == list(range(4, 26))


def test_a_sum_is_as_sure_where_a_measure_is_maximized_as_where_its_mirror_is_minimized() -> None:
    features, test = made_up_features(0, 40), made_up_features(1, 5)
    values, laws = _noisy(features, 2), {"fixed": Fixed("fixed", 1.0), "low": Fixed("low", 0.8)}
    runs = _runs(features, values)
    mirrored = replace(runs, values=values * [1, -1], directions=("minimize", "maximize"))
    found = []
    for given, second in ((runs, 2.0), (mirrored, -2.0)):
        each = fit_runs(given, seed=0, laws=laws, joint={}).values()
        made = combine_measures([*each], [1.0, second], measure="sum", direction="minimize")
        found.append(made)
    both = [law.fitted.fitted.predict(test).deviation for law in found]  # type: ignore[attr-defined]
    np.testing.assert_allclose(both[0], both[1])
    np.testing.assert_allclose(found[0].interval(test), found[1].interval(test))


def test_a_sum_that_is_the_same_in_all_runs_is_refused() -> None:
    features = made_up_features(0, 20)
    values = np.repeat(_noisy(features, 1), 2, axis=1)
    laws = {"fixed": Fixed("fixed", 1.0)}
    each = list(fit_runs(_runs(features, values), seed=0, laws=laws, joint={}).values())
    with pytest.raises(LawError, match="All 20 values are 0"):
        combine_measures(each, [1.0, -1.0], measure="sum", direction="minimize")


def test_units_do_not_decide_whether_a_measure_moves() -> None:
    features, laws = made_up_features(0, 20), {"ridge_log": LAWS["ridge_log"]}
    values, noise = _noisy(features, 1)[:, 0], np.zeros(20)
    found = [
        fit_measure("m", "minimize", features, unit * values, noise, seed=0, laws=laws)
        for unit in (1.0, 2.0**-60)
    ]
    scaled = found[1].out_of_fold * 2.0**60
    np.testing.assert_allclose(scaled, found[0].out_of_fold, rtol=1e-6)


@pytest.mark.parametrize("rows", [16, 64])
def test_intervals_hold_new_runs(rows: int) -> None:
    held = []
    for seed in range(10):
        train, test = made_up_features(seed, rows), made_up_features(100 + seed, 100)
        laws = {"high": Fixed("high", 1.1), "low": Fixed("low", 0.7, 0.1)}
        values, new = _noisy(train, 1, seed)[:, 0], _noisy(test, 1, 100 + seed)[:, 0]
        law = fit_measure("m", "minimize", train, values, np.zeros(rows), seed=0, laws=laws)
        low, high = law.interval(test)
        held.append(np.mean((low <= new) & (new <= high)))
    assert 0.91 < np.mean(held) < 0.98


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
    values = train.doses[:, 0] + train.doses[:, 1]
    found = fit_measure("loss", "minimize", train, values, np.zeros(10), seed=0, laws=law)
    with pytest.raises(LawError, match="other domains"):
        found.predict(made_up_features(0, 3, domains=5))
