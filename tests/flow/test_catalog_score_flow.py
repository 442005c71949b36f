"""From a corpus to a curriculum by a proxy's own judgement: score, build again, order by the score, train."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from mixopt import seeds
from mixopt.cli.main import make_app
from mixopt.corpus.ingest import ingest
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import ByteTokenizer
from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.training.lane import plan_of
from mixopt.training.scoring import train_scorer
from mixopt.training.tree import Member

CATALOG = """
name = "flow"
split = { validation = 0.1, test = 0.1 }
[profile]
proxy_scores = PROXY_SCORES
[[collection]]
name = "pool"
sources = [{ reader = "jsonl", path = "prose.jsonl" }]
[[domain]]
name = "prose"
provenance = "organic"
from = ["pool"]
where = "WHERE"
"""
WORDS = ("river", "stone", "walks", "slowly", "under", "bright", "old", "trees", "and", "sings")


def write_prose(folder: Path) -> None:
    """Write texts that are words in one half, and in the other letters in no order."""
    rng = seeds.generator(0, "score flow")
    easy = [" ".join(rng.choice(WORDS, 40)) for _ in range(200)]
    hard = ["".join(map(chr, rng.integers(33, 127, 240))) for _ in range(200)]
    lines = [json.dumps({"text": text}) for pair in zip(easy, hard, strict=True) for text in pair]
    (folder / "prose.jsonl").write_text("\n".join(lines))


def mixopt(*words: str) -> str:
    done = CliRunner().invoke(make_app(["catalog"]), ["catalog", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def build(folder: Path, names: str, where: str = "true") -> TokenStore:
    recipe, catalog = folder / "flow.toml", folder / "flow.duckdb"
    recipe.write_text(CATALOG.replace("PROXY_SCORES", names).replace("WHERE", where))
    mixopt("build", str(recipe), "--out", str(catalog), "--workers", "1")
    return ingest(
        catalog,
        folder / "corpus",
        tokenizer=ByteTokenizer(),
        context=128,
        progress=lambda _domain, _count: None,
    )


def curriculum(store: TokenStore, proxy: ProxyRecipe, strength: float) -> Schedule:
    stage = {
        "name": "early",
        "kind": "lm",
        "share": 1.0,
        "mixture": {"prose": 1.0},
        "ordering": {"score": "hardness", "strength": strength},
    }
    training = proxy.training
    target = {
        "parameters": 1_000_000,
        "tokens": training.lm_tokens,
        "context_tokens": training.context,
        "batch_tokens": training.step_tokens,
        "learning_rate": training.learning_rate,
    }
    table = {"name": "curriculum", "target": target, "stage": [stage]}
    recipe = ScheduleRecipe.model_validate(table)
    return Space(recipe=recipe, inventory=store.inventory).resolve({})


def test_a_proxys_scores_order_a_curriculum(tmp_path: Path) -> None:
    proxy = read_proxy("pico")
    write_prose(tmp_path)
    before = build(tmp_path, "[]")
    mixopt("score", "hardness", "--catalog", str(tmp_path / "flow.duckdb"))
    store = build(tmp_path, '["hardness"]')
    assert store.inventory.content_hash != before.inventory.content_hash
    assert "hardness" in store.domain("prose", "train").score_names
    hardness = store.domain("prose", "train").scores("hardness", proxy.training.context)
    halves = {}
    for strength in (1.0, -1.0):
        schedule = curriculum(store, proxy, strength)
        plan = plan_of(Member(trial="flow", seed=1, schedule=schedule), proxy, store)
        drawn = hardness[plan.draw(0, np.arange(plan.stages[0].steps)).sequences].mean(axis=1)
        first, second = np.array_split(drawn, 2)
        halves[strength] = first.mean(), second.mean()
        backend = train_scorer(proxy, store, schedule, device="cpu", progress=lambda _steps: None)
        assert backend.stack is not None
    assert halves[1.0][0] < 0.8 * halves[1.0][1]
    assert halves[-1.0][0] > 1.2 * halves[-1.0][1]


def test_a_collection_is_cut_by_a_proxys_scores(tmp_path: Path) -> None:
    write_prose(tmp_path)
    assert build(tmp_path, "[]", "document % 4 > 1").inventory.domain("prose").documents == 200
    score = ("score", "hardness", "--catalog", str(tmp_path / "flow.duckdb"))
    assert "200 documents that proxies do not see have none" in mixopt(*score)
    easy = "hardness < 5"
    half = build(tmp_path, '["hardness"]', easy).inventory.domain("prose")
    assert "400 documents" in mixopt(*score, "--everything")
    whole = build(tmp_path, '["hardness"]', easy).inventory.domain("prose")
    assert (half.documents, whole.documents) == (100, 200)
    assert half.content_hash != whole.content_hash
