"""Controls of order: schedules that spend what another spends, in a mixture that never moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mixopt.schedule import repetition
from mixopt.schedule.curve import constant
from mixopt.schedule.mixture import Mixture, mixture_of
from mixopt.schedule.rate import RateShape
from mixopt.schedule.schedule import Schedule, Stage
from mixopt.study.recommendation import SAME_DOSE, SAME_RATE_DOSE

_ALIKE = 1e-6  # of weights, which have eight digits
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """A schedule without order, to hold another against."""

    label: str
    schedule: Schedule
    notes: tuple[str, ...] = ()  # on all controls: what they do not hold equal


def controls_of(schedule: Schedule, supply: Mapping[str, int]) -> tuple[Control, ...]:
    """Return the schedules that tell what the order of a schedule does, apart from its doses.

    `same-dose` has the tokens of every domain; `same-lr-dose` has, of every domain, the sum of the
    learning rate over its tokens, which is the better match where late tokens count for less as the
    rate has decayed. It is left out where it would be the same. Both keep everything of the stages
    but what moves inside or between them: curves, orderings, gates and online policies.

    Args:
        schedule: whose order is judged.
        supply: tokens of every domain that its `lm` stages name.

    Returns:
        None where there is no order to judge: one mixture over all `lm` stages, and no ordering.
    """
    if not has_order(schedule):
        return ()
    notes = _notes(schedule)
    dose, by_rate = schedule.mean_mixture("lm"), rate_weighted_mixture(schedule)
    allowed, cut = _allowed(by_rate, schedule, supply)
    if cut:
        notes += (f"{SAME_RATE_DOSE} is cut to the caps on epochs of {', '.join(cut)}.",)
    if not _differ(allowed, dose):
        alike = f"{SAME_RATE_DOSE} is the same schedule as {SAME_DOSE}, and is not run twice."
        return (Control(label=SAME_DOSE, schedule=flat(schedule, dose), notes=(*notes, alike)),)
    return (
        Control(label=SAME_DOSE, schedule=flat(schedule, dose), notes=notes),
        Control(label=SAME_RATE_DOSE, schedule=flat(schedule, allowed), notes=notes),
    )


def has_order(schedule: Schedule) -> bool:
    """Return whether the `lm` stages differ in mixture, move inside, or sort what they draw."""
    stages = [stage for stage in schedule.stages if stage.kind == "lm"]
    mixtures = [knot.mixture for stage in stages for knot in stage.curve.knots]
    moved = any(stage.online is not None for stage in stages)
    is_sorted = any(stage.ordering is not None and stage.ordering.strength for stage in stages)
    return moved or is_sorted or any(_differ(mixture, mixtures[0]) for mixture in mixtures)


def flat(schedule: Schedule, mixture: Mixture) -> Schedule:
    """Return the schedule with one mixture in all `lm` stages, shuffled, at nominal boundaries."""
    stages = tuple(
        replace(stage, curve=constant(mixture), ordering=None, gate=None, online=None)
        if stage.kind == "lm"
        else stage
        for stage in schedule.stages
    )
    return replace(schedule, stages=stages)


def rate_weighted_mixture(schedule: Schedule) -> Mixture:
    """Return the shares of domains in the learning rate summed over all `lm` tokens.

    The share of domain d is the sum over stages of tokens x integral of weight_d(p) rate(p) dp,
    scaled to one. Curve and rate are smooth between the curve's knots and the rate's bends; each
    such piece is integrated by Gauss and Legendre's rule, to rounding.
    """
    total: dict[str, float] = {}
    for stage in schedule.stages:
        if stage.kind == "lm":
            weights = _integral(stage) * stage.tokens
            for name, weight in zip(stage.curve.domains, weights.tolist(), strict=True):
                total[name] = total.get(name, 0.0) + weight
    return mixture_of({name: weight for name, weight in total.items() if weight > 0})


def _integral(stage: Stage) -> NDArray[np.float64]:
    """Return the integral of weights x rate over a stage, by domain of its curve; [M]."""
    curve, rate = stage.curve, stage.learning_rate
    bends = {0.0, 1.0, *(knot.at for knot in curve.knots), *_bends(rate)}
    inside = sorted(point for point in bends if 0 <= point <= 1)
    found = np.zeros(len(curve.domains))
    for start, end in pairwise(inside):
        root = (_NODES + 1) / 2  # p = start + length x root^2: a square root from `start` is smooth
        points = start + (end - start) * root**2
        measure = _WEIGHTS * (end - start) * root
        found += (measure * rate.at(points)) @ curve.weights_at(points, curve.domains)
    return found


def _bends(rate: RateShape) -> tuple[float, float]:
    return rate.warmup, 1 - rate.decay


def _allowed(
    mixture: Mixture, schedule: Schedule, supply: Mapping[str, int]
) -> tuple[Mixture, list[str]]:
    """Return the nearest mixture that the caps on epochs allow, and the domains that were cut."""
    mine = {name: supply[name] for name in mixture.domains}
    limits = {name: schedule.cap_of(name) for name in mine}
    lm = schedule.dose("lm")
    others = {name: tokens - lm.get(name, 0.0) for name, tokens in schedule.dose().items()}
    caps = repetition.room(mine, limits, others, schedule.tokens_of("lm"))
    weights = np.array(mixture.weights)
    kept = repetition.capped(weights, caps, f"schedule '{schedule.name}', {SAME_RATE_DOSE}")
    cut = [name for name, is_cut in zip(mine, weights > caps + _ALIKE, strict=True) if is_cut]
    pairs = zip(mixture.domains, kept.tolist(), strict=True)
    return mixture_of({name: weight for name, weight in pairs if weight > 0}), cut


def _notes(schedule: Schedule) -> tuple[str, ...]:
    """Say where the dose is not known before training."""
    stages = [stage for stage in schedule.stages if stage.kind == "lm"]
    online = [stage.name for stage in stages if stage.online is not None]
    gated = [stage.name for stage in stages if stage.gate is not None]
    notes = []
    if online:
        notes.append(
            f"The online policy of {', '.join(online)} sets its own doses; the controls have those "
            "of its prior, so that the difference is not of order alone."
        )
    if gated:
        notes.append(
            f"The gate of {', '.join(gated)} moves its boundary; the controls have the doses of the "
            "boundary that the schedule states."
        )
    return tuple(notes)


def _differ(left: Mixture, right: Mixture) -> bool:
    domains = tuple(dict.fromkeys((*left.domains, *right.domains)))
    return bool(np.abs(left.on(domains) - right.on(domains)).max() > _ALIKE)
