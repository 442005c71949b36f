"""Plan and feed against other ways to draw batches from a mixture, and as a share of a training step.

    python tests/benchmarks/feed.py [--rounds 7] [--json]

All deliver rows of 129 bytes from six domains in the same proportions, eight rows at a time, with
every domain repeated some times over. Ours feeds eight members with a mixture each; the others
feed one model with one mixture, which costs them the same per token. One thread, tokens per
CPU-second. Before its laps a contestant makes what it needs, which is its start-up.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from contestants import Cell, train_ours
from library import CONTEXT, DOMAINS, build_library, family, proxy_of, schedule_of
from measure import Contestant, Pace, Race, Timing
from numpy.typing import NDArray

from mixopt.corpus.ingest import open_store
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import ByteTokenizer
from mixopt.schedule.plan import Plan
from mixopt.schedule.repetition import sequences_of
from mixopt.training.feed import Feed, stack_rows
from mixopt.training.lane import plan_of
from mixopt.training.stages.table import BATCHES
from mixopt.training.tree import Member

SEQUENCES: Final = 8
MEMBERS: Final = 8
STEPS: Final = 600  # of one member, after which its plan begins anew
NANO: Final = Cell(width=64, layers=2, vocabulary=264, sequences=SEQUENCES, context=CONTEXT)
OURS: Final = "plan and feed"
_STEP = "training step, "


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """Where the corpus lies."""

    folder: str

    def open(self) -> TokenStore:
        """Open the store, as a worker does."""
        folder = Path(self.folder)
        catalog = folder / "catalog.duckdb"
        return open_store(folder / "corpus", catalog, ByteTokenizer(), CONTEXT)


def feed_ours(corpus: Corpus, pace: Pace) -> None:
    """Draw the batches of a lane of members, stage after stage, plan after plan."""
    store = corpus.open()
    plans = _plans(store)
    while True:
        for stage, part in enumerate(plans[0].stages):
            feeds = [Feed(plan, stage, store) for plan in plans]
            for step in range(part.steps):
                BATCHES["lm"](stack_rows([feed.rows(step) for feed in feeds]))
                pace.step(MEMBERS * SEQUENCES * CONTEXT)


def feed_datasets(corpus: Corpus, pace: Pace, *, streamed: bool) -> None:
    """Interleave `datasets` with probabilities, map-style or as streams."""
    datasets: Any = import_module("datasets")
    store, shares = corpus.open(), _shares(corpus.open())
    for number in count():
        parts = [
            datasets.Dataset.from_dict({"tokens": _all_rows(store, name)}).with_format("numpy")
            for name in DOMAINS
        ]
        if streamed:
            parts = [part.to_iterable_dataset() for part in parts]
        mixed = datasets.interleave_datasets(
            parts, probabilities=shares, seed=number, stopping_strategy="all_exhausted"
        )
        if streamed:
            mixed = mixed.with_format("numpy")
        for batch in mixed.iter(batch_size=SEQUENCES, drop_last_batch=True):
            torch.from_numpy(np.asarray(batch["tokens"]))
            pace.step(SEQUENCES * CONTEXT)


def feed_streaming(corpus: Corpus, pace: Pace) -> None:
    """Read one `mosaicml-streaming` dataset whose streams have proportions."""
    streaming: Any = import_module("streaming")
    store, shares = corpus.open(), _shares(corpus.open())
    with tempfile.TemporaryDirectory() as folder:
        streams = []
        for name, share in zip(DOMAINS, shares, strict=True):
            place = f"{folder}/{name}"
            with streaming.MDSWriter(
                out=place, columns={"tokens": f"ndarray:int64:{CONTEXT + 1}"}
            ) as writer:
                for row in _all_rows(store, name):
                    writer.write({"tokens": row})
            streams.append(streaming.Stream(local=place, proportion=share))
        dataset = streaming.StreamingDataset(
            streams=streams, batch_size=SEQUENCES, shuffle=True, num_canonical_nodes=1
        )
        loader = torch.utils.data.DataLoader(dataset, batch_size=SEQUENCES, drop_last=True)
        while True:
            for _ in loader:
                pace.step(SEQUENCES * CONTEXT)


def train_nano(_: Corpus, pace: Pace, *, precision: str, optimizer: str) -> None:
    """Train the lane that is fed."""
    train_ours(NANO, pace, members=MEMBERS, precision=precision, optimizer=optimizer)


def show(timings: list[Timing], epochs: float) -> None:
    """Print rates, and the feed's share of training."""
    found = {timing.name: timing for timing in timings}
    print(f"rows of {CONTEXT + 1} bytes from {len(DOMAINS)} domains, {epochs:.1f} epochs of each")
    print(f"{'':<32}{'tokens/CPU-s':>14}{'ours / it':>11}{'start-up s':>12}")
    for timing in timings:
        if timing.failure:
            print(f"{timing.name:<32}left out: {timing.failure}")
            continue
        rate, ratio = timing.tokens_per_cpu_second, found[OURS].ratio(timing)
        print(f"{timing.name:<32}{rate:>14,.0f}{ratio:>11.1f}{timing.start_up_cpu_seconds:>12.2f}")
    for timing in timings:
        if timing.name.startswith(_STEP) and not timing.failure:
            share = timing.ratio(found[OURS])
            print(f"the feed costs {share:.2%} of a {timing.name}")


def _plans(store: TokenStore) -> list[Plan]:
    mixtures = family(MEMBERS, (1, 1, 1))
    members = [
        Member(trial=str(number), seed=number, schedule=schedule_of(store.inventory, each))
        for number, each in enumerate(mixtures)
    ]
    return [plan_of(member, proxy_of(STEPS, sequences=SEQUENCES), store) for member in members]


def _shares(store: TokenStore) -> list[float]:
    """Return the shares of tokens of our first member, in the order of the domains."""
    mixture = schedule_of(store.inventory, family(1, (1, 1, 1))[0]).mean_mixture("lm")
    return [mixture.share(name) for name in DOMAINS]


def _all_rows(store: TokenStore, domain: str) -> NDArray[np.int64]:
    """Return the rows of our first member's pool of a domain, so that all repeat alike."""
    plan = _plans(store)[0]
    pool = next(pool for pool in plan.pools if pool.domain == domain)
    positions = np.arange(pool.num_sequences)
    ids = sequences_of((pool,), np.zeros_like(positions), positions)
    return store.domain(domain, "train").gather(ids, CONTEXT).tokens


def _contestants() -> Iterator[Contestant]:
    yield Contestant(name=OURS, train=feed_ours)
    for streamed, name in ((False, "datasets, map-style"), (True, "datasets, streamed")):
        yield Contestant(name=name, train=partial(feed_datasets, streamed=streamed))
    yield Contestant(name="mosaicml-streaming", train=feed_streaming)
    for optimizer in ("adamw", "muon"):
        for precision in ("float32", "bfloat16"):
            train = partial(train_nano, precision=precision, optimizer=optimizer)
            yield Contestant(name=f"{_STEP}{optimizer} {precision}", train=train)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="CPU-seconds of a lap")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Race and print."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        print("building the corpus", file=sys.stderr)
        store = build_library(Path(folder))
        epochs = float(np.mean([np.mean(list(plan.epochs().values())) for plan in _plans(store)]))
        with Race(list(_contestants()), lap_seconds=options.seconds) as race:
            timings = race.run(Corpus(folder=folder), options.rounds)
    if options.json:
        print(json.dumps({"epochs": epochs, "timings": [asdict(each) for each in timings]}))
    else:
        show(timings, epochs)


if __name__ == "__main__":
    main()
