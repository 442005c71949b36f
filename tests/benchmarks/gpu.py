"""The engine against other ways to train small models on a CUDA device; the H200 tables.

    python tests/benchmarks/gpu.py [--proxies micro,small] [--tokens 2048,8192,32768] [--sweep]
                                   [--vocabularies 32768] [--rounds 5] [--seconds 0.5] [--json]

Equal shapes, vocabulary, tokens per step and member, optimizer (AdamW), clipping and bfloat16
products over float32 masters. Contestants of a cell take turns on the one device; figures are
medians over laps, ratios medians of laps of one round. Start-up (compilation, capture) is apart.
`hf` is `LlamaForCausalLM` in eager mode under autocast, `hf compiled` the same under
`torch.compile` with its own CUDA graphs, `solo` our step with one member: compiled, and captured
as one graph. `--on-cpu` tries the program itself where there is no device; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from itertools import count
from time import perf_counter, process_time
from typing import Any, Final

import torch

from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.capture import is_out_of_memory
from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.proxy.cost import cost_of, measure_peak, utilization
from mixopt.proxy.device_memory import release
from mixopt.proxy.model import Stack
from mixopt.proxy.muon import make_optimizer
from mixopt.proxy.planner import plan_lane

RATE: Final = 1e-3
WAITING: Final = 64
"""Members that a study has in store, for the planner to choose from."""
WARM_UPS: Final = 5
BASELINE: Final = "hf"

Steps = Iterator[int]
"""Endless training; every step yields the tokens that it took."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One shape of proxy and step."""

    proxy: ProxyRecipe
    vocabulary: int

    def __str__(self) -> str:
        """Return the cell as a table shows it."""
        tokens = f"{self.proxy.training.step_tokens:,} tokens per step and member"
        return f"{self.proxy.name} V={self.vocabulary} {tokens}"


@dataclass(kw_only=True, slots=True)
class Contestant:
    """One way to train, its start-up and its laps: (tokens per second, CPU-seconds per second)."""

    name: str
    start: Callable[[Cell, torch.device], Steps]
    start_up_seconds: float = 0.0
    laps: list[tuple[float, float]]
    failure: str = ""

    @property
    def rate(self) -> float:
        """Median tokens per second."""
        return statistics.median(rate for rate, _ in self.laps)

    def ratio(self, other: Contestant) -> float:
        """Return how many times as fast it is, paired by round."""
        pairs = zip(self.laps, other.laps, strict=True)
        return statistics.median(mine[0] / theirs[0] for mine, theirs in pairs)


def cells(arguments: argparse.Namespace) -> Iterator[Cell]:
    """Yield the cells that are asked for, the same recipe but for optimizer and step."""
    for name in arguments.proxies.split(","):
        recipe = read_proxy(name)
        for vocabulary in map(int, arguments.vocabularies.split(",")):
            for tokens in map(int, arguments.tokens.split(",")):
                sequences = max(1, tokens // recipe.training.context)
                changes = {"sequences": sequences, "optimizer": "adamw", "precision": "bfloat16"}
                training = recipe.training.model_copy(update=changes)
                proxy = recipe.model_copy(update={"training": training})
                yield Cell(proxy=proxy, vocabulary=vocabulary)


def train_stack(
    cell: Cell, device: torch.device, *, members: int | None = None, optimizer: str = "adamw"
) -> Steps:
    """Train as a lane does: as many members as the planner says, or as told."""
    training = cell.proxy.training.model_copy(update={"optimizer": optimizer})
    proxy = cell.proxy.model_copy(update={"training": training})
    micro = None
    if members is None:
        plan = plan_lane(proxy, vocabulary=cell.vocabulary, device=device, waiting=WAITING)
        members, micro = plan.members, plan.micro_sequences
    one = Stack.initialize(proxy, vocabulary=cell.vocabulary, seeds=[0], device=device)
    stack = Stack(proxy, vocabulary=cell.vocabulary, parameters=one.parameters.repeat(members, 1))
    backend, updates = make_backend(stack, micro), make_optimizer(stack)
    for step, tokens in enumerate(_tokens(cell, members)):
        backend.train(Batch(tokens=tokens), range(members))
        updates.step(torch.full((members,), RATE * _warm_up(step))).cpu()
        yield members * training.step_tokens


def train_llama(cell: Cell, device: torch.device, *, compiled: bool = False) -> Steps:
    """Train `LlamaForCausalLM` in a bare loop: fused AdamW, clipping, a schedule."""
    model = _llama(cell).to(device)
    forward = torch.compile(model, mode="reduce-overhead") if compiled else model
    fused = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(fused, _warm_up)
    for tokens in _tokens(cell, 1):
        rows = tokens[0, :, :-1].to(device, non_blocking=True)
        with _autocast(device):
            loss = forward(input_ids=rows, labels=rows).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        fused.step()
        schedule.step()
        fused.zero_grad(set_to_none=True)
        yield cell.proxy.training.step_tokens


def field(*, sweep: bool, on_cpu: bool) -> list[Contestant]:
    """Return all that are timed."""

    def lane(**options: Any) -> Callable[[Cell, torch.device], Steps]:  # noqa: ANN401 - passed on
        return lambda cell, device: train_stack(cell, device, **options)

    starts: dict[str, Callable[[Cell, torch.device], Steps]] = {BASELINE: train_llama}
    if not on_cpu:
        starts["hf compiled"] = lambda cell, device: train_llama(cell, device, compiled=True)
    starts |= {"solo": lane(members=1), "lane": lane()}
    if sweep:
        starts |= {f"lane K={members}": lane(members=members) for members in (4, 16, 32, 64)}
        starts["lane muon"] = lane(optimizer="muon")
    return [Contestant(name=name, start=start, laps=[]) for name, start in starts.items()]


def race(cell: Cell, field: Sequence[Contestant], device: torch.device, options: Any) -> None:  # noqa: ANN401 - argparse
    """Start all contestants, then time them in turns; one that fails says why and drops out."""
    running: list[tuple[Contestant, Steps]] = []
    for contestant in field:
        started = perf_counter()
        steps = contestant.start(cell, device)
        if _attempt(contestant, steps, WARM_UPS, device):
            contestant.start_up_seconds = perf_counter() - started
            running.append((contestant, steps))
    for number in range(options.rounds):
        # Every other round goes the other way, so that a drift favours nobody.
        for contestant, steps in running if number % 2 == 0 else reversed(running):
            contestant.laps.append(_lap(steps, options.seconds, device))


def show(cell: Cell, field: Sequence[Contestant], peak: float) -> None:
    """Print one cell."""
    print(f"\n{cell}")
    print(f"{'':<14}{'tok/s':>14}{'x hf':>8}{'x solo':>8}{'MFU':>7}{'CPU':>6}{'start-up s':>12}")
    found = {each.name: each for each in field}
    cost = cost_of(cell.proxy, cell.vocabulary)
    for each in field:
        if not each.laps:
            print(f"{each.name:<14} {each.failure}")
            continue
        ratios = [
            f"{each.ratio(found[name]):8.2f}" if found[name].laps else f"{'-':>8}"
            for name in (BASELINE, "solo")
        ]
        share = utilization(each.rate, cost, peak)
        busy = statistics.median(cpu for _, cpu in each.laps)
        rest = f"{share:7.1%}{busy:6.2f}{each.start_up_seconds:12.1f}"
        print(f"{each.name:<14}{each.rate:14,.0f}{''.join(ratios)}{rest}")


def main() -> None:
    """Time all cells on the one device."""
    options = _options()
    if not torch.cuda.is_available() and not options.on_cpu:
        sys.exit("No CUDA device is at hand: nothing was measured. Run this where there is one.")
    device = torch.device("cpu" if options.on_cpu else "cuda")
    peak = measure_peak(device, "bfloat16")
    name = (
        "a CPU (a trial of the program)" if options.on_cpu else torch.cuda.get_device_name(device)
    )
    print(f"{name}, torch {torch.__version__}, measured peak {peak / 1e12:.1f} TFLOP/s bfloat16")
    results = []
    for cell in cells(options):
        contestants = field(sweep=options.sweep, on_cpu=options.on_cpu)
        race(cell, contestants, device, options)
        show(cell, contestants, peak)
        for each in contestants:
            row = asdict(each) | {"cell": str(cell), "start": None}
            results.append(row)
        release()
    if options.json:
        print(json.dumps({"device": name, "peak_flops": peak, "results": results}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--proxies", default="micro,small")
    parser.add_argument("--tokens", default="2048,8192,32768", help="per step and member")
    parser.add_argument("--vocabularies", default="32768")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a lap, at least")
    parser.add_argument("--sweep", action="store_true", help="also several K, and Muon")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--on-cpu", action="store_true", help="try the program itself")
    return parser.parse_args()


def _attempt(contestant: Contestant, steps: Steps, number: int, device: torch.device) -> bool:
    try:
        for _ in range(number):
            next(steps)
        _synchronize(device)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        kind = "out of memory" if is_out_of_memory(error) else type(error).__name__
        contestant.failure = f"left out: {kind}: {error}"[:200]
    if contestant.failure:
        release()
    return not contestant.failure


def _lap(steps: Steps, seconds: float, device: torch.device) -> tuple[float, float]:
    """Return tokens per second, and CPU-seconds per second, of a lap."""
    started, cpu_started, tokens = perf_counter(), process_time(), 0
    while perf_counter() - started < seconds:
        for _ in range(4):  # eager loops run ahead of the device; the lap ends with it
            tokens += next(steps)
        _synchronize(device)
    elapsed = perf_counter() - started
    return tokens / elapsed, (process_time() - cpu_started) / elapsed


def _tokens(cell: Cell, members: int) -> Iterator[torch.Tensor]:
    """Yield ids [K, B, T+1] for ever; a few steps of them, over and over."""
    training, generator = cell.proxy.training, torch.Generator().manual_seed(0)
    shape = (members, training.sequences, training.context + 1)
    kept = [torch.randint(cell.vocabulary, shape, generator=generator) for _ in range(4)]
    return (kept[step % len(kept)] for step in count())


def _warm_up(step: int) -> float:
    return min(1.0, (step + 1) / 10)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _autocast(device: torch.device) -> AbstractContextManager[Any]:
    return (
        torch.autocast(device.type, dtype=torch.bfloat16)
        if device.type == "cuda"
        else nullcontext()
    )


def _llama(cell: Cell) -> Any:  # noqa: ANN401 - transformers is not typed
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415 - slow to import

    torch.manual_seed(0)
    shape = cell.proxy.architecture
    llama_config: Any = LlamaConfig  # its type does not know the choice of attention
    config = llama_config(
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feedforward,
        vocab_size=cell.vocabulary,
        max_position_embeddings=cell.proxy.training.context,
        tie_word_embeddings=shape.tied_head,
        attn_implementation="sdpa",
        use_cache=False,
    )
    return LlamaForCausalLM(config)


if __name__ == "__main__":
    main()
