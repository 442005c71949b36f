from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from export_fakes import catalog, schedule, stage

from mixopt.catalog.documents import Document
from mixopt.export.plan import make_export_plan
from mixopt.export.target import export_schedule

Exported = tuple[ModuleType, Callable[[str], dict[str, Any]]]

LENGTHS = {"web": 20, "code": 400, "tiny": 50}
SUPPLY = {"web": 640_000, "code": 640_000, "tiny": 16_000}
TOKENS = 400_000
FIRST, SECOND = {"web": 0.7, "code": 0.25, "tiny": 0.05}, {"web": 0.2, "code": 0.8, "tiny": 0.0}


class Letters:
    """A tokenizer with one token a letter."""

    eos_token_id = 0

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) + add_special_tokens for letter in text]}


def documents_of(domain: str) -> list[Document]:
    length, letter = LENGTHS[domain], domain[0]
    count = SUPPLY[domain] // length
    return [Document(text=f"{number:0>{length - 1}}{letter}") for number in range(count)]


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
) -> Exported:
    """The written script as a module, and a reader of the written configs."""
    datasets = pytest.importorskip("datasets")
    folder = tmp_path_factory.mktemp("export")
    datasets.config.HF_DATASETS_CACHE = folder / "cache"
    datasets.disable_progress_bars()
    moving = stage("two", FIRST, SECOND, tokens=TOKENS)
    made = schedule(stage("one", FIRST, tokens=TOKENS), moving)
    plan = make_export_plan(made, *catalog(made, SUPPLY, LENGTHS))
    summary = export_schedule(plan, folder / "out", ["trl"], documents_of=documents_of)
    script = summary.folder / "trl" / "interleave.py"
    spec = importlib.util.spec_from_file_location("interleave", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, lambda name: dict(module.read_config(summary.folder / "trl" / f"{name}.yaml"))


def shares(texts: list[str]) -> dict[str, float]:
    total = sum(map(len, texts))
    names = {"w": "web", "c": "code", "t": "tiny"}
    return {n: sum(len(t) for t in texts if t[-1] == k) / total for k, n in names.items()}


def test_the_script_draws_the_token_shares(exported: Exported) -> None:
    module, config = exported
    texts = module.interleave(config("1-one"))["text"][:]
    assert shares(texts) == pytest.approx(FIRST, abs=0.005)
    assert sum(map(len, texts)) == pytest.approx(TOKENS, rel=0.01)
    half = shares(texts[: len(texts) // 2])
    assert half == pytest.approx(FIRST, abs=0.06)


def test_a_moving_mixture_keeps_its_order(exported: Exported) -> None:
    module, config = exported
    given = config("2-two")
    pieces = [module.interleave_piece(piece, given["shuffle_seed"]) for piece in given["pieces"]]
    web = [shares(piece["text"][:])["web"] for piece in pieces]
    assert web == pytest.approx([0.6375, 0.5125, 0.3875, 0.2625], abs=0.02)
    whole = module.interleave(given)["text"][:]
    assert whole == [text for piece in pieces for text in piece["text"]]


def test_no_document_comes_twice_within_an_epoch(exported: Exported) -> None:
    module, config = exported
    texts = [
        text for name in ("1-one", "2-two") for text in module.interleave(config(name))["text"]
    ]
    large = [text for text in texts if text[-1] != "t"]
    assert len(set(large)) == len(large)
    counts = Counter(text for text in texts if text[-1] == "t").values()
    assert len(counts) == SUPPLY["tiny"] // LENGTHS["tiny"]
    assert max(counts) - min(counts) <= 1


def test_sequences_hold_every_token_in_order(exported: Exported) -> None:
    module, _ = exported
    rows = list(module.sequences([{"text": "abcd"}, {"text": "ef"}, {"text": "g"}], Letters(), 4))
    flat = [token for row in rows for token in row["input_ids"]]
    assert flat == [*map(ord, "abcd"), 0, *map(ord, "ef"), 0]
    assert all(row["labels"] == row["input_ids"] for row in rows)
