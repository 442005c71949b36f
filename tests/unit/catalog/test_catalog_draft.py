"""Drafts: what folders, formats and fields are taken for, and recipes that build as they are."""

from __future__ import annotations

import gzip
import json
import tarfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from catalog_fakes import counting

from mixopt.catalog.building.build import build_catalog
from mixopt.catalog.drafting.draft import Draft, draft_domains
from mixopt.catalog.drafting.guess import column_name, guess
from mixopt.catalog.drafting.samples import flattened
from mixopt.catalog.drafting.write import draft_toml
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.errors import NotFoundError
from mixopt.recipes.decode import decode, read

Rows = Sequence[Mapping[str, Any]]


def _write(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def _texts(field: str, count: int = 10) -> list[dict[str, Any]]:
    return [{field: f"a text, number {n}"} for n in range(count)]


def _sources(draft: Draft) -> dict[str, list[Mapping[str, object]]]:
    return {d.name: [source.table for source in d.sources] for d in draft.domains}


def _guessed(rows: Rows) -> tuple[str, dict[str, object]]:
    found = guess([flattened(row) for row in rows])
    assert found is not None
    return found.schema, found.table()


def test_every_folder_is_a_domain(tmp_path: Path) -> None:
    _write(tmp_path / "all" / "web" / "2020" / "a.jsonl", _texts("text"))
    _write(tmp_path / "all" / "web" / "b.jsonl.gz", _texts("text"))
    (tmp_path / "all" / "notes").mkdir()
    (tmp_path / "all" / "notes" / "one.txt").write_text("a note")
    _write(tmp_path / "all" / "top.jsonl", _texts("text"))
    found = _sources(draft_domains([str(tmp_path)]))
    assert set(found) == {"all", "web", "notes"}
    assert found["web"][0]["include"] == ["*.jsonl", "*.jsonl.gz"]
    assert found["all"][0]["exclude"] == ["notes/*", "web/*"]
    assert found["notes"][0]["reader"] == "text"


def test_files_of_other_kinds_are_domains_and_sources_of_their_own(tmp_path: Path) -> None:
    _write(tmp_path / "x" / "a.jsonl", _texts("text"))
    _write(tmp_path / "x" / "b.jsonl", _texts("body"))
    chat = [{"messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]}]
    _write(tmp_path / "x" / "c.jsonl", chat)
    draft = draft_domains([str(tmp_path / "x")])
    assert [(d.name, d.schema) for d in draft.domains] == [
        ("x-text", "text"),
        ("x-conversation", "conversation"),
    ]
    tables = _sources(draft)["x-text"]
    assert [table["include"] for table in tables] == [["a.jsonl"], ["b.jsonl"]]
    assert [table.get("text_field") for table in tables] == [None, "body"]


def test_only_scores_that_all_files_have_are_named(tmp_path: Path) -> None:
    rows = [{**row, "quality": 0.5, "source": "x"} for row in _texts("text")]
    _write(tmp_path / "a.jsonl", rows)
    _write(tmp_path / "b.jsonl", [{**row, "source": "y"} for row in _texts("text")])
    ((source,),) = _sources(draft_domains([str(tmp_path)])).values()
    assert "scores" not in source
    assert source["labels"] == {"source": "source"}


@pytest.mark.parametrize(
    ("row", "schema", "keys"),
    [
        ({"text": "x"}, "text", {}),
        ({"url": "http://a/very/long/address", "content": "x"}, "text", {"text_field": "content"}),
        ({"meta": {"body": "x", "id": 3}}, "text", {"text_field": "meta.body"}),
        (
            {"conversations": [{"from": "human", "value": "x"}]},
            "conversation",
            {"messages_field": "conversations", "role_key": "from", "content_key": "value"},
        ),
        (
            {"question": "x", "answer_chosen": "y", "answer_rejected": "z"},
            "preference",
            {
                "chosen_field": "answer_chosen",
                "rejected_field": "answer_rejected",
                "prompt_field": "question",
            },
        ),
    ],
)
def test_content_is_found(row: dict[str, Any], schema: str, keys: dict[str, object]) -> None:
    assert _guessed([row]) == (schema, keys)


def test_scores_and_labels_are_told_from_other_fields() -> None:
    rows = [
        {
            "text": f"{n} words",
            "id": n,
            "timestamp": 1.5 * n,
            "edu_score": n,
            "language": ["en", "de"][n % 2],
            "title": "one",
            "meta": {"Perplexity": n / 3, "num_words": 2.0, "dump": "2020-05", "flag": True},
        }
        for n in range(8)
    ]
    _, keys = _guessed([*rows, {"text": 7, "edu_score": "broken"}])
    assert keys["scores"] == {"edu_score": "edu_score", "perplexity": "meta.Perplexity"}
    assert keys["labels"] == {"label_language": "language", "dump": "meta.dump"}


def test_names_of_columns_are_ones_that_recipes_take() -> None:
    assert column_name("Edu-Score (v2)", "score") == "edu_score_v2"
    assert column_name("tokens", "score") == "score_tokens"
    assert column_name("7b", "score") == "score_7b"


def test_numbers_alone_are_no_documents() -> None:
    assert guess([{"a": 1, "b": [1, 2]}]) is None


def _everything(folder: Path) -> None:
    """Write one folder of every format that is drafted, beside files that none reads."""
    rows = [{**row, "quality": 0.5} for row in _texts("text", 40)]
    _write(folder / "lines" / "a.jsonl", [*rows, {"text": 3}])
    (folder / "columns").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "columns" / "a.parquet")
    (folder / "saved").mkdir()
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(folder / "saved" / "data-0.arrow", table.schema) as stream:
        stream.write_table(table)
    (folder / "saved" / "state.json").write_text("{}")
    (folder / "notes").mkdir()
    for number, row in enumerate(rows):
        (folder / "notes" / f"{number}.md").write_text(row["text"])
    (folder / "notes" / "picture.png").write_bytes(b"\x89PNG")
    (folder / "packed").mkdir()
    with tarfile.open(folder / "packed" / "0.tar", "w") as archive:
        for number in range(40):
            archive.add(folder / "notes" / f"{number}.md", f"{number}.txt")


def test_every_format_is_found(tmp_path: Path) -> None:
    _everything(tmp_path)
    np.save(tmp_path / "lines" / "tokens.npy", np.arange(9, dtype=np.uint16))
    draft = draft_domains([str(tmp_path)])
    readers = {
        name: [table["reader"] for table in found] for name, found in _sources(draft).items()
    }
    assert readers == {
        "columns": ["parquet"],
        "lines": ["jsonl"],
        "notes": ["text"],
        "packed": ["webdataset"],
        "saved": ["arrow"],
    }
    assert any("tokens.npy: it holds tokens" in reason for reason in draft.left_out)
    assert any(".png" in reason for reason in draft.left_out)


def test_tokens_are_taken_with_a_tokenizer(tmp_path: Path) -> None:
    np.save(tmp_path / "tokens.npy", np.arange(9, dtype=np.uint16))
    ((source,),) = _sources(draft_domains([str(tmp_path)], tokenizer="bytes")).values()
    assert (source["reader"], source["tokenizer"]) == ("tokens", "bytes")


def test_an_index_belongs_to_the_tokens_beside_it(tmp_path: Path) -> None:
    for name in ("text.bin", "text.idx", "alone.idx"):
        (tmp_path / name).write_bytes(b"\0" * 8)
    left_out = draft_domains([str(tmp_path)], tokenizer="bytes").left_out
    assert [reason for reason in left_out if ".idx" in reason] == [
        f"{tmp_path}: 1 file that no reader reads (.idx)"
    ]


def test_a_draft_is_a_valid_recipe_whatever_the_names(tmp_path: Path) -> None:
    for name in ('odd "name" [1]', "ünï", "web", "sub/web"):
        _write(tmp_path / name / "x.jsonl", _texts('te"xt'))
    draft = draft_domains([str(tmp_path), str(tmp_path / "web" / "x.jsonl")])
    text = draft_toml(draft, name="draft", tokenizer=None, folder=tmp_path)
    recipe = decode(text, CatalogRecipe, file="draft.toml")
    assert len({domain.name for domain in recipe.domain}) == len(recipe.domain) == 5
    paths = [source["path"] for d in tomllib.loads(text)["domain"] for source in d["sources"]]
    assert sorted(paths) == sorted(['odd "name" [1]', "ünï", "web", "sub", "web/x.jsonl"])


def test_a_draft_builds_as_it_is(tmp_path: Path) -> None:
    _everything(tmp_path / "data")
    recipe_file = tmp_path / "recipe.toml"
    draft = draft_domains([str(tmp_path / "data")])
    recipe_file.write_text(draft_toml(draft, name="draft", tokenizer=None, folder=tmp_path))
    summary = build_catalog(
        read(recipe_file, CatalogRecipe),
        tmp_path / "catalog.duckdb",
        recipe_file=recipe_file,
        counting=counting(),
        progress=lambda _done, _total: None,
    )
    assert {found.name: found.documents for found in summary.inventory.domains} == dict.fromkeys(
        ("columns", "lines", "notes", "packed", "saved"), 40
    )
    assert summary.quarantined == 1


def test_nothing_is_not_found(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere", "memory://no-such-bucket/at-all"):
        with pytest.raises(NotFoundError, match="no file in"):
            draft_domains([str(place)])


def test_a_bucket_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        what = "The specified bucket does not exist"
        raise FileNotFoundError(what)

    monkeypatch.setattr(fsspec.filesystem("memory").__class__, "find", refuse)
    with pytest.raises(NotFoundError, match="no file in memory://nothing") as caught:
        draft_domains(["memory://nothing"])
    assert "bucket does not exist" in caught.value.why


def test_urls_are_drafted_as_paths_are() -> None:
    system = fsspec.filesystem("memory")
    rows = "".join(json.dumps(row) + "\n" for row in _texts("body"))
    system.pipe({f"/drafted/{name}/a.jsonl": rows.encode() for name in ("web", "books")})
    draft = draft_domains(["memory://drafted/"])
    found = {name: table["path"] for name, (table,) in _sources(draft).items()}
    assert found == {name: f"memory://drafted/{name}" for name in ("web", "books")}
    text = draft_toml(draft, name="remote", tokenizer=None, folder=Path("/"))
    assert 'path = "memory://drafted/web"' in text
    assert 'text_field = "body"' in text
