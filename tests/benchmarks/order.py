"""Order apart from dose: gates that open where a proxy is ready, and a curriculum against its controls.

    python tests/benchmarks/order.py [--folder mixopt-demo] [--seeds 6] [--score length]

The gate puts task-like text first in once the proxy reads code well enough; mixtures before it
differ. The curriculum sorts one stage by a score, easiest first and hardest first, and moves its
mixture; its controls spend the same doses in one constant, shuffled mixture. Gains are paired by
seed, on the test split, with 95% intervals.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from demo_text import (
    MIXTURES,
    by_seed,
    examination_of,
    members_of,
    open_demo,
    train_all,
    with_curves,
)

from mixopt.evaluation.measure import direction_of
from mixopt.evaluation.result import MemberResult
from mixopt.evaluation.score import difference, score
from mixopt.schedule.curve import Knot, MixtureCurve, constant
from mixopt.schedule.gate import Gate
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.rate import RateShape
from mixopt.schedule.schedule import Ordering, Schedule
from mixopt.schedule.space import Space
from mixopt.study.controls import controls_of

KEYS: Final = ("late/bits_per_byte/mean", "sft/answer_bits_per_byte/mean", "sft/accuracy/mean")
GATE: Final = Gate(
    measure="bits_per_byte/code", below=3.3, checks=2, margin=0.05, earliest=0.1, latest=0.9
)
_FIRST_SEED: Final = 8_000


def two_stages(space: Space, early: MixtureCurve, late: MixtureCurve) -> Schedule:
    """Return the demo's schedule with two halves of pretraining, the second with a decay."""
    base = with_curves(space.resolve(space.baseline("natural")), early)
    first, second, *rest = base.stages
    half = base.target.tokens // 2
    stages = (
        replace(first, name="early", tokens=half, curve=early, learning_rate=RateShape(warmup=0.1)),
        replace(
            second,
            name="late",
            tokens=base.target.tokens - half,
            curve=late,
            learning_rate=RateShape(decay=0.6, floor=0.1),
        ),
    )
    return replace(base, stages=(*stages, *rest))


def gated(space: Space) -> dict[str, Schedule]:
    """Return schedules whose second stage waits for a measure, by the mixture of their first."""
    found = {}
    for name in ("code", "balanced", "task-heavy", "prose"):
        early, late = (constant(mixture_of(MIXTURES[each])) for each in (name, "task-heavy"))
        schedule = two_stages(space, early, late)
        first, second, *rest = schedule.stages
        found[name] = replace(schedule, stages=(first, replace(second, gate=GATE), *rest))
    return found


def curricula(space: Space, score_name: str) -> dict[str, Schedule]:
    """Return a schedule in the orders that are compared, with its controls of the same dose."""
    mixtures = [mixture_of(MIXTURES[name]) for name in ("prose", "task-heavy")]
    knots = tuple(Knot(at=at, mixture=each) for at, each in zip((0.0, 1.0), mixtures, strict=True))
    rising = MixtureCurve(shape="linear", knots=knots)
    base = two_stages(space, constant(mixtures[0]), rising)
    found = {"text first": base}
    for name, strength in (("short first", 1.0), ("long first", -1.0)):
        ordering = Ordering(score=score_name, strength=strength)
        stages = tuple(
            replace(stage, ordering=ordering) if stage.kind == "lm" else stage
            for stage in base.stages
        )
        found[f"text first, {name}"] = replace(base, stages=stages)
    backwards = replace(rising, knots=tuple(replace(k, at=1 - k.at) for k in reversed(knots)))
    found["tasks first"] = two_stages(space, backwards, constant(mixtures[0]))
    supply = space.inventory.supply(tuple(base.dose()))
    found |= {control.label: control.schedule for control in controls_of(base, supply)}
    return found


def show_gates(results: Sequence[MemberResult], names: Sequence[str]) -> None:
    """Print where the gate opened for every mixture."""
    sys.stdout.write(f"gate: {GATE}\n")
    for name in names:
        shares = [
            figure.value
            for result in results
            if result.trial == name
            for figure in result.figures
            if figure.name == "opened_at"
        ]
        shown = ", ".join(f"{share:.2f}" for share in shares)
        sys.stdout.write(f"  {name:12} opened at {np.mean(shares):.3f} of the tokens ({shown})\n")


def show_gains(results: Sequence[MemberResult], names: Sequence[str], base: str) -> None:
    """Print every measure of every order, and its gain over the control."""
    for key in KEYS:
        sign = 1 if direction_of(key) == "maximize" else -1
        control = by_seed(results, base, key)
        sys.stdout.write(f"{key}: mean, and gain over {base} with its 95% interval\n")
        for name in names:
            sys.stdout.write(f"  {name:26} {_line(by_seed(results, name, key), control, sign)}\n")


def _line(values: Mapping[int, float], control: Mapping[int, float], sign: int) -> str:
    found = score(list(values.values()))
    text = f"{found.value:8.4f} +- {found.standard_error:.4f}"
    common = sorted(values.keys() & control.keys())
    if values == control or len(common) < 2:
        return text
    gain = difference([sign * values[s] for s in common], [sign * control[s] for s in common])
    return f"{text}  {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"


def main() -> None:
    """Train, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path("mixopt-demo"))
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--score", default="length")
    options = parser.parse_args()
    space, recipe, store, proxy = open_demo(options.folder, "demo")
    gates, orders = gated(space), curricula(space, options.score)
    seeds = range(_FIRST_SEED, _FIRST_SEED + options.seeds)
    members = members_of(gates | orders, seeds)
    results = train_all(store, proxy, members, examination_of(recipe))
    show_gates(results, list(gates))
    show_gains(results, list(orders), "same-dose")


if __name__ == "__main__":
    main()
