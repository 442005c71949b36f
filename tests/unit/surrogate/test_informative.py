"""Choosing which schedules to train at a larger size."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from made_up_runs import made_up_features

from mixopt.errors import LawError
from mixopt.surrogate.fitting.fit import fit_measure
from mixopt.surrogate.fitting.measure_law import MeasureLaw
from mixopt.surrogate.laws.effective_data import EffectiveData
from mixopt.surrogate.scaling.informative import choose_informative


@cache
def _laws() -> list[MeasureLaw]:
    runs, family = made_up_features(0, 16), {"effective_data": EffectiveData()}
    worths = ([1.0, 2.0, 0.3, 0.6], [2.0, 0.3, 1.0, 0.6])
    columns = [(runs.doses @ np.array(worth)) ** -0.4 for worth in worths]
    return [
        fit_measure(f"m{place}", "minimize", runs, column, np.zeros(16), seed=0, laws=family)
        for place, column in enumerate(columns)
    ]


def test_wanted_and_best_come_first_and_others_spread_among_the_good() -> None:
    laws, candidates = _laws(), made_up_features(1, 200)
    chosen = choose_informative(laws, candidates, 8, seed=0, always=(17,))
    costs = np.array([law.predict(candidates).mean for law in laws])
    scaled = (costs - costs.mean(axis=1, keepdims=True)) / costs.std(axis=1, keepdims=True)
    assert chosen[0] == 17
    assert chosen[1] == scaled.mean(axis=0).argmin()
    assert len(set(chosen.tolist())) == 8
    assert (costs[:, chosen].std(axis=1) > 0.7 * costs.std(axis=1)).all()
    assert scaled[:, chosen].mean() < 0


def test_duplicates_are_not_chosen_twice() -> None:
    few = made_up_features(2, 12)
    doubled = few.joined(few)
    chosen = choose_informative(_laws(), doubled, 6, seed=0)
    assert len({int(row) % 12 for row in chosen}) == 6


def test_too_few_candidates_are_refused() -> None:
    with pytest.raises(LawError, match="5 runs cannot be chosen from 4"):
        choose_informative(_laws(), made_up_features(3, 4), 5, seed=0)
