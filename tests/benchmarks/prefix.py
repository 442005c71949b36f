"""Prefix sharing, apart from the speed of the engine: CPU time with and without it, and the ideal.

    python tests/benchmarks/prefix.py [--steps 100] [--trials 16] [--share 8,4,1] [--json]

Trials train in three stages of 60%, 30% and 10% of the steps; so many in a row share each of them.
Without sharing the same trials have a seed each, so that nothing is common and all else is equal:
both go through lanes of one width. The ideal is the ratio of the steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import process_time

import torch
from library import build_library, family, proxy_of, schedule_of

from mixopt.proxy.memory import keep_freed_memory
from mixopt.training.examiner import Examination
from mixopt.training.lane import LaneJob, plan_of, train_lane
from mixopt.training.runs import Reports
from mixopt.training.states import StateSettings
from mixopt.training.tree import Member, grow, naive_steps, unique_steps


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What sharing saved."""

    ideal: float  # steps without sharing over steps with it
    unshared_seconds: tuple[float, ...]
    shared_seconds: tuple[float, ...]

    @property
    def measured(self) -> float:
        """Ratio of CPU times, the median over paired repetitions."""
        pairs = zip(self.unshared_seconds, self.shared_seconds, strict=True)
        return statistics.median(unshared / shared for unshared, shared in pairs)

    @property
    def efficiency(self) -> float:
        """Share of the ideal that is reached."""
        return self.measured / self.ideal


def job_of(options: argparse.Namespace, folder: Path) -> LaneJob:
    """Return all trials as one lane."""
    store = build_library(folder)
    groups = [int(word) for word in options.share.split(",")]
    members = tuple(
        Member(trial=f"trial-{n}", seed=0, schedule=schedule_of(store.inventory, mixtures))
        for n, mixtures in enumerate(family(options.trials, groups))
    )
    return LaneJob(
        proxy=proxy_of(options.steps, sequences=options.sequences, optimizer=options.optimizer),
        store=store,
        members=members,
        examination=Examination(split="validation", levels={}, problems=1, held_out_sequences=1),
        width=options.width,
    )


def seconds_of(job: LaneJob) -> float:
    """Train a lane and return its CPU-seconds; states go to disk as in a study."""
    with tempfile.TemporaryDirectory() as folder:
        states = StateSettings(folder=Path(folder), keep_stages=True)
        started = process_time()
        train_lane(replace(job, states=states), Reports(progress=_ignore, results=_ignore))
        return process_time() - started


def ratio_of_steps(job: LaneJob) -> float:
    """Return the steps of all members alone over those of their tree."""
    plans = [plan_of(member, job.proxy, job.store) for member in job.members]
    roots = grow(job.members, plans, "")
    return naive_steps(roots) / unique_steps(roots)


def measure(options: argparse.Namespace, folder: Path) -> Finding:
    """Train with and without sharing, in turns."""
    shared = job_of(options, folder)
    alone = [replace(each, seed=number) for number, each in enumerate(shared.members)]
    unshared = replace(shared, members=tuple(alone))
    seconds_of(replace(shared, members=shared.members[:1]))  # what is compiled at first use
    seconds: tuple[list[float], list[float]] = ([], [])
    for repetition in range(options.repetitions):
        for place in (0, 1) if repetition % 2 else (1, 0):
            seconds[place].append(seconds_of((unshared, shared)[place]))
        print(f"repetition {repetition + 1} of {options.repetitions}", file=sys.stderr)
    return Finding(
        ideal=ratio_of_steps(shared),
        unshared_seconds=tuple(seconds[0]),
        shared_seconds=tuple(seconds[1]),
    )


def _ignore(_news: int | Sequence[object]) -> None:
    pass


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--steps", type=int, default=100, help="of one trial")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--share", default="8,4,1", help="trials that share each stage")
    parser.add_argument("--sequences", type=int, default=8, help="of 128 tokens per step")
    parser.add_argument("--optimizer", default="adamw", choices=["adamw", "muon"])
    parser.add_argument("--width", type=int, default=None, help="members of a lane")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = _options()
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, Path(folder))
    if options.json:
        rates = {"measured": found.measured, "efficiency": found.efficiency}
        print(json.dumps(asdict(found) | rates, indent=2))
        return
    print(f"{options.trials} trials of {options.steps} steps, sharing {options.share}")
    print(f"CPU-seconds without sharing {statistics.median(found.unshared_seconds):8.2f}")
    print(f"CPU-seconds with sharing    {statistics.median(found.shared_seconds):8.2f}")
    print(f"measured {found.measured:.2f}x of an ideal {found.ideal:.2f}x: {found.efficiency:.0%}")


if __name__ == "__main__":
    main()
