from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_engine import TASKS, search
from tiny import make_setup

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.study.ledger import TrialRecord
from mixopt.study.results import column, features_of, schedule_of


def _record(number: int, *values: float) -> TrialRecord:
    return TrialRecord(
        trial=f"search-{number:04d}",
        phase="search",
        label="design",
        number=number,
        schedule_digest="",
        recipe="",
        point="{}",
        seeds=tuple(range(len(values))),
        measures={TASKS: values} if values else {},
        cpu_seconds=0.0,
        tokens=0,
    )


def test_a_column_has_means_and_their_variances() -> None:
    records = [_record(0, 1.0, 3.0), _record(1, 5.0, 6.0), _record(2), _record(3, 4.0)]
    found = column(TASKS, records)
    assert [record.number for record in found.records] == [0, 1, 3]
    np.testing.assert_allclose(found.values, [2.0, 5.5, 4.0])
    pooled = (2.0 + 0.5) / 2
    np.testing.assert_allclose(found.noise, [pooled / 2, pooled / 2, pooled])
    assert found.signal.seed == pytest.approx(np.sqrt(pooled))


def test_without_replicates_the_noise_is_not_known() -> None:
    np.testing.assert_array_equal(column(TASKS, [_record(0, 1.0), _record(1, 2.0)]).noise, [0, 0])


def test_a_measure_that_nothing_has_names_those_there_are() -> None:
    with pytest.raises(StudyError, match="sft/margin/men") as caught:
        column("sft/margin/men", [_record(0, 1.0)])
    assert TASKS in caught.value.why


def test_schedules_come_back_from_the_ledger(tiny_store: TokenStore, quick_path: Path) -> None:
    setup = make_setup(tiny_store, quick_path, trials=4)
    search(setup)
    records = setup.ledger.records()
    found = features_of(records, setup.space)
    for row, record in enumerate(records):
        schedule = schedule_of(record, setup.space)
        dose = schedule.mean_mixture("lm").on(found.domains)
        np.testing.assert_allclose(found.doses[row], dose, atol=1e-9)
        early = schedule.stages[0].tokens / schedule.tokens_of("lm")
        assert found.tokens[row, 0] == pytest.approx(early)
