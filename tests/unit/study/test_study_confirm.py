from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_engine import TASKS, TEXT, FakeEngine, Killed, search
from scipy import stats
from tiny import make_setup

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.recipes import decode
from mixopt.schedule.rate import RateShape
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.space import Space
from mixopt.study.confirm import (
    Optimum,
    confirm,
    confirmation_trials,
    find_optima,
    remaining_steps,
)
from mixopt.study.controls import flat
from mixopt.study.recommendation import (
    FILE,
    SCHEDULE_FILE,
    Comparison,
    OrderEffect,
    Recommendation,
    read_recommendation,
    say,
)
from mixopt.study.setup import StudySetup

_SETTINGS: dict[str, object] = {"trials": 9, "batch": 9, "seeds": 2, "lane": 9, "also": [TEXT]}


@pytest.fixture(scope="module")
def searched(
    tiny_store: TokenStore, quick_folders: Callable[[], Path]
) -> tuple[StudySetup, list[Optimum]]:
    setup = make_setup(tiny_store, quick_folders(), **_SETTINGS)
    search(setup)
    return setup, find_optima(setup)


@pytest.fixture
def fresh(
    searched: tuple[StudySetup, list[Optimum]], quick_path: Path
) -> tuple[StudySetup, list[Optimum]]:
    """Return a copy of the searched study, which a test may confirm in its own way."""
    setup, optima = searched
    (quick_path / "results.duckdb").write_bytes(setup.ledger.path.read_bytes())
    return replace(setup, folder=quick_path), optima


def _confirm(
    setup: StudySetup, optima: list[Optimum], engine: FakeEngine | None = None
) -> Recommendation:
    trials = confirmation_trials(setup, optima)
    return confirm(setup, optima, trials, engine or FakeEngine(), lambda _steps: None)


def test_everything_is_run_on_seeds_that_chose_nothing(
    fresh: tuple[StudySetup, list[Optimum]],
) -> None:
    setup, optima = fresh
    _confirm(setup, optima)
    used = {seed for record in setup.ledger.records("search") for seed in record.seeds}
    confirmed = setup.ledger.records("confirm")
    labels = ["recommended", "best-bits-per-byte", "natural", "uniform", "unimax", "same-dose"]
    assert [record.label for record in confirmed] == labels
    assert len({record.seeds for record in confirmed}) == 1
    assert len(confirmed[0].seeds) == 3
    assert used.isdisjoint(confirmed[0].seeds)


def test_a_better_schedule_is_recommended_with_its_interval(
    fresh: tuple[StudySetup, list[Optimum]],
) -> None:
    setup, optima = fresh
    found = _confirm(setup, optima)
    by_label = {record.label: record.measures[TASKS] for record in setup.ledger.records("confirm")}
    test = stats.ttest_rel(by_label["recommended"], by_label["natural"])
    low, high = test.confidence_interval(0.95)
    comparison = found.compared(TASKS, "natural")
    assert comparison is not None
    assert [comparison.low, comparison.high] == pytest.approx([low, high])
    assert found.switch
    assert found.sentence.startswith("Train the recommended schedule")
    assert f"95% [{low:+.4g}, {high:+.4g}]" in found.sentence


def test_fewer_bits_are_a_gain(fresh: tuple[StudySetup, list[Optimum]]) -> None:
    setup, optima = fresh
    found = _confirm(setup, optima).compared(TEXT, "natural", "best-bits-per-byte")
    values = {record.label: record.measures[TEXT] for record in setup.ledger.records("confirm")}
    assert found is not None
    saved = np.mean(values["natural"]) - np.mean(values["best-bits-per-byte"])
    assert found.gain == pytest.approx(float(saved))
    assert found.gain > 0


def test_equal_outcomes_are_no_reason_to_switch(fresh: tuple[StudySetup, list[Optimum]]) -> None:
    found = _confirm(*fresh, FakeEngine(lambda _schedule: 0.25))
    comparison = found.compared(TASKS, "natural")
    assert comparison is not None
    assert comparison.low < 0 < comparison.high
    assert not found.switch
    assert found.sentence.startswith("No better than natural, do not switch")


def test_a_worse_schedule_is_no_reason_to_switch(fresh: tuple[StudySetup, list[Optimum]]) -> None:
    setup, optima = fresh
    best = optima[0].proposal.schedule.digest
    found = _confirm(setup, optima, FakeEngine(lambda each: -1.0 if each.digest == best else 0.0))
    assert not found.switch
    assert "do not switch" in found.sentence
    assert TASKS in {comparison.measure for comparison in found.worse()}


def test_the_recommendation_is_written_and_read_back(
    fresh: tuple[StudySetup, list[Optimum]],
) -> None:
    setup, optima = fresh
    found = _confirm(setup, optima)
    assert read_recommendation(setup.folder) == found
    text = (setup.folder / SCHEDULE_FILE).read_text()
    recipe = decode.decode(text, ScheduleRecipe, file="recommended")
    schedule = Space(recipe=recipe, inventory=setup.space.inventory).resolve({})
    wanted = optima[0].proposal.schedule
    for name, share in wanted.mean_mixture().as_dict().items():
        assert schedule.mean_mixture().share(name) == pytest.approx(share, abs=1e-4)
    assert found.sentence.splitlines()[0] in text


def test_a_killed_confirmation_trains_only_what_is_missing(
    fresh: tuple[StudySetup, list[Optimum]],
) -> None:
    setup, optima = fresh
    trials = confirmation_trials(setup, optima)
    whole = remaining_steps(setup, trials)
    first, second = FakeEngine(lanes=1), FakeEngine()
    with pytest.raises(Killed):
        _confirm(setup, optima, first)
    done = len(first.trained)
    assert 0 < done < 18
    assert remaining_steps(setup, trials) == whole * (18 - done) // 18
    _confirm(setup, optima, second)
    assert set(first.trained).isdisjoint(second.trained)
    assert len(second.trained) == 18 - done
    assert remaining_steps(setup, trials) == 0


def test_measures_that_a_seed_lacks_are_not_compared(
    fresh: tuple[StudySetup, list[Optimum]],
) -> None:
    setup, optima = fresh

    class Diverging(FakeEngine):
        def run(self, jobs, on_results, on_progress) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
            lost = {"confirm-natural": 5000, "confirm-recommended": 5001}

            def note(results) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
                on_results(
                    [
                        replace(each, measures=())
                        if lost.get(each.trial[:-7]) == each.seed
                        else each
                        for each in results
                    ]
                )

            super().run(jobs, note, on_progress)

    found = _confirm(setup, optima, Diverging())
    assert found.compared(TASKS, "natural") is None
    assert found.compared(TEXT, "uniform", "best-bits-per-byte") is not None
    assert not found.switch


def test_the_order_effect_is_held_against_the_same_dose(
    fresh: tuple[StudySetup, list[Optimum]],
) -> None:
    setup, optima = fresh
    found = _confirm(setup, optima)
    effect = found.order_effect
    assert effect is not None
    assert effect.controls == ("same-dose",)
    assert effect.comparisons == (found.compared(TASKS, "same-dose"),)
    record = {each.label: each.by_seed(TASKS) for each in setup.ledger.records("confirm")}
    gains = [record["recommended"][seed] - value for seed, value in record["same-dose"].items()]
    assert effect.comparisons[0].gain == pytest.approx(np.mean(gains))
    assert any("is not run twice" in note for note in effect.notes)


def test_a_decaying_rate_gives_a_second_control_of_order(
    fresh: tuple[StudySetup, list[Optimum]],
) -> None:
    setup, optima = fresh
    best = optima[0].proposal.schedule
    late = replace(best.stages[1], learning_rate=RateShape(decay=1.0))
    decayed = replace(best, stages=(best.stages[0], late, best.stages[2]))
    changed = replace(optima[0], proposal=replace(optima[0].proposal, schedule=decayed))
    found = _confirm(setup, [changed])
    assert found.order_effect is not None
    assert found.order_effect.controls == ("same-dose", "same-lr-dose")
    assert len(found.order_effect.sentences()) == 2


def test_a_constant_schedule_has_no_order_to_judge(
    fresh: tuple[StudySetup, list[Optimum]],
) -> None:
    setup, optima = fresh
    best = optima[0].proposal.schedule
    still = replace(optima[0].proposal, schedule=flat(best, best.mean_mixture()))
    found = _confirm(setup, [replace(optima[0], proposal=still)])
    assert found.order_effect is not None
    assert found.order_effect.sentences() == ("The schedule is constant: no order to judge.",)
    assert "same-dose" not in {outcome.label for outcome in found.outcomes}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.1, 0.3, ": better."), (-0.3, -0.1, ": worse."), (-0.1, 0.1, ": no different from none.")],
)
def test_the_order_effect_is_said_whatever_its_sign(low: float, high: float, said: str) -> None:
    found = Comparison(
        measure=TASKS, left="recommended", right="same-dose", gain=(low + high) / 2, low=low,
        high=high, num_seeds=4,
    )  # fmt: skip
    effect = OrderEffect(controls=("same-dose", "same-lr-dose"), comparisons=(found,))
    first, second = effect.sentences()
    assert first.startswith(f"Order alone gives {found.gain:+.4g}, 95% [{low:+.4g}, {high:+.4g}]")
    assert first.endswith(said)
    assert "not judged" in second


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.3, "better"),
        (-0.3, -0.1, "worse"),
        (-0.1, 0.1, "no different"),
        (0, 0, "no different"),
    ],
)
def test_the_verdict_goes_by_the_interval(low: float, high: float, verdict: str) -> None:
    comparison = Comparison(
        measure=TASKS,
        left="recommended",
        right="natural",
        gain=(low + high) / 2,
        low=low,
        high=high,
        num_seeds=4,
    )
    assert comparison.verdict == verdict
    assert ("do not switch" in say(comparison, TASKS)) == (verdict != "better")
    assert ("Nothing better than natural" in say(comparison, TASKS)) == (low == high)
    assert "4 fresh seeds" in say(comparison, TASKS)


def test_reading_where_nothing_is_or_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no recommendation yet"):
        read_recommendation(tmp_path)
    (tmp_path / FILE).write_text('{"study": 3')
    with pytest.raises(StudyError, match="damaged"):
        read_recommendation(tmp_path)
