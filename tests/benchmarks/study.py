"""A whole study end to end against the naive loop: every trial alone with `LlamaForCausalLM`.

    python tests/benchmarks/study.py [--trials 64] [--steps 200] [--share 8] [--json]

Ours is `mixopt study run` without the command line: Optuna, ledger, plans, feed, forks on disk and
worker processes with their start-up, on as many workers as there are processors; held-out loss is
taken on a few rows. The naive loop has the same shape, steps, tokens and AdamW, random tokens that
cost nothing to feed, no measures and no start-up; as many loops run at once as ours has workers.
Its time per trial is measured on a few trials' worth of steps and multiplied.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from contestants import Cell, train_llama
from library import CONTEXT, LIMITS, SHARES, TARGET, build_library, proxy_of
from measure import Contestant, Race

from mixopt.corpus.store import TokenStore
from mixopt.schedule.space import Space
from mixopt.study.engines.local import LocalEngine
from mixopt.study.recipe import StudyRecipe
from mixopt.study.search import run_search
from mixopt.study.setup import StudySetup

_ROUNDS: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Ours:
    """What the study took."""

    wall_seconds: float
    cpu_seconds: float  # of the workers, without their start-up
    scheduled_tokens: int
    trained_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Naive:
    """What a loop per trial would take."""

    tokens_per_second: float  # of all loops that run at once
    tokens_per_cpu_second: float


def run_study(options: argparse.Namespace, store: TokenStore, folder: Path) -> Ours:
    """Run the search once."""
    free = {"free": {"prior": "uniform", "concentration": 12.0}}
    stages: list[dict[str, Any]] = [
        {"name": f"stage-{place}", "kind": "lm", "share": share, **free}
        for place, share in enumerate(SHARES)
    ]
    stages[-1]["share"] = "rest"
    settings = {
        "objective": "stage-2/bits_per_byte/mean",
        "trials": options.trials,
        "design": options.trials,
        "batch": options.trials,
        "seeds": 1,
        "share": options.share,
        "sampler": "sobol",
        "examination": {"held_out_sequences": 4},
    }
    table = {"name": "benchmark", "target": TARGET, "limits": LIMITS, "stage": stages}
    recipe = StudyRecipe.model_validate(table | {"study": settings})
    proxy = proxy_of(options.steps, sequences=options.sequences, optimizer="adamw")
    training = proxy.training.model_copy(update={"precision": options.precision})
    setup = StudySetup(
        recipe=recipe,
        space=Space(recipe=recipe, inventory=store.inventory),
        proxy=proxy.model_copy(update={"training": training}),
        store=store,
        folder=folder,
        storage=f"sqlite:///{folder / 'optuna.db'}",
    )
    started = perf_counter()
    with LocalEngine(options.workers) as engine:
        records = run_search(setup, engine, lambda _: None)
    return Ours(
        wall_seconds=perf_counter() - started,
        cpu_seconds=sum(record.cpu_seconds for record in records),
        scheduled_tokens=sum(record.tokens for record in records),
        trained_tokens=sum(record.trained_tokens for record in records),
    )


def time_naive(options: argparse.Namespace) -> Naive:
    """Time as many loops at once as the study has workers."""
    cell = Cell(width=64, layers=2, vocabulary=264, sequences=options.sequences, context=CONTEXT)
    loops = Contestant(name="hf", train=train_llama, processes=options.workers)
    with Race([loops], lap_seconds=options.seconds) as race:
        timing = race.run(cell, _ROUNDS)[0]
    if timing.failure:
        sys.exit(f"the naive loop failed: {timing.failure}")
    return Naive(
        tokens_per_second=timing.tokens_per_second,
        tokens_per_cpu_second=timing.tokens_per_cpu_second,
    )


def show(ours: Ours, naive: Naive) -> None:
    """Print both, and the ratios."""
    sharing = ours.scheduled_tokens / ours.trained_tokens
    naive_wall = ours.scheduled_tokens / naive.tokens_per_second
    naive_cpu = ours.scheduled_tokens / naive.tokens_per_cpu_second
    print(f"{ours.scheduled_tokens:,} tokens scheduled, {ours.trained_tokens:,} trained")
    print(f"{'':<24}{'wall s':>10}{'CPU s':>10}")
    print(f"{'ours':<24}{ours.wall_seconds:>10.1f}{ours.cpu_seconds:>10.1f}")
    print(f"{'naive, multiplied':<24}{naive_wall:>10.1f}{naive_cpu:>10.1f}")
    wall, cpu = naive_wall / ours.wall_seconds, naive_cpu / ours.cpu_seconds
    print(f"{'times as fast':<24}{wall:>10.1f}{cpu:>10.1f}")
    print(f"of which {sharing:.2f} by sharing, and {cpu / sharing:.2f} by the engine (CPU time)")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--steps", type=int, default=200, help="of one trial")
    parser.add_argument("--share", type=int, default=8, help="trials with common first stages")
    parser.add_argument("--sequences", type=int, default=8, help="of 128 tokens per step")
    parser.add_argument("--precision", default="bfloat16", choices=["float32", "bfloat16"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a lap of the naive loop")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = build_library(folder)
        (folder / "study").mkdir()
        naive = time_naive(options)
        ours = run_study(options, store, folder / "study")
    if options.json:
        print(json.dumps({"ours": asdict(ours), "naive": asdict(naive)}, indent=2))
    else:
        show(ours, naive)


if __name__ == "__main__":
    main()
