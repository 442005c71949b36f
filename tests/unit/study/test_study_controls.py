"""Controls of order: doses by independent integration, caps, and what is left as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from tiny import schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.schedule.curve import Knot, MixtureCurve
from mixopt.schedule.gate import Gate
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.rate import RateShape
from mixopt.schedule.schedule import Online, Ordering, Schedule, Stage
from mixopt.study.controls import controls_of, flat, has_order, rate_weighted_mixture

_NAMES = ("prose", "notes", "drills")
_PLENTY = dict.fromkeys(_NAMES, 10**9)
_RATES = [
    RateShape(),
    RateShape(peak=0.3, warmup=0.2),
    RateShape(decay=1.0, floor=0.1),
    RateShape(warmup=0.1, decay=0.4, shape="sqrt"),
    RateShape(warmup=0.3, decay=0.8, floor=0.05, shape="cosine"),
]


def _curve(shape: str) -> MixtureCurve:
    rows = [(0.7, 0.2, 0.1), (0.1, 0.3, 0.6), (0.3, 0.3, 0.4)]
    at = [0.0, 0.37, 1.0] if shape == "piecewise" else [0.0, 1.0]
    mixtures = [mixture_of(dict(zip(_NAMES, row, strict=True))) for row in rows]
    knots = tuple(Knot(at=one, mixture=each) for one, each in zip(at, mixtures, strict=False))
    return MixtureCurve(shape=shape, knots=knots)  # type: ignore[arg-type]


def _schedule(store: TokenStore, rate: RateShape, shape: str = "linear") -> Schedule:
    found = schedule_at(store, share=0.3)
    late = replace(found.stages[1], curve=_curve(shape), learning_rate=rate)
    return replace(found, stages=(found.stages[0], late, found.stages[2]))


def _dose(stage: Stage, name: str) -> float:
    """The learning rate summed over a domain's tokens, by a general integrator."""

    def density(at: float) -> float:
        return float(stage.curve.weights_at(at, (name,))[0, 0] * stage.learning_rate.at(at))

    rate = stage.learning_rate
    points = sorted({0.37, rate.warmup, 1 - rate.decay})
    return stage.tokens * float(quad(density, 0, 1, points=points, epsabs=1e-12, limit=200)[0])


@pytest.mark.parametrize("rate", _RATES)
@pytest.mark.parametrize("shape", ["linear", "cosine", "piecewise"])
def test_the_rate_weighted_dose_is_the_integral(
    tiny_store: TokenStore, rate: RateShape, shape: str
) -> None:
    schedule = _schedule(tiny_store, rate, shape)
    doses = np.array([sum(_dose(stage, n) for stage in schedule.stages[:2]) for n in _NAMES])
    found = rate_weighted_mixture(schedule).on(_NAMES)
    np.testing.assert_allclose(found, doses / doses.sum(), rtol=1e-8)


def test_same_dose_spends_the_same_tokens_of_every_domain(tiny_store: TokenStore) -> None:
    schedule = _schedule(tiny_store, RateShape())
    control = controls_of(schedule, _PLENTY)[0]
    assert control.label == "same-dose"
    assert control.schedule.dose() == pytest.approx(schedule.dose())
    assert [s.tokens for s in control.schedule.stages] == [s.tokens for s in schedule.stages]
    early, late = (stage.curve for stage in control.schedule.stages[:2])
    assert early == late
    assert control.schedule.stages[2] == schedule.stages[2]


def test_the_second_control_has_the_same_rate_weighted_dose(tiny_store: TokenStore) -> None:
    schedule = _schedule(tiny_store, RateShape(decay=1.0))
    first, second = controls_of(schedule, _PLENTY)
    assert second.label == "same-lr-dose"
    for name in _NAMES:
        wanted = sum(_dose(stage, name) for stage in schedule.stages[:2])
        assert sum(_dose(s, name) for s in second.schedule.stages[:2]) == pytest.approx(wanted)
        assert sum(_dose(s, name) for s in first.schedule.stages[:2]) != pytest.approx(wanted)


def test_a_control_keeps_the_caps_and_says_so(tiny_store: TokenStore) -> None:
    schedule = _schedule(tiny_store, RateShape(decay=1.0))
    spent = schedule.dose("lm")
    supply = _PLENTY | {"prose": round(spent["prose"] / schedule.max_epochs) + 1}
    assert rate_weighted_mixture(schedule).share("prose") > schedule.mean_mixture().share("prose")
    second = controls_of(schedule, supply)[1]
    epochs = second.schedule.epochs({**supply, "chat": 10**9})
    assert epochs["prose"] == pytest.approx(schedule.max_epochs, rel=1e-3)
    assert any("caps on epochs of prose" in note for note in second.notes)
    ratio = [
        second.schedule.dose("lm")[n] / rate_weighted_mixture(schedule).share(n) for n in _NAMES[1:]
    ]
    assert ratio[0] == pytest.approx(ratio[1])


def test_a_control_has_nothing_that_moves_but_its_stages(tiny_store: TokenStore) -> None:
    schedule = _schedule(tiny_store, RateShape(decay=0.5))
    early, late, sft = schedule.stages
    early = replace(early, ordering=Ordering(score="length", strength=0.5), packing="whole")
    late = replace(
        late,
        gate=Gate(measure="bits_per_byte/prose", below=3.0),
        online=Online(policy="doremi"),
        rope_base=1e5,
        context_tokens=64,
    )
    control = controls_of(replace(schedule, stages=(early, late, sft)), _PLENTY)[0]
    for before, after in zip((early, late), control.schedule.stages, strict=False):
        assert (after.ordering, after.gate, after.online) == (None, None, None)
        assert replace(before, curve=after.curve, ordering=None, gate=None, online=None) == after
    assert any("late sets its own doses" in note for note in control.notes)
    assert any("gate of late" in note for note in control.notes)


def test_one_mixture_throughout_has_no_order(tiny_store: TokenStore) -> None:
    schedule = _schedule(tiny_store, RateShape(decay=1.0))
    still = flat(schedule, schedule.mean_mixture())
    assert has_order(schedule)
    assert controls_of(still, _PLENTY) == ()
    for strength in (1.0, -0.5, 0.0):
        ordering = Ordering(score="length", strength=strength)
        first = replace(still.stages[0], ordering=ordering)
        ordered = replace(still, stages=(first, *still.stages[1:]))
        assert has_order(ordered) == (strength != 0)
