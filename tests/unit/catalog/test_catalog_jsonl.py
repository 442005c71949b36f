import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from catalog_reading import file_of, read, read_with_intake

from mixopt.catalog.documents import Document
from mixopt.catalog.readers import unpack
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import JsonlSource

JSONL = JsonlSource(reader="jsonl", path="x")
SCORED = JsonlSource(reader="jsonl", path="x", scores={"quality": "q"})
LINES = b"".join(json.dumps({"text": f"line {n} " + "x" * n}).encode() + b"\n" for n in range(400))
TURNS = [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]
EXPECTED: dict[Schema, tuple[str, ...]] = {"text": ("b",), "conversation": ("2 + 2", "4")}
PACKINGS = [(".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)]

Pack = Callable[[bytes], bytes]


def texts(path: Path, source: JsonlSource = JSONL) -> list[str]:
    return [document.text for document in read(path, source)[0]]


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), *PACKINGS])
def test_packed_files_of_several_frames_are_read(tmp_path: Path, suffix: str, pack: Pack) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack(LINES[:1000]) + pack(LINES[1000:]))
    documents, broken = read(path, JSONL)
    assert [document.text for document in documents] == [f"line {n} " + "x" * n for n in range(400)]
    assert not broken


@pytest.mark.parametrize(("suffix", "pack"), PACKINGS)
def test_truncated_packed_files_keep_their_whole_lines(
    tmp_path: Path, suffix: str, pack: Pack
) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack(LINES[:5000]) + pack(LINES[5000:])[:-40])
    documents, broken = read(path, JSONL)
    assert 60 < len(documents) < 400
    assert documents[-1].text == f"line {len(documents) - 1} " + "x" * (len(documents) - 1)
    assert [entry.unit for entry in broken] == ["byte"]
    assert broken[0].offset >= 5000
    assert broken[0].reason.startswith("damaged file")


@pytest.mark.parametrize(("suffix", "pack"), PACKINGS)
def test_a_frame_with_a_wrong_checksum_is_told(tmp_path: Path, suffix: str, pack: Pack) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    packed = bytearray(pack(LINES))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    documents, intake = read_with_intake(path, JSONL)
    assert intake.quarantined >= 1 or len(documents) == 400


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_garbage_under_a_packed_suffix_is_set_aside(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(b"not packed at all, whatever the name says")
    documents, broken = read(path, JSONL)
    assert not documents
    assert [(entry.unit, entry.offset) for entry in broken] == [("byte", 0)]


def test_padding_and_frames_to_skip_hold_nothing(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    packed = zstandard.compress(LINES[:1000])
    (tmp_path / "a.jsonl.zst").write_bytes(skipped + packed + skipped)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(LINES[:1000]) + bytes(512))
    found = [read(tmp_path / name, JSONL) for name in ("a.jsonl.zst", "a.jsonl.gz")]
    assert found[0] == found[1]
    assert len(found[0][0]) > 20
    # The thousand bytes end within a line.
    assert [entry.unit for entry in found[0][1]] == ["line"]


@pytest.mark.parametrize(("suffix", "pack"), PACKINGS)
def test_a_bomb_is_unpacked_piece_by_piece(tmp_path: Path, suffix: str, pack: Pack) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack(b'{"text": "a"}\n' + bytes(96 << 20)))
    tracemalloc.start()
    chunks = unpack.unpacked_chunks(file_of(path))
    num_bytes = sum(len(chunk) for chunk in chunks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert num_bytes == 14 + (96 << 20)
    assert peak < 72 << 20


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut', "broken JSON"),
        (b"[" * 100_000, "broken JSON"),
        (b'{"text": ' + b"1" * 5000 + b"}", "broken JSON"),
        (b'{"text": "a"} {"text": "b"}', "broken JSON"),
        (b'{"text": "a\0b"}', "broken JSON"),
        (b"\0\0\0\0", "broken JSON"),
        (b'\xef\xbb\xbf{"text": "a"}x', "broken JSON"),
        (b'{"body": "x"}', "missing field 'text'"),
        (b'{"text": 3}', "expected text in 'text', found a value of type int"),
        (b'{"text": null}', "expected text in 'text', found nothing"),
        (b'["text"]', "expected a record with fields"),
        (b"3", "expected a record with fields"),
        (b'{"text": "caf\xe9"}', "not UTF-8"),
        (b'{"text": "\\ud800"}', "no valid Unicode"),
        (b'{"text": " \\n "}', "empty document"),
    ],
)
def test_a_broken_line_is_set_aside_and_the_rest_is_read(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "one"}\r\n\n' + line + b'\n{"text": "two"}')
    documents, broken = read(path, JSONL)
    assert [document.text for document in documents] == ["one", "two"]
    assert [(entry.unit, entry.offset) for entry in broken] == [("line", 3)]
    assert broken[0].reason.startswith(reason)


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "a", "other": NaN}',
        '{"other": -Infinity, "text": "a"}',
        '{"other": "\\ud800", "text": "a"}',
        '{"other": 1e999, "text": "a", "x": 123456789012345678901234567890}',
        '{"text": "b", "text": "a"}',
        ' {"text": "a"} \t\r',
    ],
)
def test_what_is_odd_in_other_fields_does_no_harm(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{line}\n")
    assert read(path, JSONL) == ([Document(text="a")], [])


@pytest.mark.parametrize(
    ("value", "found"),
    [("null", "nothing"), ('"7"', "a value of type str"), ("NaN", "nan"), ("1e999", "inf")],
)
def test_a_record_without_a_finite_score_is_set_aside(
    tmp_path: Path, value: str, found: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "a", "q": {value}}}\n{{"text": "b"}}\n{{"text": "c", "q": 1}}')
    documents, broken = read(path, SCORED)
    assert [document.text for document in documents] == ["c"]
    assert broken[0].reason == f"expected a finite number in 'q', found {found}"
    assert broken[1].reason == "missing field 'q'"


def test_fields_are_those_that_the_recipe_names(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    record = {"data": {"body": "b", "q": 0.5}, "a.b": "literal", "text": "no", "chat": TURNS}
    path.write_text(json.dumps(record))
    source = JsonlSource(
        reader="jsonl",
        path="x",
        text_field="data.body",
        messages_field="chat",
        scores={"quality": "data.q"},
        labels={"kind": "a.b"},
    )
    for schema, contents in EXPECTED.items():
        (document,) = read(path, source, schema)[0]
        assert document.contents == contents
        assert document.scores == (("quality", 0.5),)
        assert document.labels == (("kind", "literal"),)


@pytest.mark.parametrize("schema", ["text", "conversation", "preference"])
@pytest.mark.parametrize("layout", ["lines", "array", "spread array", "spread records"])
def test_records_may_stand_in_an_array_or_over_several_lines(
    tmp_path: Path, schema: Schema, layout: str
) -> None:
    records = [
        {"text": t, "messages": TURNS, "prompt": t, "chosen": "a", "rejected": "b"} for t in "xyz"
    ]
    written = {
        "lines": "\n".join(json.dumps(record) for record in records),
        "array": json.dumps(records),
        "spread array": json.dumps(records, indent=2),
        "spread records": "\n".join(json.dumps(record, indent=2) for record in records),
    }
    (tmp_path / "a.json").write_text(written[layout])
    (tmp_path / "b.jsonl").write_text(written["lines"])
    assert len(read(tmp_path / "a.json", JSONL, schema)[0]) == 3
    assert read(tmp_path / "a.json", JSONL, schema) == read(tmp_path / "b.jsonl", JSONL, schema)


@pytest.mark.parametrize(
    ("content", "offset", "reason"),
    [
        ('[{"text": "a"}, {"text": 3}, {"text": "b"}]', 2, "expected text"),
        ('[{"text": "a"}, {"text": "b"}', 3, "broken JSON: the array does not end"),
        ('[{"text": "a"}, {"text": "b"}, {"te', 3, "broken JSON"),
        ('[{"text": "a"}, {"text": "b"}] more', 3, "broken JSON"),
        ('[{"text": "a"}, {"text": "b"}, [1]]', 3, "expected a record"),
    ],
)
def test_an_array_is_taken_up_to_where_it_breaks(
    tmp_path: Path, content: str, offset: int, reason: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    documents, broken = read(path, JSONL)
    assert [document.text for document in documents] == ["a", "b"]
    assert [(entry.unit, entry.offset) for entry in broken] == [("row", offset)]
    assert broken[0].reason.startswith(reason)


@pytest.mark.parametrize("layout", ["array", "records"])
def test_of_a_packed_array_that_is_cut_off_the_whole_records_are_taken(
    tmp_path: Path, layout: str
) -> None:
    records = [{"text": f"é {n} " + "x" * n} for n in range(400)]
    spread = "\n".join(json.dumps(record, indent=1, ensure_ascii=False) for record in records)
    content = json.dumps(records, ensure_ascii=False) if layout == "array" else spread
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(content.encode())[:-400])
    documents, broken = read(tmp_path / "a.json.gz", JSONL)
    assert 10 < len(documents) < 400
    assert [document.text for document in documents] == [
        record["text"] for record in records[: len(documents)]
    ]
    assert [(entry.unit, entry.offset) for entry in broken] == [("row", len(documents) + 1)]
    assert broken[0].reason.startswith("damaged file")


def test_lines_and_arrays_that_are_too_long_are_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MOST_BYTES", 1 << 20)
    long = json.dumps({"text": "a" * (3 << 20)})
    (tmp_path / "a.jsonl").write_text(f'{{"text": "one"}}\n{long}\n{{"text": "two"}}\n{long}')
    documents, broken = read(tmp_path / "a.jsonl", JSONL)
    assert [document.text for document in documents] == ["one", "two"]
    assert [(entry.unit, entry.offset) for entry in broken] == [("line", 2), ("line", 4)]
    (tmp_path / "a.json").write_text(f"[{long}]")
    documents, broken = read(tmp_path / "a.json", JSONL)
    assert not documents
    assert broken[0].reason.startswith("records that do not stand on lines")


def test_a_line_may_be_longer_than_a_chunk(tmp_path: Path) -> None:
    lengths = [3_000_000, 1, 262_144, 1_500_000]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"text": "a" * length}) for length in lengths))
    assert [len(text) for text in texts(path)] == lengths


@pytest.mark.parametrize("content", [b"", b"\n\n \r\n\t\n", b"\xef\xbb\xbf"])
def test_a_file_without_records_is_not_broken(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    documents, intake = read_with_intake(path, JSONL)
    assert (documents, intake.read) == ([], 0)
