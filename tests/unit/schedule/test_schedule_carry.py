from __future__ import annotations

import numpy as np
import pytest
from schedule_fakes import curve, stage

from mixopt.schedule.carry import Link, body, carried, scenarios, timed_tokens
from mixopt.schedule.curve import MixtureCurve
from mixopt.schedule.schedule import Stage

DOMAINS = ("web", "code", "math")
OWN = (
    curve("constant", {"web": 0.8, "code": 0.2}),
    curve("linear", {"web": 0.5, "math": 0.5}, {"code": 1.0}),
    curve("cosine", {"math": 1.0}, {"web": 0.3, "math": 0.7}),
    curve("constant", {"code": 1.0}),
)
TOKENS = (400_000, 300_000, 200_000, 100_000)


def chain(recalls: tuple[float, ...], ramps: tuple[float, ...]) -> list[Stage]:
    stages: list[Stage] = []
    for number, own in enumerate(OWN):
        made = carried(own, stages, recalls[number], ramps[number])
        stages.append(stage(f"s{number}", made, tokens=TOKENS[number]))
    return stages


def links(recalls: tuple[float, ...], ramps: tuple[float, ...]) -> list[Link]:
    zipped = zip(TOKENS, recalls, ramps, strict=True)
    return [Link(tokens=t, text=True, recalls=(r,), ramps=(w,)) for t, r, w in zipped]


def test_recall_adds_the_mean_of_all_text_before() -> None:
    stages = chain((0, 0, 0.7, 0), (0, 0, 0, 0))
    dose = [sum(s.dose().get(name, 0.0) for s in stages[:2]) for name in DOMAINS]
    mean = np.array(dose) / 700_000
    found = stages[2].curve.weights_at([0.0, 0.4, 1.0], DOMAINS)
    wanted = 0.7 * mean + 0.3 * OWN[2].weights_at([0.0, 0.4, 1.0], DOMAINS)
    np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_a_ramp_begins_where_the_stage_before_ended() -> None:
    stages = chain((0, 0, 0, 0.4), (0, 0.3, 0.0, 0.5))
    start = stages[3].curve.weights_at([0.0], DOMAINS)
    np.testing.assert_allclose(start, stages[2].curve.weights_at([1.0], DOMAINS), atol=1e-7)
    after = stages[1].curve.weights_at([0.3, 0.8], DOMAINS)
    np.testing.assert_allclose(after, OWN[1].weights_at([0.3, 0.8], DOMAINS), atol=1e-7)
    assert carried(OWN[1], stages[:1], 0.0, 0.0) is OWN[1]


@pytest.mark.parametrize(
    ("recalls", "ramps"),
    [
        ((0, 0, 0, 0), (0, 0, 0, 0)),
        ((0, 0.3, 0.7, 1.0), (0, 0, 0, 0)),
        ((0, 0, 0, 0), (0, 0.5, 1.0, 0.2)),
        ((0, 0.2, 0.6, 0.4), (0, 0.9, 0.1, 0.5)),
    ],
)
def test_loads_of_own_mixtures_add_up_to_the_dose(
    recalls: tuple[float, ...], ramps: tuple[float, ...]
) -> None:
    stages = chain(recalls, ramps)
    dose = np.zeros(3)
    for made in stages:
        dose += [made.dose().get(name, 0.0) for name in DOMAINS]
    found = np.zeros(3)
    (loads,) = scenarios(links(recalls, ramps))
    for load, own, width in zip(loads, OWN, ramps, strict=True):
        mean, last = body(own, width), own.knots[-1].mixture.as_dict()
        found += [load.body * mean.get(n, 0.0) + load.last * last.get(n, 0.0) for n in DOMAINS]
    np.testing.assert_allclose(found, dose, rtol=3e-3)  # a ramp follows a cosine by straight pieces
    assert found.sum() == pytest.approx(1_000_000)


def test_scenarios_are_the_plan_and_all_extremes() -> None:
    chained = [
        Link(tokens=600, text=True),
        Link(tokens=400, text=True, recalls=(0.2, 0.8), opens=(0.1, 0.9)),
        Link(tokens=50, text=False),
    ]
    found = [tuple(load.body for load in loads) for loads in scenarios(chained)]
    assert found[0] == pytest.approx((680, 320, 50))
    assert {tuple(np.round(each, 6)) for each in found[1:]} == {
        (280.0, 720.0, 50.0),
        (820.0, 180.0, 50.0),
        (920.0, 80.0, 50.0),
        (980.0, 20.0, 50.0),
    }


def test_gates_in_a_row_move_tokens_one_after_the_other() -> None:
    gated = [
        Link(tokens=t, text=True, opens=(0.0, 1.0) if n else None) for n, t in enumerate((6, 4, 10))
    ]
    assert timed_tokens(gated, (0.0, 0.5, 0.2)) == [5, 3, 12]


@pytest.mark.parametrize("own", OWN)
def test_the_body_is_what_a_ramp_leaves(own: MixtureCurve) -> None:
    assert body(own, 0.0) == own.mean().as_dict()
    fine = np.linspace(0, 1, 20_001)
    weights = own.weights_at(fine, DOMAINS)
    share = np.where(fine < 0.4, fine / 0.4, 1.0)[:, None]
    # A ramp goes straight to the curve's value at its end, whatever the curve does before.
    weights[fine < 0.4] = own.weights_at([0.4], DOMAINS)
    wanted = np.trapezoid(weights * share, fine, axis=0) / 0.8
    found = [body(own, 0.4).get(name, 0.0) for name in DOMAINS]
    np.testing.assert_allclose(found, wanted, atol=3e-3)
