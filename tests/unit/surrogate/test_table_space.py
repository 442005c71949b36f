"""Spaces built from tables: priors, caps, bounds, and laws that read their schedules."""

from __future__ import annotations

import numpy as np
import pytest

from mixopt.errors import LawError
from mixopt.surrogate.features import Features, mixture_features, schedule_features
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.tables.space import AsInTable, Demands, as_in_table, table_space

DOMAINS = ("dclm:adult", "Wikipedia (en)", "code")


def runs(rows: int = 12) -> Features:
    weights = np.random.default_rng(0).dirichlet(np.ones(3), rows)
    return mixture_features(DOMAINS, weights)


def test_without_a_supply_the_natural_mixture_is_the_mean_of_the_runs() -> None:
    features = runs()
    space = table_space(features, Demands())
    natural = space.resolve(space.baseline("natural")).stages[0].curve.mean()
    np.testing.assert_allclose(natural.on(DOMAINS), features.doses.mean(axis=0), atol=1e-6)


def test_supply_and_tokens_cap_epochs() -> None:
    supply = dict(zip(DOMAINS, (10**9, 4 * 10**9, 10**12), strict=True))
    demands = Demands(supply=supply, tokens=10**10, max_epochs=2.0, ceilings={"code": 0.9})
    space = table_space(runs(), demands)
    uniform = space.resolve(space.baseline("uniform")).stages[0].curve.mean()
    assert uniform.share("dclm:adult") == pytest.approx(0.2, abs=1e-6)
    assert uniform.share("code") <= 0.9


def test_weights_that_no_run_moved_stay() -> None:
    weights = np.random.default_rng(1).dirichlet(np.ones(2), 9) * 0.75
    features = mixture_features(DOMAINS, np.column_stack([weights, np.full(9, 0.25)]))
    space = table_space(features, Demands())
    for name in ("natural", "uniform"):
        found = space.resolve(space.baseline(name)).stages[0].curve.mean()
        assert found.share("code") == pytest.approx(0.25, abs=1e-5)


def test_demands_that_contradict_each_other_are_an_error_with_words() -> None:
    demands = (
        (Demands(floors={"code": 0.7, "dclm:adult": 0.6}), "sum to at most 1, found 1.3"),
        (Demands(ceilings=dict.fromkeys(DOMAINS, 0.2)), "at most 0.6 of 1"),
        (Demands(lattice=0.7), "lattice: expected less than or equal to 0.5"),
    )
    for demand, message in demands:
        with pytest.raises(LawError) as caught:
            table_space(runs(), demand)
        assert message in str(caught.value)


def test_stages_keep_their_names_and_shares() -> None:
    weights = np.random.default_rng(2).dirichlet(np.ones(3), (10, 2))
    features = Features(
        domains=DOMAINS,
        stages=("phase_0", "phase_1"),
        weights=weights,
        tokens=np.tile([0.8, 0.2], (10, 1)),
    )
    schedule = table_space(features, Demands()).resolve(
        table_space(features, Demands()).baseline("natural")
    )
    assert [stage.name for stage in schedule.stages] == ["phase_0", "phase_1"]
    tokens = np.array([stage.tokens for stage in schedule.stages], float)
    np.testing.assert_allclose(tokens / tokens.sum(), [0.8, 0.2])


class Passing:
    """A law that answers with the passes it is told of."""

    def predict(self, features: Features) -> Prediction:
        total = np.full(features.num_rows, features.passes.sum() + features.total_tokens[0])
        return Prediction(mean=total, deviation=total)


def test_a_law_of_a_table_is_told_nothing_of_the_target() -> None:
    space = table_space(runs(), Demands())
    schedule = space.resolve(space.baseline("natural"))
    supply = space.inventory.supply(DOMAINS)
    features = schedule_features([schedule], DOMAINS, supply=supply)
    assert features.passes.sum() > 0
    assert AsInTable(fitted=Passing(), runs=runs()).predict(features).mean[0] == 0
    assert as_in_table(features, runs()).groups == ()
