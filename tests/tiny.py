"""A catalog, corpus, proxy and study so small that a proxy's whole life takes a tenth of a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mixopt import seeds
from mixopt.catalog.building.build import build_catalog
from mixopt.catalog.counting import Counting
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.corpus.conversations import render_document
from mixopt.corpus.ingest import ingest, open_store
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import ByteTokenizer, load_tokenizer
from mixopt.proxy.config import ProxyRecipe
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.study.recipe import StudyRecipe
from mixopt.study.setup import StudySetup
from mixopt.training.examiner import Examination

CONTEXT = 32
LEVELS = {"addition": 3, "comparison": 2}
TEXT_DOMAINS = ("prose", "notes", "drills")
EXAMINATION = Examination(split="validation", levels=LEVELS, problems=6, held_out_sequences=4)

PROXY = ProxyRecipe.model_validate(
    {
        "name": "tiny",
        "architecture": {"width": 16, "layers": 1, "heads": 2, "feedforward": 32, "base_width": 16},
        "training": {
            "context": CONTEXT,
            "sequences": 2,
            "lm_tokens": 12 * 2 * CONTEXT,
            "sft_tokens": 5 * 2 * CONTEXT,
            "learning_rate": 1e-2,
            "sft_learning_rate": 5e-3,
        },
    }
)

_CATALOG: dict[str, Any] = {
    "name": "tiny",
    "split": {"validation": 0.1, "test": 0.1},
    "domain": [
        {
            "name": "prose",
            "provenance": "organic",
            "sources": [{"reader": "jsonl", "path": "prose.jsonl"}],
        },
        {
            "name": "notes",
            "provenance": "human_curated",
            "sources": [{"reader": "text", "path": "notes", "include": ["*.txt"]}],
        },
        {
            "name": "drills",
            "provenance": "synthetic",
            "sources": [
                {
                    "reader": "tasks",
                    "style": "statement",
                    "families": list(LEVELS),
                    "levels": {name: [level + 1] for name, level in LEVELS.items()},
                    "documents": 400,
                    "problems_per_document": 4,
                }
            ],
        },
        {
            "name": "chat",
            "provenance": "synthetic",
            "schema": "conversation",
            "sources": [
                {
                    "reader": "tasks",
                    "style": "conversation",
                    "families": list(LEVELS),
                    "levels": {name: [level + 1] for name, level in LEVELS.items()},
                    "documents": 300,
                }
            ],
        },
    ],
}

_FREE = {"prior": "natural", "concentration": 8.0, "least": 0.01}
_STAGES: list[dict[str, Any]] = [
    {"name": "early", "kind": "lm", "share": {"low": 0.3, "high": 0.7}, "free": _FREE},
    {"name": "late", "kind": "lm", "share": "rest", "free": _FREE},
    {"name": "sft", "kind": "sft", "tokens": 12_000, "mixture": {"chat": 1.0}},
]
_TARGET = {
    "parameters": 10_000,
    "tokens": 60_000,
    "context_tokens": CONTEXT,
    "batch_tokens": 1_000,
    "learning_rate": 1e-3,
}
_SETTINGS: dict[str, Any] = {
    "objective": "sft/margin/mean",
    "trials": 8,
    "design": 4,
    "batch": 3,
    "seeds": 2,
    "confirm_seeds": 3,
    "sampler": "sobol",
    "lane": 3,
    "examination": {"levels": LEVELS, "problems": 6, "held_out_sequences": 4},
}


def build_tiny_catalog(folder: Path) -> Path:
    """Write sources into the folder and build a real catalog of them."""
    rng = seeds.generator(0, "tiny")
    words = ["river", "stone", "walks", "slowly", "under", "bright", "old", "trees", "and", "sings"]
    lines = [" ".join(rng.choice(words, 16)) for _ in range(300)]
    (folder / "prose.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in lines))
    (folder / "notes").mkdir()
    for number in range(40):
        items = rng.integers(0, 1000, 60).tolist()
        (folder / "notes" / f"{number}.txt").write_text("\n".join(f"- item {n}" for n in items))
    path = folder / "catalog.duckdb"
    build_catalog(
        CatalogRecipe.model_validate(_CATALOG),
        path,
        recipe_file=folder / "tiny.toml",
        counting=Counting(counters=(ByteTokenizer(),), render=render_document, load=load_tokenizer),
        progress=lambda _done, _total: None,
    )
    return path


def build_tiny_store(catalog: Path) -> TokenStore:
    """Ingest the catalog beside it."""
    folder = catalog.with_name("corpus")
    return ingest(catalog, folder, tokenizer=ByteTokenizer(), context=CONTEXT, progress=_ignore)


def reopen(catalog: Path) -> TokenStore:
    """Open the store of a catalog, as another process would."""
    return open_store(catalog.with_name("corpus"), catalog, ByteTokenizer(), CONTEXT)


def study_recipe(**settings: object) -> StudyRecipe:
    """Return the tiny study with other settings."""
    table = {"name": "tiny", "target": _TARGET, "stage": _STAGES, "study": _SETTINGS | settings}
    return StudyRecipe.model_validate(table)


def make_setup(store: TokenStore, folder: Path, **settings: object) -> StudySetup:
    """Return the tiny study in a folder."""
    recipe = study_recipe(**settings)
    folder.mkdir(parents=True, exist_ok=True)
    return StudySetup(
        recipe=recipe,
        space=Space(recipe=recipe, inventory=store.inventory),
        proxy=PROXY,
        store=store,
        folder=folder,
        storage=f"sqlite:///{folder / 'optuna.db'}",
    )


def space_of(store: TokenStore, stages: list[dict[str, Any]] | None = None) -> Space:
    """Return the tiny space, or one with other stages."""
    table = {"name": "tiny", "target": _TARGET, "stage": stages or _STAGES}
    return Space(recipe=ScheduleRecipe.model_validate(table), inventory=store.inventory)


def schedule_at(
    store: TokenStore,
    share: float = 0.5,
    peak: float = 1.0,
    *,
    late: dict[str, float] | None = None,
) -> Schedule:
    """Return a fixed schedule whose boundary, pretraining rate and second mixture are given."""
    first = {"prose": 0.5, "notes": 0.25, "drills": 0.25}
    mixtures = (first, late or {"prose": 0.25, "drills": 0.75})
    stages: list[dict[str, Any]] = [
        {"name": "early", "kind": "lm", "share": share, "mixture": mixtures[0]},
        {"name": "late", "kind": "lm", "share": "rest", "mixture": mixtures[1]},
        {"name": "sft", "kind": "sft", "tokens": 12_000, "mixture": {"chat": 1.0}},
    ]
    for stage in stages[:2]:
        stage["learning_rate"] = {"peak": peak, "warmup": 0.1}
    return space_of(store, stages).resolve({})


def _ignore(_subject: str, _count: int) -> None:
    pass
