"""A corpus for benchmarks: the source of the Python standard library in six domains, and schedules on it."""

from __future__ import annotations

import shutil
import sysconfig
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from mixopt import seeds
from mixopt.catalog.building.build import build_catalog
from mixopt.catalog.counting import Counting
from mixopt.catalog.inventory import Inventory
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.corpus.conversations import render_document
from mixopt.corpus.ingest import ingest
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import ByteTokenizer, load_tokenizer
from mixopt.proxy.config import ProxyRecipe
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space

DOMAINS: Final = tuple(f"part-{number}" for number in range(6))
CONTEXT: Final = 128
SHARES: Final = (0.6, 0.3, 0.1)
"""Of the tokens, in three stages."""
TARGET: Final[dict[str, Any]] = {
    "parameters": 10_000_000,
    "tokens": 60_000_000,
    "context_tokens": CONTEXT,
    "batch_tokens": 32_768,
    "learning_rate": 1e-3,
}
LIMITS: Final = {"max_epochs": 1000}
"""The supply is repeated several times, so that epochs wrap around."""


def build_library(folder: Path) -> TokenStore:
    """Build catalog and corpus in a folder; takes some seconds."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if not {"site-packages", "test", "tests", "idlelib"} & set(inside.parts):
            place = folder / DOMAINS[zlib.crc32(str(inside).encode()) % len(DOMAINS)]
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / "-".join(inside.parts))
    recipe = {"name": "library", "domain": [_domain(name) for name in DOMAINS]}
    catalog = folder / "catalog.duckdb"
    build_catalog(
        CatalogRecipe.model_validate(recipe),
        catalog,
        recipe_file=folder / "library.toml",
        counting=Counting(counters=(ByteTokenizer(),), render=render_document, load=load_tokenizer),
        progress=lambda _done, _total: None,
    )
    return ingest(
        catalog, folder / "corpus", tokenizer=ByteTokenizer(), context=CONTEXT, progress=_ignore
    )


def proxy_of(steps: int, *, sequences: int = 8, optimizer: str = "muon") -> ProxyRecipe:
    """Return nano's shape for a number of steps; twice the context of a row is a batch's least."""
    tokens = steps * sequences * CONTEXT
    shape = {"width": 64, "layers": 2, "heads": 4, "feedforward": 192}
    training = {
        "context": CONTEXT,
        "sequences": sequences,
        "lm_tokens": tokens,
        "sft_tokens": tokens,
        "learning_rate": 4e-3,
        "sft_learning_rate": 4e-3,
        "optimizer": optimizer,
    }
    table = {"name": "nano-like", "architecture": shape, "training": training}
    return ProxyRecipe.model_validate(table)


def schedule_of(inventory: Inventory, mixtures: Sequence[int]) -> Schedule:
    """Return a schedule whose stages have the mixtures of these numbers."""
    stages = [
        {"name": f"stage-{place}", "kind": "lm", "share": share, "mixture": _mixture(number)}
        for place, (share, number) in enumerate(zip(SHARES, mixtures, strict=True))
    ]
    stages[-1]["share"] = "rest"
    table = {"name": "benchmark", "target": TARGET, "limits": LIMITS, "stage": stages}
    recipe = ScheduleRecipe.model_validate(table)
    return Space(recipe=recipe, inventory=inventory).resolve({})


def family(trials: int, sharing: Iterable[int]) -> list[tuple[int, ...]]:
    """Return numbers of mixtures for every trial: so many in a row share each stage's beginning."""
    groups = list(sharing)
    return [
        tuple(1000 * place + trial // group for place, group in enumerate(groups))
        for trial in range(trials)
    ]


def _mixture(number: int) -> dict[str, float]:
    weights = seeds.generator(number, "mixture").dirichlet([2.0] * len(DOMAINS))
    return {name: float(weight) for name, weight in zip(DOMAINS, weights, strict=True)}


def _domain(name: str) -> dict[str, Any]:
    source = {"reader": "text", "path": name, "include": ["*.py"]}
    return {"name": name, "provenance": "organic", "sources": [source]}


def _ignore(_subject: str, _count: int) -> None:
    pass
