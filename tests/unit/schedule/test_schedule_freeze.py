"""Freezing: curves near what was chosen, boundaries where gates opened, caps kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mixopt.errors import SupplyError
from mixopt.schedule.curve import MixtureCurve, constant
from mixopt.schedule.freeze import Choice, Decisions, freeze, freeze_schedule, mean_choices
from mixopt.schedule.gate import Gate
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.rate import RateShape
from mixopt.schedule.schedule import Online, Schedule, Stage, TargetRun

NAMES = ("a", "b", "c")
PLENTY = dict.fromkeys(NAMES, 10_000)
TARGET = TargetRun(
    parameters=1, tokens=1000, context_tokens=8, batch_tokens=8, learning_rate=1.0,
    sft_learning_rate=1.0, tokenizer="bytes",
)  # fmt: skip


def _choices(count: int, noise: float = 0.0) -> list[Choice]:
    generator = np.random.default_rng(0)
    choices = []
    for number in range(count):
        since = number / count
        weights = np.array([1.0, 0.3 + 2 * since**2, 0.5]) + noise * generator.random(3)
        shares = dict(zip(NAMES, weights.tolist(), strict=True))
        choices.append(Choice(since=since, mixture=mixture_of(shares)))
    return choices


def _schedule(**late: object) -> Schedule:
    first = Stage(
        name="early", kind="lm", tokens=600, curve=constant(mixture_of(dict.fromkeys(NAMES, 1.0))),
        context_tokens=8, learning_rate=RateShape(),
    )  # fmt: skip
    second = replace(first, name="late", tokens=400, **late)  # type: ignore[arg-type]
    return Schedule(name="s", target=TARGET, stages=(first, second), max_epochs=4.0)


def _largest_error(curve: MixtureCurve, choices: list[Choice]) -> float:
    count = len(choices)
    middles = (np.arange(count) + 0.5) / count
    wanted = np.stack([choice.mixture.on(NAMES) for choice in choices])
    return float(np.abs(curve.weights_at(middles, NAMES) - wanted).max())


@pytest.mark.parametrize("tolerance", [0.05, 0.01, 0.001])
def test_a_frozen_trajectory_stays_within_its_tolerance(tolerance: float) -> None:
    choices = _choices(100)
    curve = freeze(choices, tolerance)
    assert _largest_error(curve, choices) <= tolerance + 1e-7
    assert (curve.knots[0].at, curve.knots[-1].at) == (0, 1)


def test_a_smooth_trajectory_needs_few_knots_and_exactness_all() -> None:
    assert len(freeze(_choices(200), 0.01).knots) <= 8
    jagged = _choices(50, noise=0.3)
    assert len(freeze(jagged, 0.0).knots) >= 50
    assert len(freeze(jagged, 0.05).knots) < 50


@pytest.mark.parametrize("tolerance", [0.0, 0.02])
def test_the_dose_is_that_of_the_trajectory(tolerance: float) -> None:
    choices = _choices(40, noise=0.2)
    spent = np.mean([choice.mixture.on(NAMES) for choice in choices], axis=0)
    found = freeze(choices, tolerance).mean().on(NAMES)
    np.testing.assert_allclose(found, spent, atol=max(tolerance, 1e-6))


def test_what_never_moved_is_constant() -> None:
    held = [Choice(since=at, mixture=mixture_of({"a": 1, "b": 3})) for at in (0.0, 0.3, 0.8)]
    curve = freeze(held)
    assert curve.shape == "constant"
    assert curve.mean() == mixture_of({"a": 0.25, "b": 0.75})
    assert freeze(held[:1]).shape == "constant"


@pytest.mark.parametrize("since", [[], [0.1, 0.5], [0.0, 0.5, 0.5], [0.0, 0.6, 0.5], [0.0, 1.0]])
def test_choices_come_in_order_from_the_start(since: list[float]) -> None:
    mixture = mixture_of({"a": 1.0})
    with pytest.raises(ValueError, match="from 0 to below 1"):
        freeze([Choice(since=at, mixture=mixture) for at in since])


def test_the_mean_of_trajectories_holds_at_every_point() -> None:
    first = [Choice(since=0.0, mixture=mixture_of({"a": 1.0}))]
    second = [
        Choice(since=0.0, mixture=mixture_of({"b": 1.0})),
        Choice(since=0.6, mixture=mixture_of({"a": 0.5, "c": 0.5})),
    ]
    found = mean_choices([first, second])
    assert [choice.since for choice in found] == [0.0, 0.6]
    np.testing.assert_allclose(found[0].mixture.on(NAMES), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(found[1].mixture.on(NAMES), [0.75, 0.0, 0.25])
    with pytest.raises(ValueError, match="no trajectory"):
        mean_choices([])


def test_a_frozen_schedule_has_curves_and_no_policies() -> None:
    schedule = _schedule(online=Online(policy="odm"))
    decisions = Decisions(choices={"late": _choices(10)}, opened={})
    found = freeze_schedule(schedule, decisions, PLENTY)
    assert found.stages[0] == schedule.stages[0]
    assert found.stages[1] == replace(
        schedule.stages[1], online=None, curve=freeze(_choices(10), 0.01)
    )


def test_a_gate_becomes_a_boundary_and_tokens_stay() -> None:
    schedule = _schedule(gate=Gate(measure="bits_per_byte/a", below=1.0))
    found = freeze_schedule(schedule, Decisions(choices={}, opened={"late": 0.25}), PLENTY)
    assert [stage.tokens for stage in found.stages] == [250, 750]
    assert found.stages[1].gate is None
    assert found.tokens_of("lm") == schedule.tokens_of("lm")
    shut = freeze_schedule(schedule, Decisions(choices={}, opened={}), PLENTY)
    assert shut == schedule


def test_caps_that_the_choices_keep_are_kept_by_the_curve() -> None:
    schedule, choices = _schedule(online=Online(policy="odm")), _choices(10, noise=0.2)
    decisions = Decisions(choices={"late": choices}, opened={})
    rough = freeze_schedule(schedule, decisions, PLENTY, 0.2).dose()
    exact = freeze_schedule(schedule, decisions, PLENTY, 0.0).dose()
    name = max(NAMES, key=lambda each: rough[each] - exact[each])
    assert rough[name] > exact[name] + 1
    tight = PLENTY | {name: int(exact[name] / schedule.max_epochs) + 1}
    found = freeze_schedule(schedule, decisions, tight, 0.2)
    assert found.epochs(tight)[name] <= schedule.max_epochs
    with pytest.raises(SupplyError, match="more than the supply"):
        freeze_schedule(schedule, decisions, PLENTY | {name: 10}, 0.2)
