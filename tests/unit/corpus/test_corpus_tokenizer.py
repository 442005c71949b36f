"""Tokenizers: bytes, files of the tokenizers library, and what cannot be loaded."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import tokenizers
from corpus_fakes import BYTES, write_tokenizer

from mixopt.corpus.tokenizer import load_tokenizer
from mixopt.errors import NotFoundError

TEXTS = [
    "",
    "plain",
    "Q: what is 12 + 7?\nA: 19\n",
    "ünïcödé 漢字 🙂",
    "\x00\x7f\t  two",
]


@pytest.fixture
def tokenizer_file(tmp_path: Path) -> Path:
    return write_tokenizer(tmp_path / "tokenizer.json")


def test_bytes_are_the_utf8_bytes_of_the_text() -> None:
    for text in TEXTS:
        ids = BYTES.encode(text)
        assert ids.tolist() == list(text.encode())
        assert BYTES.decode([*ids, BYTES.end_of_text]) == text


def test_bytes_know_their_size() -> None:
    assert (BYTES.size, BYTES.end_of_text, BYTES.storage_type.str) == (257, 256, "<u2")
    assert load_tokenizer("bytes").digest == BYTES.digest


def test_broken_utf8_decodes_to_replacement_signs() -> None:
    assert BYTES.decode([0xE6, 0x41]) == "�A"


def test_file_gives_the_ids_of_the_library(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(str(tokenizer_file))
    reference = tokenizers.Tokenizer.from_file(str(tokenizer_file))
    for text, ids in zip(TEXTS, tokenizer.encode_batch(TEXTS), strict=True):
        assert ids.tolist() == reference.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == text
    assert tokenizer.size == reference.get_vocab_size()
    assert tokenizer.end_of_text == reference.token_to_id("<|endoftext|>")


def test_folder_and_file_are_the_same_tokenizer(tokenizer_file: Path) -> None:
    by_file = load_tokenizer(str(tokenizer_file))
    by_folder = load_tokenizer(str(tokenizer_file.parent))
    assert by_file.digest == by_folder.digest


def test_digest_follows_the_content(tokenizer_file: Path, tmp_path: Path) -> None:
    other = write_tokenizer(tmp_path / "other.json", size=290)
    spaced = tmp_path / "spaced.json"
    spaced.write_text(json.dumps(json.loads(tokenizer_file.read_text()), indent=7))
    digest = load_tokenizer(str(tokenizer_file)).digest
    assert load_tokenizer(str(other)).digest != digest
    assert load_tokenizer(str(spaced)).digest == digest


def test_truncation_in_the_file_is_not_obeyed(tokenizer_file: Path, tmp_path: Path) -> None:
    backend = tokenizers.Tokenizer.from_file(str(tokenizer_file))
    backend.enable_truncation(3)
    backend.enable_padding(length=50)
    backend.save(str(tmp_path / "short.json"))
    short = load_tokenizer(str(tmp_path / "short.json"))
    whole = load_tokenizer(str(tokenizer_file))
    assert short.encode(TEXTS[2]).tolist() == whole.encode(TEXTS[2]).tolist()
    assert short.digest == whole.digest


@pytest.mark.parametrize("again", [False, True], ids=["loaded", "unpickled"])
def test_a_document_cannot_spell_end_of_text(tokenizer_file: Path, *, again: bool) -> None:
    tokenizer = load_tokenizer(str(tokenizer_file))
    if again:
        tokenizer = pickle.loads(pickle.dumps(tokenizer))
    ids = tokenizer.encode("one<|endoftext|>two")
    assert tokenizer.end_of_text not in ids
    assert tokenizer.decode(ids) == "one<|endoftext|>two"


@pytest.mark.parametrize("end", ["</s>", "<|end_of_text|>", "[SEP]"])
def test_end_of_text_has_several_spellings(tmp_path: Path, end: str) -> None:
    tokenizer = load_tokenizer(str(write_tokenizer(tmp_path / "t.json", end=end)))
    assert tokenizer.end_of_text == 0
    assert tokenizer.decode([tokenizer.end_of_text]) == ""


def test_no_end_of_text_is_an_error(tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path / "t.json", end="<stop>")
    with pytest.raises(NotFoundError, match="no end-of-text token"):
        load_tokenizer(str(path))


@pytest.mark.parametrize("tokenizer", ["bytes", "file"])
def test_counts_include_the_end(tokenizer: str, tokenizer_file: Path) -> None:
    chosen = load_tokenizer(tokenizer if tokenizer == "bytes" else str(tokenizer_file))
    assert chosen.count_batch(TEXTS) == [len(chosen.encode(text)) + 1 for text in TEXTS]


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    with pytest.raises(NotFoundError, match=r"broken\.json is no file of the tokenizers library"):
        load_tokenizer(str(broken))
    for missing in (tmp_path / "none.json", tmp_path / "none", tmp_path):
        with pytest.raises(NotFoundError, match="no tokenizer file"):
            load_tokenizer(str(missing))


def test_hub_names_go_to_the_library(monkeypatch: pytest.MonkeyPatch, tokenizer_file: Path) -> None:
    asked: list[str] = []

    def download(name: str) -> tokenizers.Tokenizer:
        asked.append(name)
        if name == "group/absent":
            message = "404"
            raise RuntimeError(message)
        return backend

    backend = tokenizers.Tokenizer.from_file(str(tokenizer_file))
    monkeypatch.setattr(tokenizers, "Tokenizer", type("Fake", (), {"from_pretrained": download}))
    assert load_tokenizer("group/present").name == "group/present"
    with pytest.raises(NotFoundError, match=r"cannot be had from the hub: 404"):
        load_tokenizer("group/absent")
    assert asked == ["group/present", "group/absent"]
