"""Learning-rate transfer: held-out loss over rates for several widths, and what one shared rate loses.

    python tests/benchmarks/learning_rate.py [--optimizers adamw,muon] [--widths 32,64,128] [--json]

Byte models read the source of the Python standard library. All rates and seeds of a width train
as one stack on the same rows; the loss is the mean over seeds on files that were not trained on.
"""

from __future__ import annotations

import argparse
import json
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.memory import keep_freed_memory
from mixopt.proxy.model import Stack
from mixopt.proxy.muon import make_optimizer
from mixopt.proxy.optimizer import AdamW

SEQUENCES: Final = 8
CONTEXT: Final = 128
VOCABULARY: Final = 256
_HELD_OUT_ROWS: Final = 96
_WARMUP: Final = 0.1  # of the steps, linear
_FLOOR: Final = 0.1  # of the peak rate, where the linear decay ends


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Held-out loss of one width at every rate."""

    optimizer: str
    width: int
    log2_rates: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]
    """[rates][seeds], nats per byte."""
    cpu_seconds: float

    @property
    def means(self) -> tuple[float, ...]:
        """Mean over seeds at every rate; infinite where one diverged."""
        found = (float(np.mean(row)) for row in self.losses)
        return tuple(mean if np.isfinite(mean) else float("inf") for mean in found)

    @property
    def best(self) -> float:
        """The best log2 rate, by a parabola through the best point and its neighbours."""
        means, place = np.array(self.means), int(np.argmin(self.means))
        if not 0 < place < len(means) - 1 or not np.isfinite(means[place - 1 : place + 2]).all():
            return self.log2_rates[place]
        left, middle, right = means[place - 1 : place + 2]
        step = self.log2_rates[place] - self.log2_rates[place - 1]
        return (
            self.log2_rates[place] + step * float((left - right) / (left - 2 * middle + right)) / 2
        )


def read_library() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the bytes of the standard library to train on, and those held out: every tenth file."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = [path for path in sorted(root.glob("*.py")) if path.stat().st_size > 1000]
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    for number, path in enumerate(files):
        parts[number % 10 == 0].append(path.read_bytes())
    train, held_out = (np.frombuffer(b"\0".join(part), np.uint8) for part in parts)
    return train, held_out


def proxy_of(width: int, optimizer: str, precision: str = "float32") -> ProxyRecipe:
    """Return the recipe of one width; everything but the width is shared."""
    return ProxyRecipe.model_validate(
        {
            "name": f"width-{width}",
            "architecture": {
                "width": width,
                "layers": 2,
                "heads": max(1, width // 16),
                "feedforward": 3 * width,
                "base_width": 64,
            },
            "training": {
                "context": CONTEXT,
                "sequences": SEQUENCES,
                "lm_tokens": SEQUENCES * CONTEXT,
                "sft_tokens": SEQUENCES * CONTEXT,
                "learning_rate": 1e-3,
                "sft_learning_rate": 1e-3,
                "optimizer": optimizer,
                "precision": precision,
            },
        }
    )


def draw(text: NDArray[np.uint8], rows: int, *names: str | int) -> torch.Tensor:
    """Return rows [rows, T+1] from anywhere in a text; the same for the same names."""
    starts = seeds.generator(0, *names).integers(0, len(text) - CONTEXT - 1, rows)
    return torch.from_numpy(text[starts[:, None] + np.arange(CONTEXT + 1)])


def train_curve(
    proxy: ProxyRecipe,
    log2_rates: Sequence[float],
    *,
    num_seeds: int,
    steps: int,
    optimizer_of: Callable[[Stack], AdamW] = make_optimizer,
) -> Curve:
    """Train all rates and seeds of one width as one stack, and measure them."""
    started = process_time()
    train, held_out = read_library()
    rates = torch.tensor([2.0**rate for rate in log2_rates], dtype=torch.float64)
    peaks = rates.repeat_interleave(num_seeds)
    members = list(range(num_seeds)) * len(log2_rates)
    stack = Stack.initialize(proxy, vocabulary=VOCABULARY, seeds=members)
    backend, optimizer = make_backend(stack), optimizer_of(stack)
    for step in range(steps):
        own = [draw(train, SEQUENCES, "train", seed, step) for seed in range(num_seeds)]
        backend.train(
            Batch(tokens=torch.stack([own[seed] for seed in members])), range(len(members))
        )
        optimizer.step(peaks * _shape((step + 1) / steps))
    rows = draw(held_out, _HELD_OUT_ROWS, "held out").unsqueeze(0)
    losses = backend.token_losses(rows).double().mean(dim=(1, 2)).view(-1, num_seeds)
    return Curve(
        optimizer=proxy.training.optimizer,
        width=proxy.architecture.width,
        log2_rates=tuple(log2_rates),
        losses=tuple(tuple(row) for row in losses.tolist()),
        cpu_seconds=process_time() - started,
    )


def show(curves: Sequence[Curve]) -> None:
    """Print losses by rate and width, the best rate of each, and the price of the shared one."""
    rates = curves[0].log2_rates
    print(
        f"\n{curves[0].optimizer}: held-out nats per byte, mean of {len(curves[0].losses[0])} seeds"
    )
    print("log2 rate   " + "".join(f"{rate:>8g}" for rate in rates) + "    best  at shared: loses")
    shared = rates[int(np.argmin(np.sum([curve.means for curve in curves], axis=0)))]
    for curve in curves:
        lost = curve.means[rates.index(shared)] - min(curve.means)
        cells = "".join(f"{mean:>8.3f}" for mean in curve.means)
        print(f"width {curve.width:<6}{cells}{curve.best:>8.2f}  2^{shared:g}: {lost:+.3f}")
    deviation = np.median([np.std(row, ddof=1) for c in curves for row in c.losses if len(row) > 1])
    seconds = sum(curve.cpu_seconds for curve in curves)
    print(f"median deviation over seeds {deviation:.3f}; {seconds:.0f} CPU-seconds")


def _shape(progress: float) -> float:
    rise = min(1.0, progress / _WARMUP)
    return rise * (1 - (1 - _FLOOR) * max(0.0, progress - _WARMUP) / (1 - _WARMUP))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--optimizers", default="adamw,muon")
    parser.add_argument("--widths", default="32,64,128")
    parser.add_argument("--log2-rates", default="-11,-10,-9,-8,-7,-6,-5,-4")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Train and print."""
    options = _options()
    torch.set_num_threads(1)
    keep_freed_memory()
    rates = [float(word) for word in options.log2_rates.split(",")]
    tables = []
    for optimizer in options.optimizers.split(","):
        curves = []
        for width in options.widths.split(","):
            proxy = proxy_of(int(width), optimizer, options.precision)
            curve = train_curve(proxy, rates, num_seeds=options.seeds, steps=options.steps)
            print(f"{optimizer} {width}: {curve.cpu_seconds:.0f} CPU-seconds", file=sys.stderr)
            curves.append(curve)
        tables.append(curves)
    if options.json:
        print(json.dumps([asdict(curve) for curves in tables for curve in curves], indent=2))
        return
    for curves in tables:
        show(curves)


if __name__ == "__main__":
    main()
