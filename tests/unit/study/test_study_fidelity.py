from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_engine import TASKS, FakeEngine, Killed, drills_are_good
from test_study_rung import rung
from tiny import PROXY, make_setup

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.proxy.config import ProxyRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.study import fidelity, results
from mixopt.study.agreement import rung_summaries
from mixopt.study.fidelity import OPTIMUM, remaining_steps, run_rungs
from mixopt.study.past import PastStudy
from mixopt.study.recipe import RungRecipe
from mixopt.study.results import law_of
from mixopt.study.rung import Rung
from mixopt.study.scouts import families_of, scout_laws
from mixopt.study.search import run_search
from mixopt.study.setup import StudySetup
from mixopt.surrogate.features import point_features
from mixopt.surrogate.fitting.fit import MeasureLaw, fit_measure
from mixopt.surrogate.laws.law import Law
from mixopt.surrogate.laws.table import LAWS

_SCOUT = rung("scout", trials=12)
_LARGER = replace(rung("scale", proxy=PROXY.model_copy(update={"name": "larger"})), trials=4)


def _setup(store: TokenStore, folder: Path, *rungs: Rung, **settings: object) -> StudySetup:
    recipes = {
        phase: [RungRecipe(proxy=r.name, trials=r.trials) for r in rungs if r.phase == phase]
        for phase in ("scout", "scale")
    }
    shown = {"trials": 12, "batch": 6, "design": 12, "seeds": 1} | settings
    setup = make_setup(store, folder, **shown, **recipes)
    setup = replace(setup, rungs=rungs)
    setup.ledger.create(setup.identity())
    fidelity.check(setup)
    return setup


def _larger_is_steeper(schedule: Schedule) -> float:
    return 3 * drills_are_good(schedule) + 1


def _ignore(_steps: int) -> None:
    pass


def _middle(law: MeasureLaw, space: Space, **_rest: object) -> SimpleNamespace:
    """Stand for the proposer: the best of two points."""
    points = [{f.name: f.outward(where) for f in space.coordinates()} for where in (0.2, 0.6)]
    schedules = [space.resolve(point) for point in points]
    features = point_features(space, schedules, points, law.domains)
    best = int(np.argmin(law.sign * law.predict(features).mean))
    return SimpleNamespace(schedule=schedules[best], point=points[best])


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Leave most families out of every stack, and propose at once; both are tested elsewhere."""
    whole = fit_measure

    def fit(*args: Any, laws: Mapping[str, Law], **kwargs: Any) -> MeasureLaw:  # noqa: ANN401 - passed on
        quick = {name: law for name, law in laws.items() if name in ("gaussian_process", "smaller")}
        return whole(*args, laws=quick, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "fit_measure", fit)
        patch.setattr(fidelity, "propose", _middle)
        yield


@pytest.fixture(scope="module")
def studied(tiny_store: TokenStore, quick_folders: Callable[[], Path], _quick: None) -> StudySetup:
    setup = _setup(tiny_store, quick_folders(), _SCOUT, _LARGER)
    run_rungs(setup, "scout", FakeEngine(), _ignore)
    run_search(setup, FakeEngine(), _ignore)
    run_rungs(setup, "scale", FakeEngine(_larger_is_steeper), _ignore)
    return setup


def test_scouts_are_the_baselines_and_a_design_of_their_own(studied: StudySetup) -> None:
    records = studied.ledger.records("scout")
    labels = [record.label for record in records]
    assert labels == ["natural", "uniform", "unimax", *["design"] * 9]
    assert {record.proxy for record in records} == {"smaller"}
    searched = {record.point for record in studied.ledger.records("search")}
    assert searched.isdisjoint(record.point for record in records[3:])
    assert searched.issuperset(record.point for record in records[:3])


def test_trials_of_other_proxies_are_never_those_of_the_search(studied: StudySetup) -> None:
    searched = studied.ledger.records("search")
    assert len(searched) == 12
    assert {record.proxy for record in searched} == {None}
    phases = [record.phase for record in studied.ledger.records()]
    assert phases == ["scout"] * 12 + ["search"] * 12 + ["scale"] * 4
    assert [each.proxy for each in studied.ledger.proxies()] == ["larger", "smaller", "tiny"]


def test_larger_runs_are_natural_the_optimum_and_trials_of_the_search(studied: StudySetup) -> None:
    records = studied.ledger.records("scale", proxy="larger")
    assert [record.label for record in records[:2]] == ["natural", OPTIMUM]
    searched = {record.trial: record for record in studied.ledger.records("search")}
    for record in records[2:]:
        assert searched[record.label].schedule_digest == record.schedule_digest
    assert len({record.schedule_digest for record in records}) == 4


def test_members_are_trained_with_the_proxy_of_their_rung(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    other = PROXY.training.model_copy(update={"lm_tokens": 8 * PROXY.training.step_tokens})
    short = ProxyRecipe(name="short", architecture=PROXY.architecture, training=other)
    setup = _setup(tiny_store, quick_path, rung(proxy=short, trials=3))
    assert remaining_steps(setup, "scout") == 3 * (8 + 5)
    trials = fidelity.trials_of(setup, setup.rungs[0])
    jobs = setup.jobs(trials)
    assert {job.proxy for job in jobs} == {short}
    assert {job.examination.split for job in jobs} == {"validation"}
    assert [len(setup.seeds(trial)) for trial in trials] == [1, 1, 1]


def test_a_study_killed_among_its_scouts_goes_on(tiny_store: TokenStore, quick_path: Path) -> None:
    setup = _setup(tiny_store, quick_path, rung(trials=6), trials=6)
    first, second = FakeEngine(lanes=1), FakeEngine()
    with pytest.raises(Killed):
        run_rungs(setup, "scout", first, _ignore)
    left = remaining_steps(setup, "scout")
    assert 0 < left < 6 * (12 + 5)
    run_rungs(setup, "scout", second, _ignore)
    assert len({*first.trained, *second.trained}) == len(first.trained) + len(second.trained) == 6
    assert remaining_steps(setup, "scout") == 0


def test_more_larger_runs_keep_those_there_are(studied: StudySetup) -> None:
    more = replace(studied, rungs=(_SCOUT, replace(_LARGER, trials=6)))
    known = [record.trial for record in studied.ledger.records("scale")]
    trials = fidelity.trials_of(more, more.rungs[1])
    assert [trial.name for trial in trials[:4]] == known
    assert len({trial.schedule.digest for trial in trials}) == len(trials) == 6


def test_scouts_teach_the_laws_of_the_search(studied: StudySetup) -> None:
    families = families_of(studied)
    assert set(families(TASKS)) == {*LAWS, "smaller"}
    records = studied.ledger.records("search")[:9]
    taught = law_of(TASKS, records, studied.space, seed=1, families=families)
    assert taught.weights["smaller"] > 0.3
    assert scout_laws(studied, "sft/accuracy/mean") == {}


def test_who_only_reads_a_study_is_taught_the_same(studied: StudySetup) -> None:
    past = PastStudy(recipe=studied.recipe, space=studied.space, folder=studied.folder)
    records = studied.ledger.records("search")[:9]
    both = [
        law_of(TASKS, records, each.space, seed=each.key("fit"), families=families_of(each))
        for each in (studied, past)
    ]
    assert both[1].weights == both[0].weights
    np.testing.assert_array_equal(both[1].out_of_fold, both[0].out_of_fold)


def test_the_recommendation_tells_what_each_proxy_makes_of_it(studied: StudySetup) -> None:
    law = law_of(TASKS, studied.ledger.records("search"), studied.space, seed=1)
    best = {found.name: found.high for found in studied.space.coordinates()}
    scout, larger = rung_summaries(studied, [law], best)
    assert [(each.proxy, each.trials) for each in (scout, larger)] == [
        ("smaller", 12),
        ("larger", 4),
    ]
    assert scout.rank_correlation is not None
    assert scout.rank_correlation > 0.8
    natural = studied.space.resolve(studied.space.baseline("natural"))
    expected = _larger_is_steeper(natural)
    assert abs(larger.natural - expected) < 3 * max(larger.natural_deviation, 0.02)
    assert np.isfinite(larger.recommended)


def test_a_rung_that_the_study_does_not_have_is_an_error(studied: StudySetup) -> None:
    with pytest.raises(StudyError, match="no rung 'huge'"):
        studied.rung("huge")
