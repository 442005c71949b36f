from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from export_fakes import catalog, schedule, stage
from transformers import LlamaConfig

from mixopt.catalog.documents import Document
from mixopt.export.plan import make_export_plan
from mixopt.export.target import export_schedule
from mixopt.schedule.ordering import rearrange

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
    return [
        Document(text=f"{number:0>{length - 1}}{letter}", scores=(("number", float(number)),))
        for number in range(count)
    ]


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
    pieces = []
    for piece in given["pieces"]:
        drawn = [module.draw(source, given["shuffle_seed"]) for source in piece["sources"]]
        pieces.append(module.interleave_piece(piece, drawn))
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


def numbers(texts: list[str], letter: str) -> list[int]:
    return [int(text[:-1]) for text in texts if text[-1] == letter]


@pytest.fixture(scope="module")
def arranged(exported: Exported) -> list[str]:
    """The moving stage with its documents by number."""
    module, config = exported
    given = {**config("2-two"), "ordering": {"score": "number", "strength": 1}}
    return list(module.interleave(given)["text"][:])


@pytest.mark.parametrize("letter", ["w", "c"])
def test_an_ordered_stage_sorts_each_domain_over_its_pieces(
    arranged: list[str], letter: str
) -> None:
    found = numbers(arranged, letter)
    assert len(found) > 100
    assert found == sorted(found)


def test_an_order_changes_no_dose(exported: Exported, arranged: list[str]) -> None:
    module, config = exported
    plain = module.interleave(config("2-two"))["text"][:]
    assert sorted(arranged) == sorted(plain)
    assert arranged != plain


def test_the_pieces_of_a_domain_follow_its_order(exported: Exported) -> None:
    module, config = exported
    for strength in (-1, 0):
        given = {**config("2-two"), "ordering": {"score": "number", "strength": strength}}
        parts = module.draw_in_order(given["pieces"], "code", given)
        found = [int(text[:-1]) for part in parts for text in part["text"]]
        assert (found == sorted(found, reverse=True)) == (strength == -1)
        counted = [piece["sources"][1]["rows"] for piece in given["pieces"]]
        assert [len(part) for part in parts] == counted


def test_every_epoch_of_an_ordered_domain_is_sorted_for_itself(exported: Exported) -> None:
    module, config = exported
    given = {**config("1-one"), "ordering": {"score": "number", "strength": 1}}
    (part,) = module.draw_in_order(given["pieces"], "tiny", given)
    found = numbers(part["text"][:], "t")
    held = SUPPLY["tiny"] // LENGTHS["tiny"]
    assert len(found) > held
    assert found[:held] == list(range(held))
    assert found[held:] == sorted(found[held:])


def test_half_a_strength_correlates_as_in_the_plan(exported: Exported) -> None:
    module, _ = exported
    datasets = pytest.importorskip("datasets")
    scores = np.random.default_rng(0).permutation(4000)
    rows = [{"text": "", "scores": {"s": int(score)}} for score in scores]
    ordered = module.arrange(datasets.Dataset.from_list(rows), {"score": "s", "strength": 0.6})
    found = [row["s"] for row in ordered["scores"]]
    rho = np.corrcoef(found, np.arange(4000))[0, 1]
    odds = 0.4 / 0.6  # Spearman's correlation of a strength s from 1/2 on, with r = (1 - s) / s
    assert rho == pytest.approx(1 - odds**2 / 2 + odds**3 / 5, abs=0.02)
    expected = rearrange(scores.astype(float), 0.6)
    assert found == scores[expected].tolist()


def test_scores_of_texts_are_lengths_and_compressibility(exported: Exported) -> None:
    module, _ = exported
    datasets = pytest.importorskip("datasets")
    texts = ["a" * 100, "".join(map(chr, range(33, 126))), "ß"]
    rows = [{"text": text, "scores": {"quality": 0.5}} for text in texts]
    documents = datasets.Dataset.from_list(rows)
    assert module.read_scores(documents, "length").tolist() == [100, 93, 2]
    dull, mixed, _ = module.read_scores(documents, "compressibility")
    assert dull < 0.2
    assert mixed > 1
    assert module.read_scores(documents, "quality").tolist() == [0.5] * 3


def test_whole_sequences_cut_only_what_does_not_fit(exported: Exported) -> None:
    module, _ = exported
    lengths = np.random.default_rng(1).integers(1, 30, 300).tolist()
    texts = [chr(1000 + n) * length for n, length in enumerate(lengths)]
    documents = [{"text": text} for text in texts]
    rows = list(module.whole_sequences(documents, Letters(), 20, most_open=8))
    assert {len(row["input_ids"]) for row in rows} == {20}
    learned = [[token for token in row["labels"] if token != -100] for row in rows]
    assert Counter(t for row in learned for t in row) == Counter(
        [*(ord(letter) for text in texts for letter in text), *[0] * len(texts)]
    )
    places = [sum(ord(text[0]) in row for row in learned) for text in texts]
    assert places == [1 if length <= 20 else 2 for length in lengths]
    assert all(row["labels"][: len(kept)] == kept for row, kept in zip(rows, learned, strict=True))


def test_the_model_gets_the_rotary_base_and_the_positions(
    exported: Exported, tmp_path: Path
) -> None:
    module, _ = exported
    small = LlamaConfig(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=11,
        max_position_embeddings=64,
    )
    small.save_pretrained(tmp_path)
    fresh = module.load_model(tmp_path, {"context_tokens": 32})
    assert fresh.config.max_position_embeddings == 64
    fresh.save_pretrained(tmp_path)
    longer = module.load_model(tmp_path, {"context_tokens": 128, "rope_base": 5e5})
    assert longer.config.max_position_embeddings == 128
    assert longer.model.rotary_emb.inv_freq[1].item() == pytest.approx(5e5**-0.5)
    assert (longer.lm_head.weight == fresh.lm_head.weight).all()
