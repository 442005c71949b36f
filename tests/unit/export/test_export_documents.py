import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixopt.catalog.documents import Document
from mixopt.errors import ExportError
from mixopt.export.documents import write_documents

TEXTS = ("plain", 'quotes " and \\', "two\nlines", "snow ☃ and 𝄞", "\u2028")


def test_texts_come_back_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "web.jsonl"
    found = write_documents("web", (Document(text=text) for text in TEXTS), path)
    lines = path.read_bytes().split(b"\n")[:-1]
    assert [json.loads(line)["text"] for line in lines] == list(TEXTS)
    assert (found.rows, found.num_bytes) == (len(TEXTS), path.stat().st_size)
    assert path.stat().st_mode & 0o777 == 0o644
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_conversations_have_messages(tmp_path: Path) -> None:
    document = Document(messages=(("user", "1 + 1"), ("assistant", "2")))
    write_documents("chat", [document], tmp_path / "chat.jsonl")
    row = json.loads((tmp_path / "chat.jsonl").read_text())
    assert row["messages"][1] == {"role": "assistant", "content": "2"}
    assert "text" not in row


def test_preferences_have_what_was_rejected(tmp_path: Path) -> None:
    chosen = (("user", "1 + 1"), ("assistant", "2"))
    document = Document(messages=chosen, rejected=(("assistant", "3"),))
    write_documents("pairs", [document], tmp_path / "pairs.jsonl")
    row = json.loads((tmp_path / "pairs.jsonl").read_text())
    assert row["messages"] == [{"role": r, "content": c} for r, c in chosen]
    assert row["rejected"] == [{"role": "assistant", "content": "3"}]


def test_scores_stand_beside_the_text(tmp_path: Path) -> None:
    rows = [Document(text="a", scores=(("quality", 0.5),)), Document(text="b")]
    write_documents("web", rows, tmp_path / "web.jsonl")
    found = [json.loads(line) for line in (tmp_path / "web.jsonl").read_text().splitlines()]
    assert found == [{"text": "a", "scores": {"quality": 0.5}}, {"text": "b"}]


def test_half_a_surrogate_pair_does_not_stop_the_file(tmp_path: Path) -> None:
    write_documents("web", [Document(text="a\ud800b")], tmp_path / "web.jsonl")
    assert json.loads((tmp_path / "web.jsonl").read_text())["text"] == "a?b"


def test_a_broken_source_leaves_the_old_file(tmp_path: Path) -> None:
    def broken() -> Iterator[Document]:
        yield Document(text="new")
        raise RuntimeError

    path = tmp_path / "web.jsonl"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        write_documents("web", broken(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_an_export_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot write"):
        write_documents("web", [], tmp_path / "file" / "web.jsonl")
