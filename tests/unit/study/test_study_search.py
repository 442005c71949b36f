from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from fake_engine import TASKS, FakeEngine, Killed, killed_at, search
from optuna.trial import TrialState
from tiny import make_setup

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.study.ledger import Ledger, TrialRecord
from mixopt.study.search import remaining_steps
from mixopt.study.setup import StudySetup

_SETTINGS = {"trials": 5, "batch": 2, "design": 4, "seeds": 2, "lane": 2}
_LANES = 5

_KILLS = [
    (optuna.Study, "enqueue_trial", 4),
    (optuna.Study, "ask", 4),
    (optuna.trial.Trial, "suggest_float", 5 * 3 + 3),
    (Ledger, "add_trials", 2),
    (Ledger, "add_results", 4),
    (optuna.Study, "tell", 4),
]


@pytest.fixture(scope="module")
def undisturbed(
    tiny_store: TokenStore, quick_folders: Callable[[], Path]
) -> tuple[list[TrialRecord], list[tuple[object, ...]]]:
    setup = make_setup(tiny_store, quick_folders(), **_SETTINGS)
    assert len(search(setup).trained) == 10
    return setup.ledger.records(), _told(setup)


def _told(setup: StudySetup) -> list[tuple[object, ...]]:
    study = optuna.load_study(study_name="tiny", storage=setup.storage)
    return [(trial.number, trial.params, trial.state, trial.values) for trial in study.trials]


@pytest.mark.parametrize("lanes", range(_LANES))
def test_a_study_killed_after_any_lane_goes_on_as_if_it_had_not_been(
    tiny_store: TokenStore, quick_path: Path, undisturbed: tuple[object, object], lanes: int
) -> None:
    setup = make_setup(tiny_store, quick_path, **_SETTINGS)
    first, second = FakeEngine(lanes=lanes), FakeEngine()
    with pytest.raises(Killed):
        search(setup, first)
    assert len(setup.ledger.finished()) == len(first.trained) == 2 * lanes
    search(setup, second)
    assert len({*first.trained, *second.trained}) == len(first.trained) + len(second.trained) == 10
    assert (setup.ledger.records(), _told(setup)) == undisturbed


@pytest.mark.parametrize(("owner", "name", "call"), _KILLS, ids=[name for _, name, _ in _KILLS])
def test_a_study_killed_between_its_two_books_goes_on(
    tiny_store: TokenStore,
    quick_path: Path,
    undisturbed: tuple[object, object],
    owner: type,
    name: str,
    call: int,
) -> None:
    setup = make_setup(tiny_store, quick_path, **_SETTINGS)
    first, second = FakeEngine(), FakeEngine()
    with pytest.MonkeyPatch.context() as patch:
        killed_at(patch, owner, name, call)
        with pytest.raises(Killed):
            search(setup, first)
    noted = setup.ledger.finished()
    search(setup, second)
    assert noted.isdisjoint(second.trained)
    assert len(noted) + len(second.trained) == 10
    assert (setup.ledger.records(), _told(setup)) == undisturbed


def test_a_finished_study_trains_nothing(tiny_store: TokenStore, quick_path: Path) -> None:
    setup = make_setup(tiny_store, quick_path, trials=3, batch=3)
    assert remaining_steps(setup) == 6 * (12 + 5)
    search(setup)
    assert remaining_steps(setup) == 0
    assert search(setup).trained == []


def test_more_trials_go_on_where_the_study_ended(tiny_store: TokenStore, quick_path: Path) -> None:
    short = make_setup(tiny_store, quick_path, trials=4)
    search(short)
    before = short.ledger.records()
    longer = make_setup(tiny_store, quick_path, trials=5)
    assert remaining_steps(longer) == 2 * (12 + 5)
    assert {trial for trial, _ in search(longer).trained} == {"search-0004"}
    assert longer.ledger.records()[:4] == before


def test_optuna_is_told_the_mean_over_seeds(tiny_store: TokenStore, quick_path: Path) -> None:
    setup = make_setup(tiny_store, quick_path, trials=3)
    search(setup)
    study = optuna.load_study(study_name="tiny", storage=setup.storage)
    assert study.direction is optuna.study.StudyDirection.MAXIMIZE
    for record, trial in zip(setup.ledger.records(), study.trials, strict=True):
        assert trial.value == pytest.approx(sum(record.measures[TASKS]) / 2)


def test_a_trial_without_its_objective_has_failed(tiny_store: TokenStore, quick_path: Path) -> None:
    class Diverging(FakeEngine):
        def run(self, jobs, on_results, on_progress) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
            def lost(results) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
                on_results(
                    [
                        replace(each, measures=(), diverged_at=2) if each.seed == 1 else each
                        for each in results
                    ]
                )

            super().run(jobs, lost, on_progress)

    setup = make_setup(tiny_store, quick_path, trials=3)
    search(setup, Diverging())
    study = optuna.load_study(study_name="tiny", storage=setup.storage)
    assert {trial.state for trial in study.trials} == {TrialState.FAIL}
    assert search(setup).trained == []


@pytest.mark.parametrize(
    ("change", "part"),
    [({"seeds": 3}, "study settings"), ({"objective": "late/bits_per_byte/mean"}, "settings")],
)
def test_another_study_in_the_same_folder_is_refused(
    tiny_store: TokenStore, quick_path: Path, change: dict[str, object], part: str
) -> None:
    search(make_setup(tiny_store, quick_path, trials=3))
    with pytest.raises(StudyError, match="holds another study") as caught:
        search(make_setup(tiny_store, quick_path, trials=3, **change))
    assert part in caught.value.why


def test_a_storage_with_anothers_results_is_refused(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    first = make_setup(tiny_store, quick_path / "first", trials=3)
    search(first)
    second = make_setup(tiny_store, quick_path / "second", trials=3)
    with pytest.raises(StudyError, match="Optuna has finished trial 0"):
        search(replace(second, storage=first.storage))


def test_a_storage_that_others_add_to_is_refused(
    tiny_store: TokenStore, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue = optuna.Study.enqueue_trial

    def after_another(
        study: optuna.Study, point: dict[str, float], *, user_attrs: dict[str, str]
    ) -> None:
        study.ask()
        enqueue(study, point, user_attrs=user_attrs)

    monkeypatch.setattr(optuna.Study, "enqueue_trial", after_another)
    with pytest.raises(StudyError, match="Something else adds trials"):
        search(make_setup(tiny_store, quick_path, trials=3))


def test_a_storage_that_does_not_open_is_an_error(tiny_store: TokenStore, quick_path: Path) -> None:
    setup = make_setup(tiny_store, quick_path)
    nowhere = replace(setup, storage=f"sqlite:///{quick_path / 'no' / 'such' / 'folder.db'}")
    with pytest.raises(StudyError, match="cannot open the Optuna storage"):
        search(nowhere)
