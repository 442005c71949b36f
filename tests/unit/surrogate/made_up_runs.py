"""Made-up runs and spaces that the tests of laws share."""

from __future__ import annotations

import numpy as np

from mixopt.catalog.inventory import DomainSupply, Inventory
from mixopt.recipes.decode import validate
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.space import Space
from mixopt.surrogate.features import Features


def made_up_features(seed: int, rows: int, *, domains: int = 4, stages: int = 1) -> Features:
    """Return features of random schedules."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(domains), (rows, stages))
    tokens = rng.dirichlet(np.full(stages, 4.0), rows) if stages > 1 else np.ones((rows, 1))
    return Features(
        domains=tuple(f"d{j}" for j in range(domains)),
        stages=tuple(f"stage-{s}" for s in range(stages)),
        weights=weights,
        tokens=tokens,
    )


def made_up_space(supply: list[int], *, stages: int = 1, max_epochs: float = 100.0) -> Space:
    """Return a space of free mixtures over domains of the given supply."""
    held = [
        DomainSupply(
            name=f"d{j}",
            provenance="organic",
            schema="text",
            licence="CC0-1.0",
            supply_tokens=tokens,
            sample_tokens=1000,
            documents=10,
            num_bytes=1000,
            content_hash="0" * 16,
        )
        for j, tokens in enumerate(supply)
    ]
    shares: list[object] = [1.0] if stages == 1 else [{"low": 0.5, "high": 0.9}, "rest"]
    free = {"prior": "natural", "concentration": 4.0}
    recipe = {
        "name": "made-up",
        "target": {
            "parameters": 1000,
            "tokens": 1_000_000,
            "context_tokens": 64,
            "batch_tokens": 6400,
            "learning_rate": 1e-3,
        },
        "limits": {"max_epochs": max_epochs},
        "stage": [
            {"name": f"stage-{s}", "kind": "lm", "share": share, "free": free}
            for s, share in enumerate(shares)
        ],
    }
    inventory = Inventory(
        catalog="made-up", tokenizer="bytes", content_hash="0" * 16, domains=tuple(held)
    )
    return Space(recipe=validate(recipe, ScheduleRecipe, file="made-up"), inventory=inventory)
