from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from fake_engine import TASKS, TEXT, FakeEngine, Killed, drills_are_good, search
from optuna.trial import TrialState
from scipy.stats import norm, spearmanr
from tiny import make_setup, schedule_at, study_recipe

from mixopt import seeds
from mixopt.corpus.store import TokenStore
from mixopt.errors import RecipeError
from mixopt.evaluation.measure import Measure
from mixopt.recipes import decode
from mixopt.schedule.schedule import Schedule
from mixopt.study.engines.local import InlineEngine
from mixopt.study.ledger import TrialRecord
from mixopt.study.pruning import StopRule, cross_validated, find_rule, is_spared, lower_bound
from mixopt.study.recipe import StudyRecipe, StudySettings
from mixopt.study.setup import StudySetup
from mixopt.study.trial import Trial, search_trial

_STOPPING = {"after": "late", "keep": 0.4, "least_correlation": 0.5}
_SETTINGS = {"trials": 32, "batch": 8, "design": 32, "seeds": 1, "stopping": _STOPPING}


def _early_tells(schedule: Schedule) -> float:
    """Return a worth that text after the second stage shows, whatever the first stage's size."""
    return 20 * drills_are_good(schedule)


@pytest.fixture(scope="module")
def studied(tiny_store: TokenStore, quick_folders: Callable[[], Path]) -> StudySetup:
    setup = make_setup(tiny_store, quick_folders(), **_SETTINGS)
    search(setup, FakeEngine(_early_tells))
    return setup


def _settings(**stopping: object) -> StudySettings:
    return study_recipe(**_SETTINGS | {"stopping": _STOPPING | stopping}).study


def test_the_worse_part_of_later_batches_is_stopped(studied: StudySetup) -> None:
    records = studied.ledger.records("search")
    stopped = [record for record in records if record.stopped]
    assert len(stopped) > 5
    assert min(record.number for record in stopped) >= 16
    assert all(set(record.measures) == {TEXT} for record in stopped)
    for gone in stopped:
        same = [each for each in records if each.number // 8 == gone.number // 8]
        key = studied.key("stopping")
        on = [r for r in same if not r.stopped and not is_spared(r.number, key)]
        assert all(each.measures[TEXT] < gone.measures[TEXT] for each in on)


def test_optuna_is_told_that_they_were_pruned(studied: StudySetup) -> None:
    told = optuna.load_study(study_name="tiny", storage=studied.storage).trials
    stopped = {record.number for record in studied.ledger.records("search") if record.stopped}
    assert {each.number for each in told if each.state is TrialState.PRUNED} == stopped


def test_a_study_that_stops_trials_goes_on_as_if_it_had_not_been_killed(
    tiny_store: TokenStore, quick_path: Path, studied: StudySetup
) -> None:
    setup = make_setup(tiny_store, quick_path, **_SETTINGS)
    with pytest.raises(Killed):
        search(setup, FakeEngine(_early_tells, lanes=7))
    search(setup, FakeEngine(_early_tells))
    assert setup.ledger.records() == studied.ledger.records()


def _records(correlation: float, count: int = 40, number: int = 0) -> list[TrialRecord]:
    rng = seeds.generator(0, "records", number)
    early = rng.standard_normal(count)
    end = correlation * early + np.sqrt(1 - correlation**2) * rng.standard_normal(count)
    noise = rng.standard_normal(count)
    return [
        TrialRecord(
            trial=f"search-{n:04d}",
            phase="search",
            label="design",
            number=n,
            schedule_digest="",
            recipe="",
            point="{}",
            seeds=(0,),
            measures={
                TEXT: (early[n],),
                "late/bits_per_byte/prose": (noise[n],),
                TASKS: (-end[n],),
            },
            cpu_seconds=0.0,
            tokens=0,
        )
        for n in range(count)
    ]


def _batch(store: TokenStore) -> list[Trial]:
    return [search_trial(n, "design", schedule_at(store), {}) for n in range(40, 72)]


@pytest.mark.parametrize(
    ("correlation", "count", "ruled"), [(0.95, 40, True), (0.6, 40, False), (0.95, 8, False)]
)
def test_a_rule_needs_a_sure_correlation(
    tiny_store: TokenStore, correlation: float, count: int, *, ruled: bool
) -> None:
    settings = _settings(least_correlation=0.7)
    found = find_rule(settings, _records(correlation, count), _batch(tiny_store), 3)
    assert (found is not None) == ruled
    if found is not None:
        assert found.measure == TEXT
        assert 0.7 < found.correlation < correlation
        values = [record.measures[TEXT][0] for record in _records(correlation, count)]
        assert np.mean(np.array(values) <= found.limit) == pytest.approx(0.4, abs=0.03)


def test_one_in_eight_is_spared_whatever_it_shows(tiny_store: TokenStore) -> None:
    rule = find_rule(_settings(), _records(0.95), _batch(tiny_store), 3)
    assert rule is not None
    bad = Measure(stage="late", name="bits_per_byte", subject="mean", value=1e9, standard_error=0)
    stopped = [rule(trial.name, 0, [bad]) for trial in _batch(tiny_store)]
    assert stopped == [not is_spared(trial.number, 3) for trial in _batch(tiny_store)]
    assert not rule("search-0041", 0, [])
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert 700 < sum(not is_spared(number, 3) for number in range(1000)) < 950


def test_trials_that_a_rule_selected_do_not_teach_it(tiny_store: TokenStore) -> None:
    free, rest = _records(0.95)[:16], _records(0.0, 40, 1)[16:]
    gone = [
        replace(each, stopped=(0,), measures={TEXT: each.measures[TEXT]})
        if not is_spared(each.number, 3) and each.number % 2
        else each
        for each in rest
    ]
    selected = [each for each in gone if is_spared(each.number, 3) is False]
    assert find_rule(_settings(), [*free, *selected], _batch(tiny_store), 3) is not None


def test_choosing_the_measure_is_not_mistaken_for_knowing() -> None:
    rng = seeds.generator(1, "noise")
    table, costs = rng.standard_normal((24, 60)), rng.standard_normal(24)
    best = max(abs(spearmanr(column, costs).statistic) for column in table.T)
    assert best > 0.45
    assert cross_validated(table, costs, 0) < 0.3
    table[:, 7] = costs + 0.1 * rng.standard_normal(24)
    assert cross_validated(table, costs, 0) > 0.9


def test_the_bound_covers_as_often_as_it_says() -> None:
    rng, truth, missed = seeds.generator(0, "bound"), 0.8, 0
    spearman = 6 / np.pi * np.arcsin(truth / 2)  # of a normal pair
    for _ in range(600):
        left, noise = rng.standard_normal((2, 30))
        right = truth * left + np.sqrt(1 - truth**2) * noise
        missed += lower_bound(float(spearmanr(left, right).statistic), 30) > spearman
    assert missed / 600 == pytest.approx(norm.sf(1.645), abs=0.03)


def test_a_stage_to_stop_after_comes_before_the_objective() -> None:
    table = study_recipe().model_dump(mode="json", exclude_unset=True)
    table["study"]["stopping"] = {"after": "sft"}
    with pytest.raises(RecipeError, match="a stage before the objective's: early, late"):
        decode.validate(table, StudyRecipe, file="x.toml")


def test_a_stopped_proxy_is_really_not_trained_on(tiny_store: TokenStore, quick_path: Path) -> None:
    setup = make_setup(tiny_store, quick_path, trials=2, batch=2, seeds=1)
    trials = [search_trial(n, "design", schedule_at(tiny_store, 0.4 + n / 5), {}) for n in range(2)]
    setup.ledger.create(setup.identity())
    setup.ledger.add_trials(trials)
    rule = StopRule(measure=TEXT, limit=0.0, spared=frozenset({trials[1].name}), correlation=0.9)
    steps: list[int] = []
    with InlineEngine() as engine:
        engine.run(setup.jobs(trials, 1, rule), setup.ledger.add_results, steps.append)
    gone, whole = setup.ledger.records("search")
    assert (gone.stopped, whole.stopped) == ((0,), ())
    assert gone.trained_tokens < whole.trained_tokens == whole.tokens
    assert sum(steps) == 2 * setup.steps_per_member()
