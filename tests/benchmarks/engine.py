"""The engine against other ways to train small models on this processor.

    python tests/benchmarks/engine.py [--quick] [--cells 3,4] [--rounds 7] [--json]

One thread per process; equal shapes, vocabulary, tokens per step and member, optimizer (AdamW) and
clipping. The baseline is a bare loop over `LlamaForCausalLM` with fused AdamW. Muon, which costs
more per step and learns more from it, and two processes at once stand apart.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from typing import Final

from contestants import Cell, train_llama, train_ours, train_plain, train_with_trainer
from measure import Contestant, Race, Timing

CELLS: Final = (
    Cell(width=32, layers=2, vocabulary=512, sequences=1, context=64),
    Cell(width=32, layers=2, vocabulary=512, sequences=4, context=64),
    Cell(width=32, layers=2, vocabulary=512, sequences=16, context=64),
    Cell(width=64, layers=2, vocabulary=512, sequences=1, context=64),
    Cell(width=64, layers=2, vocabulary=512, sequences=4, context=64),
    Cell(width=64, layers=2, vocabulary=512, sequences=2, context=128),
    Cell(width=64, layers=2, vocabulary=512, sequences=8, context=128),
    Cell(width=64, layers=2, vocabulary=4096, sequences=4, context=128),
    Cell(width=128, layers=4, vocabulary=512, sequences=2, context=128),
    Cell(width=128, layers=4, vocabulary=512, sequences=8, context=128),
    Cell(width=256, layers=4, vocabulary=512, sequences=8, context=128),
)
QUICK: Final = (4, 6, 9)
MEMBERS: Final = 16
SWEEP: Final = (1, 4, 8, 32)
BASELINE: Final = "hf"


def ours(members: int, precision: str, optimizer: str = "adamw", processes: int = 1) -> Contestant:
    """Return our engine at some width."""
    train = partial(train_ours, members=members, precision=precision, optimizer=optimizer)
    short = {"float32": "fp32", "bfloat16": "bf16"}[precision]
    name = f"ours {short} K={members}" + (" muon" if optimizer == "muon" else "")
    return Contestant(name=_times(name, processes), train=train, processes=processes)


def field(*, quick: bool) -> list[Contestant]:
    """Return all that are timed."""
    others = [
        Contestant(name=BASELINE, train=train_llama),
        Contestant(name="hf autocast", train=partial(train_llama, autocast=True)),
        Contestant(name="plain fp32", train=partial(train_plain, precision="float32")),
        Contestant(name="plain bf16", train=partial(train_plain, precision="bfloat16")),
    ]
    mine = [ours(MEMBERS, "float32"), ours(MEMBERS, "bfloat16"), ours(1, "bfloat16")]
    if quick:
        return [*others, *mine]
    if find_spec("accelerate") is not None:
        others.append(Contestant(name="hf trainer", train=train_with_trainer))
    else:
        print("hf trainer: left out, as `accelerate` is not installed", file=sys.stderr)
    others.append(Contestant(name="hf medium", train=partial(train_llama, medium=True)))
    others.append(Contestant(name=_times(BASELINE, 2), train=train_llama, processes=2))
    mine += [ours(1, "float32"), *(ours(members, "bfloat16") for members in SWEEP[1:])]
    mine += [ours(MEMBERS, precision, "muon") for precision in ("float32", "bfloat16")]
    mine.append(ours(MEMBERS, "bfloat16", processes=2))
    return [*others, *mine]


def show(cell: Cell, timings: Sequence[Timing]) -> None:
    """Print one cell."""
    print(f"\n{cell}: {cell.tokens} tokens per step and member")
    print(f"{'':<24}{'tok/CPU-s':>11}{'x hf':>7}{'tok/s':>11}{'x hf':>7}{'start-up s':>12}")
    found = {timing.name: timing for timing in timings}
    baseline = found[BASELINE]
    if baseline.failure:
        sys.exit(f"the baseline failed: {baseline.failure}")
    for timing in timings:
        if timing.failure:
            print(f"{timing.name:<24}failed: {timing.failure}")
            continue
        print(
            f"{timing.name:<24}{timing.tokens_per_cpu_second:>11,.0f}"
            f"{timing.ratio(baseline):>7.2f}{timing.tokens_per_second:>11,.0f}"
            f"{timing.wall_ratio(baseline):>7.2f}{timing.start_up_cpu_seconds:>12.1f}"
        )
    gains = [name for name in found if name.startswith("ours") and not found[name].failure]
    if all(found[name].ratio(baseline) <= 1 for name in gains):
        print("nothing is gained here")


def show_summary(table: Mapping[Cell, Sequence[Timing]]) -> None:
    """Print the ratios of all cells side by side."""
    names = [timing.name for timing in next(iter(table.values()))]
    print("\nTokens per CPU-second, times the bare hf loop (medians of paired laps)")
    for name in names:
        print(f"  {name:<24}", end="")
        for timings in table.values():
            found = {timing.name: timing for timing in timings}
            ok = not found[name].failure
            print(f"{found[name].ratio(found[BASELINE]):>8.2f}" if ok else f"{'-':>8}", end="")
        print()
    for number, cell in enumerate(table):
        print(f"  column {number + 1}: {cell}")


def _facts(timings: Sequence[Timing]) -> list[dict[str, object]]:
    baseline = next(timing for timing in timings if timing.name == BASELINE)
    return [
        {
            "name": timing.name,
            "tokens_per_cpu_second": timing.tokens_per_cpu_second,
            "times_baseline": timing.ratio(baseline),
            "tokens_per_second": timing.tokens_per_second,
            "times_baseline_by_clock": timing.wall_ratio(baseline),
            "start_up_cpu_seconds": timing.start_up_cpu_seconds,
        }
        for timing in timings
        if not timing.failure
    ]


def _times(name: str, processes: int) -> str:
    return name if processes == 1 else f"{name} x{processes}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cells", default="", help="numbers from 0; by default all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.6, help="CPU-seconds of a lap")
    parser.add_argument("--quick", action="store_true", help="three cells and fewer contestants")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Race and print."""
    options = _options()
    chosen = [int(word) for word in options.cells.split(",") if word] or (
        list(QUICK) if options.quick else list(range(len(CELLS)))
    )
    table: dict[Cell, list[Timing]] = {}
    with Race(field(quick=options.quick), lap_seconds=options.seconds) as race:
        for number in chosen:
            table[CELLS[number]] = race.run(CELLS[number], options.rounds)
            if not options.json:
                show(CELLS[number], table[CELLS[number]])
    if options.json:
        rows = [asdict(cell) | {"contestants": _facts(each)} for cell, each in table.items()]
        print(json.dumps({"machine": platform.processor(), "cells": rows}, indent=2))
    elif len(table) > 1:
        show_summary(table)


if __name__ == "__main__":
    main()
