"""The search: Optuna is asked for a batch, lanes train it, the ledger keeps it, Optuna is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from mixopt.errors import StudyError
from mixopt.evaluation.measure import direction_of
from mixopt.study.engines.engine import Engine
from mixopt.study.ledger import TrialRecord
from mixopt.study.pruning import find_rule
from mixopt.study.samplers import NOTES, planned_points, quiet
from mixopt.study.setup import StudySetup
from mixopt.study.trial import Trial, search_trial
from mixopt.study.warm import check_warm
from mixopt.study.worth import look_ahead, note_worth
from mixopt.surrogate.proposing.batch import Batch
from mixopt.training.runs import OnProgress, Stop, never

OnWorth = Callable[[int, float], None]

_OPEN = (TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Batch:
    """Trials that are asked for at once."""

    numbers: range
    known: Mapping[int, FrozenTrial]  # all trials that Optuna has had
    ahead: Batch | None  # what laws propose, where they were asked


def _ignore(_first: int, _worth: float) -> None:
    pass


def run_search(
    setup: StudySetup, engine: Engine, on_progress: OnProgress, on_worth: OnWorth = _ignore
) -> list[TrialRecord]:
    """Run the trials of the search that are not finished, batch by batch.

    It ends before a batch that is expected to gain less than `least_gain`.

    Everything is noted as soon as it is known: what finished before an interruption is never
    trained again, and the points after it are those of an undisturbed study.

    Args:
        setup: the study.
        engine: where lanes are trained.
        on_progress: called with member-steps done since the last call.
        on_worth: called before a batch, where laws can tell, with the number of its first trial
            and what it is expected to gain over the best run.

    Returns:
        All trials of the search.

    Raises:
        StudyError: the folder holds another study, or a worker died.
    """
    setup.folder.mkdir(parents=True, exist_ok=True)
    setup.ledger.create(setup.identity())
    check_warm(setup)
    study = _open_study(setup)
    settings = setup.settings
    for first in range(0, settings.trials, settings.batch):
        numbers = range(first, min(first + settings.batch, settings.trials))
        known = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
        ahead = look_ahead(setup, numbers) if known.keys().isdisjoint(numbers) else None
        if ahead is not None:
            note_worth(setup.folder, first, ahead.worth)
            on_worth(first, ahead.worth)
            if ahead.worth < settings.least_gain:
                break
        batch = _Batch(numbers=numbers, known=known, ahead=ahead)
        _run_batch(setup, study, engine, batch, on_progress)
    return setup.ledger.records("search")


def remaining_steps(setup: StudySetup) -> int:
    """Return the member-steps that the search has left, for a progress bar."""
    records = setup.ledger.records("search") if setup.ledger.path.is_file() else []
    done = sum(len(record.seeds) for record in records)
    total = setup.settings.trials * setup.settings.seeds
    return max(0, total - done) * setup.steps_per_member()


def _run_batch(
    setup: StudySetup,
    study: optuna.Study,
    engine: Engine,
    batch: _Batch,
    on_progress: OnProgress,
) -> None:
    numbers, known = batch.numbers, batch.known
    if all(number in known and known[number].state not in _OPEN for number in numbers):
        _check_kept(setup, numbers)
        return
    trials = _ask_batch(setup, study, batch)
    setup.ledger.add_trials(trials)
    rule = _stop_rule(setup, trials, numbers)
    engine.run(setup.jobs(trials, engine.workers, rule), setup.ledger.add_results, on_progress)
    records = {record.trial: record for record in setup.ledger.records("search")}
    for trial in trials:
        if trial.number not in known or known[trial.number].state in _OPEN:
            _tell(study, trial, records[trial.name], setup.settings.objective)


def _stop_rule(setup: StudySetup, trials: Sequence[Trial], numbers: range) -> Stop:
    """Return who is given up early in a batch: what earlier batches have taught, and no other."""
    if setup.settings.stopping is None:
        return never
    records = setup.ledger.records("search")
    earlier = [record for record in records if record.number < numbers.start]
    return find_rule(setup.settings, earlier, trials, setup.key("stopping")) or never


def _ask_batch(
    setup: StudySetup,
    study: optuna.Study,
    batch: _Batch,
) -> list[Trial]:
    """Return the trials of a batch, those asked for before an interruption included."""
    numbers, known = batch.numbers, batch.known
    missing = [number for number in numbers if number not in known]
    told = [known[number] for number in range(numbers.start)] if missing else []
    planned = planned_points(setup, numbers, told, batch.ahead) if missing else {}
    trials = []
    for number in numbers:
        if number in missing:
            found = planned[number]
            notes = {"label": found.label, NOTES: dict(found.notes)}
            study.enqueue_trial(dict(found.point), user_attrs=notes)
        if number not in known or known[number].state == TrialState.WAITING:
            asked = study.ask()
        else:
            asked = optuna.trial.Trial(study, known[number]._trial_id)  # noqa: SLF001 - no public way to go on with a running trial
        if asked.number != number:
            raise _disordered(setup, number, asked.number)
        trials.append(_trial(setup, asked))
    return trials


def _trial(setup: StudySetup, asked: optuna.trial.Trial) -> Trial:
    point = {
        found.name: asked.suggest_float(found.name, found.low, found.high, log=found.log)
        for found in setup.space.coordinates()
    }
    label = asked.user_attrs.get("label", setup.settings.sampler)
    return search_trial(asked.number, label, setup.space.resolve(point), point)


def _tell(study: optuna.Study, trial: Trial, record: TrialRecord, objective: str) -> None:
    if record.stopped:
        study.tell(trial.number, state=TrialState.PRUNED)
        return
    values = record.measures.get(objective, ())
    if len(values) < len(record.seeds) or not values:
        study.tell(trial.number, state=TrialState.FAIL)
        return
    study.tell(trial.number, float(np.mean(values)))


def _open_study(setup: StudySetup) -> optuna.Study:
    with quiet():
        try:
            return optuna.create_study(
                storage=setup.storage,
                study_name=setup.recipe.name,
                direction=direction_of(setup.settings.objective),
                load_if_exists=True,
            )
        except Exception as error:
            what = f"cannot open the Optuna storage {setup.storage}"
            raise StudyError(
                what, why=str(error), remedy="Check the URL and that the server answers."
            ) from error


def _check_kept(setup: StudySetup, numbers: range) -> None:
    """Raise unless the ledger has the trials that Optuna counts as finished."""
    kept = {record.number for record in setup.ledger.records("search") if record.seeds}
    lost = [number for number in numbers if number not in kept]
    if lost:
        what = f"Optuna has finished trial {lost[0]} of study '{setup.recipe.name}', {setup.folder} has not"
        raise StudyError(
            what,
            why="The storage is shared with another study of that name, or results were deleted.",
            remedy=f"Give the study a name or a storage of its own; this one is {setup.storage}.",
        )


def _disordered(setup: StudySetup, wanted: int, found: int) -> StudyError:
    return StudyError(
        f"trial {wanted} of the study was expected, Optuna gave trial {found}",
        why="Something else adds trials to the same study.",
        remedy=f"Use one storage per study; this one is {setup.storage}.",
    )
