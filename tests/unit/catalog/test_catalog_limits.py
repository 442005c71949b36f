from pathlib import Path

import pytest
from catalog_fakes import build, counting, domain, sentence, write_texts

from mixopt.catalog.building.jobs import ReadingDigests
from mixopt.catalog.building.limits import cut, next_files, parts_of
from mixopt.catalog.inventory import read_shards
from mixopt.catalog.locations import File
from mixopt.catalog.sources import CodeSource, JsonlSource, TextSource


def files(*sizes: int, suffix: str = ".jsonl") -> list[File]:
    return [
        File(location=f"/data/{number}{suffix}", num_bytes=size, modified="1")
        for number, size in enumerate(sizes)
    ]


def jsonl(limit: int | None) -> JsonlSource:
    return JsonlSource(reader="jsonl", path="data", limit_bytes=limit)


@pytest.mark.parametrize(
    ("sizes", "limit", "parts"),
    [
        ((100, 100), None, [None, None]),
        ((100, 100, 100, 100), 200, [50, 50, 50, 50]),
        ((10, 1000, 1000), 210, [None, 100, 100]),
        ((10, 30, 1000), 60, [None, 25, 25]),
        ((10, 20), 500, [None, None]),
        ((1000, 1000, 1000), 2, [1, 1, 1]),
        ((), 10, []),
    ],
)
def test_parts_are_equal_but_small_files_are_read_whole(
    sizes: tuple[int, ...], limit: int | None, parts: list[int | None]
) -> None:
    assert parts_of(files(*sizes), jsonl(limit)) == parts


def test_packed_files_never_count_as_small() -> None:
    packed = files(10, 10, suffix=".jsonl.gz")
    assert parts_of([*packed, *files(1000)], jsonl(300)) == [100, 100, 100]
    assert parts_of([*packed, *files(40)], jsonl(300)) == [130, 130, None]


def test_files_are_measured_ahead_until_their_documents_reach_the_limit() -> None:
    listed = files(*[100] * 1000, suffix=".txt")
    assert next_files(listed, [], 250) == 3
    assert next_files(listed, [100, 80, 60], 250) == 4
    assert next_files(listed, [100, 80, 90], 250) == 3
    assert next_files(listed, [10] * 100, 2000) == 200
    assert next_files(listed, [0] * 100, 250) == 225
    assert (cut([100, 80, 60, 90], 250), cut([100, 80], 250), cut([5], 0)) == (4, 2, 0)


@pytest.mark.parametrize("reader", ["text", "docstrings"])
def test_a_limit_takes_the_first_files_whole(tmp_path: Path, reader: str) -> None:
    write_texts(tmp_path / "texts", range(80))
    for path in (tmp_path / "texts").glob("*.txt"):
        code = f'"""{path.read_text()}"""\n' + "x = 1\n" * 100
        (tmp_path / "texts" / f"{path.stem}.py").write_text(code)
    source = f'reader = "{reader}", path = "texts", limit_bytes = 1500'
    summary = build(tmp_path, domain("prose", source))
    sizes = [shard.num_bytes for shard in read_shards(summary.path, "prose")]
    assert sum(sizes[:-1]) < 1500 <= sum(sizes)
    assert len(sizes) == summary.inventory.domain("prose").documents
    again = build(tmp_path, domain("prose", source))
    assert (again.inventory, again.measured) == (summary.inventory, 0)
    assert build(tmp_path, domain("prose", source), file="b.duckdb").inventory == summary.inventory


def test_a_limit_that_is_beyond_the_files_takes_all(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(20))
    source = 'reader = "text", path = "texts", limit_bytes = "1MB"'
    domains = build(tmp_path, domain("prose", source)).inventory.domain("prose")
    assert domains.num_bytes == sum(len(sentence(number)) for number in range(20))


def digest(source: JsonlSource | TextSource | CodeSource, location: str, part: int = 0) -> str:
    digests = ReadingDigests(source, "text", counting().load)
    return digests.of(File(location=location, num_bytes=1, modified="1"), part or None)


def test_a_file_may_move_unless_its_name_has_a_say() -> None:
    text = TextSource(reader="text", path="a")
    assert digest(text, "/a/x.txt") == digest(text, "/b/y.txt")
    assert digest(text, "/a/x.txt") != digest(text, "/a/x.txt.gz")
    code = CodeSource(reader="code", path="a")
    assert digest(code, "/a/x.py") == digest(code, "/b/x.py")
    assert digest(code, "/a/Makefile") != digest(code, "/a/notes")
    where = TextSource(reader="text", path="a", where="path like '%x%'")
    assert digest(where, "/a/x.txt") != digest(where, "/b/x.txt")


def test_what_decides_the_documents_is_in_the_digest_and_nothing_else() -> None:
    plain = jsonl(None)
    moved = JsonlSource(reader="jsonl", path="elsewhere", include=("*",), limit_bytes=7)
    assert digest(plain, "/a/x.jsonl") == digest(moved, "/a/x.jsonl")
    assert digest(plain, "/a/x.jsonl") != digest(plain, "/a/x.jsonl", part=7)
    other = JsonlSource(reader="jsonl", path="data", text_field="body")
    assert digest(plain, "/a/x.jsonl") != digest(other, "/a/x.jsonl")
