"""What training decided comes back from the ledger, of one seed or as a mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_engine import drills_are_good, made_up
from tiny import schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.schedule.gate import Gate
from mixopt.schedule.schedule import Online, Schedule
from mixopt.study.decisions import decisions_of, gates_opened
from mixopt.study.ledger import FigureRecord, Ledger
from mixopt.study.trial import search_trial
from mixopt.training.tree import Member

_SEEDS = (3, 4, 5)


@pytest.fixture
def schedule(tiny_store: TokenStore) -> Schedule:
    found = schedule_at(tiny_store)
    late = replace(
        found.stages[1],
        gate=Gate(measure="bits_per_byte/prose", below=3.0),
        online=Online(policy="odm", updates=4),
    )
    return replace(found, stages=(found.stages[0], late, found.stages[2]))


@pytest.fixture
def ledger(schedule: Schedule, quick_path: Path) -> Ledger:
    plain = replace(schedule.stages[1], gate=None, online=None)
    trial = search_trial(0, "design", replace(schedule, stages=(schedule.stages[0], plain)), {})
    found = Ledger(quick_path)
    found.create({})
    found.add_trials([trial])
    members = [Member(trial=trial.name, seed=seed, schedule=schedule) for seed in _SEEDS]
    found.add_results([made_up(member, drills_are_good) for member in members])
    return found


def test_the_mean_over_seeds_is_the_default(ledger: Ledger, schedule: Schedule) -> None:
    record = ledger.records()[0]
    mean = decisions_of(ledger, record, schedule)
    each = [decisions_of(ledger, record, schedule, seed) for seed in _SEEDS]
    assert mean.opened["late"] == pytest.approx(np.mean([one.opened["late"] for one in each]))
    assert len({one.opened["late"] for one in each}) == 3
    last = [one.choices["late"][-1].mixture.share("prose") for one in each]
    assert mean.choices["late"][-1].mixture.share("prose") == pytest.approx(np.mean(last))
    assert [choice.since for choice in mean.choices["late"]] == [0, 0.25, 0.5, 0.75]


def test_an_unknown_seed_is_named_with_those_there_are(ledger: Ledger, schedule: Schedule) -> None:
    with pytest.raises(StudyError, match="no seed 9") as caught:
        decisions_of(ledger, ledger.records()[0], schedule, 9)
    assert "3, 4, 5" in caught.value.why


def test_a_gate_is_found_by_the_stage_before_it(schedule: Schedule) -> None:
    noted = [
        FigureRecord(trial="t", seed=0, stage="early", name="opened_at", value=0.4),
        FigureRecord(trial="t", seed=1, stage="early", name="opened_at", value=0.6),
        FigureRecord(trial="t", seed=0, stage="early", name="last_value", value=9.0),
        FigureRecord(trial="t", seed=0, stage="late", name="opened_at", value=0.9),
    ]
    assert gates_opened(noted, schedule) == {"late": pytest.approx(0.5)}
    assert gates_opened([], schedule) == {}
