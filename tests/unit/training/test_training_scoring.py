"""Scoring: bits per byte of whole documents, against the model itself, and what training does to them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tiny import CONTEXT, PROXY
from typer.testing import CliRunner, Result

from mixopt.catalog.documents import SPLITS
from mixopt.catalog.inventory import iterate_documents, read_inventory
from mixopt.catalog.score_files import score_path, write_scores
from mixopt.cli.catalog import build_file
from mixopt.cli.main import make_app
from mixopt.corpus.conversations import render_document
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import ByteTokenizer
from mixopt.errors import CatalogError
from mixopt.proxy.backends.backend import Backend
from mixopt.training.scoring import ScoredDocuments, bits_per_byte, scoring_schedule, train_scorer

BYTES = ByteTokenizer()


@pytest.fixture(scope="module")
def scorer(tiny_store: TokenStore) -> Backend:
    schedule = scoring_schedule(tiny_store, ["prose"], PROXY)
    return train_scorer(PROXY, tiny_store, schedule, device="cpu", progress=lambda _steps: None)


def _score(backend: Backend, texts: list[str]) -> list[float]:
    ids = [BYTES.encode(text) for text in texts]
    sizes = [len(text.encode()) for text in texts]
    found = bits_per_byte(backend, ids, sizes, context=CONTEXT, end_of_text=BYTES.end_of_text)
    return [float(each) for each in found]


def test_a_text_within_a_window_costs_what_the_model_says(scorer: Backend) -> None:
    text = "old trees sing"
    ids = torch.tensor([256, *text.encode(), 256])[None, None]
    nats = float(scorer.token_losses(ids).double().sum())
    assert _score(scorer, [text]) == pytest.approx([nats / math.log(2) / len(text)], rel=1e-5)


def test_windows_of_a_long_text_share_no_target(scorer: Backend) -> None:
    text = "bright stone walks under the old river " * 3
    ids = torch.tensor([256, *text.encode(), 256])
    parts = [ids[at : at + CONTEXT + 1] for at in range(0, len(ids) - 1, CONTEXT)]
    nats = sum(float(scorer.token_losses(part[None, None]).double().sum()) for part in parts)
    assert _score(scorer, [text]) == pytest.approx([nats / math.log(2) / len(text)], rel=1e-5)


def test_neighbours_do_not_change_a_score(scorer: Backend) -> None:
    texts = ["a", "bright stone " * 9, "river", "x" * CONTEXT]
    together = _score(scorer, texts)
    assert together == pytest.approx([_score(scorer, [text])[0] for text in texts], rel=1e-5)


def test_what_was_learned_is_easier_than_noise(scorer: Backend) -> None:
    learned, noise = _score(scorer, ["the river walks slowly", "\x01\x9c§¶\x7fÿ%#@!~^"])
    assert learned < noise


def test_equal_documents_have_one_score(tmp_path: Path) -> None:
    path = score_path(tmp_path / "catalog.duckdb", "difficulty")
    ids = np.array([7, 3, 7], np.uint64)
    assert write_scores(path, ids, np.array([0.5, 2.0, 0.5])) == 2
    assert path == tmp_path / "catalog.scores" / "difficulty.parquet"
    assert pq.read_table(path).to_pydict() == {"identity": [3, 7], "value": [2.0, 0.5]}


@pytest.mark.parametrize("name", ["tokens", "Hard", "../x"])
def test_names_that_no_score_may_have_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogError, match="no score may be called"):
        score_path(tmp_path / "catalog.duckdb", name)


def _command(catalog: Path, folder: Path, *words: str) -> Result:
    proxy = folder / "tiny.toml"
    shape = "width = 16\nlayers = 1\nheads = 2\nfeedforward = 32\nbase_width = 16\n"
    rates = "learning_rate = 1e-2\nsft_learning_rate = 5e-3\n"
    sizes = f"context = {CONTEXT}\nsequences = 2\nlm_tokens = 64\nsft_tokens = 64\n"
    proxy.write_text(f'name = "tiny"\n[architecture]\n{shape}[training]\n{sizes}{rates}')
    return CliRunner().invoke(
        make_app(["catalog"]),
        ["catalog", "score", *words, "--proxy", str(proxy), "--catalog", str(catalog)],
        catch_exceptions=False,
    )


def test_the_command_scores_every_document(
    tiny_catalog: Path, tiny_store: TokenStore, tmp_path: Path
) -> None:
    done = _command(tiny_catalog, tmp_path, "hardness", "--tokens", "640", "--domain", "prose")
    assert done.exit_code == 0, done.output
    table = pq.read_table(score_path(tiny_catalog, "hardness"))
    held = {
        int(document.identity[:16], 16)
        for name in tiny_store.names
        for split in SPLITS
        for document in iterate_documents(tiny_catalog, name, split)
        if render_document(document)
    }
    assert set(table["identity"].to_pylist()) == held
    assert min(table["value"].to_pylist()) > 0
    assert "profile.proxy_scores" in done.stderr
    assert f"mixopt catalog build {tiny_catalog.with_name('tiny.toml')}" in done.stderr


def test_a_domain_that_is_sampled_is_scored(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(13)]
    for number in range(60):
        text = " ".join(words[(number * place + place) % len(words)] for place in range(1, 40))
        (tmp_path / f"{number}.txt").write_text(f"{number} {text}")
    (tmp_path / "recipe.toml").write_text(
        'name = "thin"\n[[domain]]\nname = "prose"\nprovenance = "organic"\n'
        'sample_tokens = 5000\nsources = [{ reader = "text", path = "." }]\n'
    )
    catalog = tmp_path / "catalog.duckdb"
    build_file(str(tmp_path / "recipe.toml"), catalog)
    supply = read_inventory(catalog).domain("prose")
    assert supply.sample_tokens < supply.supply_tokens / 2
    done = _command(catalog, tmp_path, "hardness", "--tokens", "640")
    assert done.exit_code == 0, done.output


def test_the_command_gives_the_same_scores_and_means_again(
    tiny_catalog: Path, tmp_path: Path
) -> None:
    done = [
        _command(tiny_catalog, tmp_path, name, "--json", *more)
        for name, more in (("first", ()), ("second", ("--everything",)))
    ]
    first, second = (json.loads(each.stdout) for each in done)
    tables = [pq.read_table(found["path"]) for found in (first, second)]
    assert tables[0].equals(tables[1])  # the tiny catalog's domains have neither rest nor sample
    assert first["bits_per_byte"] == pytest.approx(second["bits_per_byte"])
    values = tables[0]["value"].to_numpy()
    assert values.min() < first["bits_per_byte"]["held_out"] < values.max()


def test_a_name_that_sources_give_is_refused_before_anything_is_trained(
    tiny_catalog: Path, tmp_path: Path
) -> None:
    with pytest.raises(CatalogError, match="give a score or label 'difficulty' already"):
        _command(tiny_catalog, tmp_path, "difficulty")


def test_means_tell_training_documents_from_held_out_ones() -> None:
    held_out = np.array([True, False, False])
    found = ScoredDocuments(
        identities=np.arange(3, dtype=np.uint64),
        values=np.array([3.0, 1.0, 2.0]),
        held_out=held_out,
    )
    assert found.means() == {"train": 1.5, "held_out": 3.0}
    assert replace(found, held_out=np.zeros(3, np.bool_)).means() == {
        "train": 2.0,
        "held_out": None,
    }
