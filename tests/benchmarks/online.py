"""Online policies against fixed mixtures and a searched schedule, after pretraining and after SFT.

    python tests/benchmarks/online.py [--folder mixopt-demo] [--seeds 6] [--policies doremi,ado,...]

All have the tokens and the learning rate of the demo's two phases, in one stage; a policy starts
from the natural mixture and sets 32 mixtures. The searched schedule is that which `mixopt demo`
wrote into the folder, where there is one. Seeds are fresh, measures are on the test split.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from demo_text import by_seed, examination_of, members_of, open_demo, train_all, with_curves

from mixopt.evaluation.measure import direction_of
from mixopt.evaluation.score import difference, score
from mixopt.schedule.curve import constant
from mixopt.schedule.rate import RateShape
from mixopt.schedule.recipe import ScheduleRecipe, read_schedule
from mixopt.schedule.schedule import Online, Schedule
from mixopt.schedule.space import Space
from mixopt.study.recommendation import SCHEDULE_FILE
from mixopt.training.online.table import POLICIES

MEASURES: Final = (
    "pretrain/bits_per_byte/mean",
    "sft/answer_bits_per_byte/mean",
    "sft/accuracy/mean",
)
_FIRST_SEED: Final = 7_000


def one_stage(schedule: Schedule, curve_of: Schedule, policy: str | None = None) -> Schedule:
    """Return a schedule whose lm stages are one, with the mean mixture of another schedule."""
    curve = constant(curve_of.mean_mixture("lm"))
    base = with_curves(schedule, curve)
    rest = [stage for stage in base.stages if stage.kind != "lm"]
    whole = replace(
        base.stages[0],
        name="pretrain",
        tokens=base.target.tokens,
        learning_rate=RateShape(warmup=0.03, decay=0.3, floor=0.1),
        online=None if policy is None else Online(policy=policy),
    )
    return replace(base, stages=(whole, *rest))


def schedules_of(space: Space, folder: Path, policies: list[str]) -> dict[str, Schedule]:
    """Return everything that is compared, by name."""
    natural = space.resolve(space.baseline("natural"))
    found = {
        name: one_stage(natural, space.resolve(space.baseline(name)))
        for name in ("natural", "uniform", "unimax")
    }
    found |= {policy: one_stage(natural, natural, policy) for policy in policies}
    searched = folder / "demo" / SCHEDULE_FILE
    if searched.is_file():
        recipe = read_schedule(searched, space.inventory, ScheduleRecipe)
        best = Space(recipe=recipe, inventory=space.inventory).resolve({})
        found["searched"] = _renamed(best)
        found["searched-constant"] = one_stage(natural, best)
    return found


def _renamed(schedule: Schedule) -> Schedule:
    """Return the schedule with its last lm stage named as that of the others."""
    last = [stage.name for stage in schedule.stages if stage.kind == "lm"][-1]
    stages = tuple(
        replace(stage, name="pretrain") if stage.name == last else stage
        for stage in schedule.stages
    )
    return replace(schedule, stages=stages)


def compared(values: Mapping[int, float], base: Mapping[int, float], key: str) -> str:
    """Return a mean with its standard error, and the gain over a base with its 95% interval."""
    found = score(list(values.values()))
    text = f"{found.value:8.4f} +- {found.standard_error:.4f}"
    common = sorted(values.keys() & base.keys())
    if values == base or len(common) < 2:
        return f"{text} {'':26}"
    sign = 1 if direction_of(key) == "maximize" else -1
    gain = difference([sign * values[s] for s in common], [sign * base[s] for s in common])
    return f"{text} {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]".ljust(48)


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path("mixopt-demo"))
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--policies", default=",".join(POLICIES))
    options = parser.parse_args()
    space, recipe, store, proxy = open_demo(options.folder, "demo")
    schedules = schedules_of(space, options.folder, options.policies.split(","))
    members = members_of(schedules, range(_FIRST_SEED, _FIRST_SEED + options.seeds))
    results = train_all(store, proxy, members, examination_of(recipe))
    for key in MEASURES:
        sys.stdout.write(f"\n{key}: mean, and gain over natural with its 95% interval\n")
        base = by_seed(results, "natural", key)
        for name in schedules:
            sys.stdout.write(f"  {name:20} {compared(by_seed(results, name, key), base, key)}\n")
    sys.stdout.write("\nCPU seconds of a proxy, and the mixture at the end (means over seeds)\n")
    for name in schedules:
        own = [result for result in results if result.trial == name]
        last = [result.chosen[-1].mixture.as_dict() for result in own if result.chosen]
        domains = sorted({domain for mixture in last for domain in mixture})
        ends = {each: np.mean([mixture.get(each, 0.0) for mixture in last]) for each in domains}
        shown = ", ".join(f"{domain} {share:.2f}" for domain, share in ends.items())
        seconds = np.mean([result.cpu_seconds for result in own])
        sys.stdout.write(f"  {name:20} {seconds:6.1f}  {shown}\n")


if __name__ == "__main__":
    main()
