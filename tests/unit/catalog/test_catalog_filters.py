import json
from itertools import islice
from pathlib import Path

import pytest
from catalog_reading import file_of, no_tokenizer, read, read_with_intake

from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.sources import CodeSource, JsonlSource
from mixopt.errors import CatalogError


def filtered(where: str, **options: object) -> JsonlSource:
    return JsonlSource(reader="jsonl", path="data", where=where, **options)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Five thousand records, more than one batch; the third is broken."""
    records: list[dict[str, object]] = [
        {"text": f"text {n}", "q": n / 1000, "meta": {"topic": "odd" if n % 2 else "even"}}
        for n in range(5000)
    ]
    records[2]["text"] = None
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records))
    return path


def test_documents_that_do_not_meet_the_condition_are_left_out(path: Path) -> None:
    source = filtered("quality >= 4.5", scores={"quality": "q"})
    documents, intake = read_with_intake(path, source)
    assert [document.text for document in documents] == [f"text {n}" for n in range(4500, 5000)]
    assert (intake.read, intake.filtered, intake.quarantined) == (5000, 4499, 1)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("text like '%99'", 50),
        ("bytes = 6", 9),
        ("topic = 'odd'", 2500),
        ("topic = 'odd' and bytes = 6", 5),
        ("ends_with(path, '/a.jsonl')", 4999),
        ("path is null", 0),
        ("true", 4999),
    ],
)
def test_conditions_see_texts_bytes_paths_and_labels(path: Path, where: str, expected: int) -> None:
    documents, _ = read(path, filtered(where, labels={"topic": "meta.topic"}))
    assert len(documents) == expected


def test_lengths_and_conditions_are_counted_together(path: Path) -> None:
    source = filtered("text like '%1'", max_document_bytes=7)
    documents, intake = read_with_intake(path, source)
    assert [document.text for document in documents] == [f"text {n}" for n in range(1, 100, 10)]
    assert (intake.read, intake.filtered) == (5000, 4989)


def test_whoever_stops_early_finds_only_what_was_passed_on(path: Path) -> None:
    intake = Intake()
    documents = read_documents(
        file_of(path), filtered("bytes = 7"), "text", intake, load=no_tokenizer
    )
    assert [document.text for document in islice(documents, 3)] == ["text 10", "text 11", "text 12"]
    assert (intake.read, intake.filtered, intake.quarantined, intake.taken) == (13, 9, 1, 3)


def test_conversations_are_seen_as_their_contents(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    turns = [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]
    path.write_text(json.dumps({"messages": turns}))
    for where, expected in [("text = E'2 + 2\\n\\n4'", 1), ("bytes = 6", 1), ("bytes = 8", 0)]:
        assert len(read(path, filtered(where), "conversation")[0]) == expected


def test_code_is_filtered_by_its_language(tmp_path: Path) -> None:
    for name in ("a.py", "b.rs"):
        (tmp_path / name).write_text("x")
    source = CodeSource(reader="code", path=".", where="programming_language in ('Rust', 'Go')")
    assert [len(read(path, source)[0]) for path in sorted(tmp_path.iterdir())] == [0, 1]


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("qualty > 1", "the columns are text, bytes, path, quality"),
        ("text::integer > 1", "convert"),
    ],
)
def test_a_condition_that_fails_names_source_and_file(path: Path, where: str, why: str) -> None:
    with pytest.raises(CatalogError, match="the jsonl source 'data': the condition") as caught:
        read(path, filtered(where, scores={"quality": "q"}))
    assert why in caught.value.why
    assert str(path) in caught.value.why
