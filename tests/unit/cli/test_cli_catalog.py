"""`mixopt catalog` from a draft to the history of a catalog, as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mixopt.cli.main import make_app
from mixopt.errors import CatalogError, NotFoundError

SHARED = "one sentence of thirteen words that stands in two domains of this small catalog"


def mixopt(*arguments: str) -> Result:
    app = make_app(["catalog"])
    return CliRunner().invoke(app, ["catalog", *arguments], catch_exceptions=False)


def read(*arguments: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(mixopt(*arguments, "--json").stdout)


def _write_data(folder: Path) -> None:
    (folder / "web").mkdir(parents=True)
    (folder / "notes").mkdir()
    rows: list[object] = [
        {"text": f"{SHARED} {n}" * (1 + n % 9), "quality": n / 60, "topic": "ab"[n % 2]}
        for n in range(60)
    ]
    lines = [json.dumps(row) for row in [*rows, {"text": ""}, {"text": 7}, rows[3]]]
    (folder / "web" / "a.jsonl").write_bytes("\n".join([*lines, ""]).encode() + b"\xff broken\n")
    for number in range(40):
        (folder / "notes" / f"{number}.txt").write_text(f"note {number}: {SHARED}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, the recipe that was drafted of it, and a catalog of two snapshots."""
    folder = tmp_path_factory.mktemp("catalog")
    _write_data(folder / "data")
    recipe, catalog = folder / "recipe.toml", folder / "catalog.duckdb"
    assert mixopt("draft", str(folder / "data"), "--out", str(recipe)).exit_code == 0
    assert mixopt("build", str(recipe), "--out", str(catalog)).exit_code == 0
    (folder / "data" / "notes" / "0.txt").unlink()
    (folder / "data" / "notes" / "1.txt").write_text("rewritten, and longer than it was before")
    (folder / "data" / "notes" / "new.txt").write_text("a note that was not there")
    assert mixopt("build", str(recipe), "--out", str(catalog)).exit_code == 0
    return folder


@pytest.fixture
def catalog(place: Path) -> Callable[..., Any]:
    return lambda *arguments: read(*arguments, "--catalog", str(place / "catalog.duckdb"))


def test_show_lists_what_domains_hold(catalog: Callable[..., Any], place: Path) -> None:
    notes, web = catalog("show")
    assert (notes["domain"], web["domain"]) == ("notes", "web")
    assert (notes["documents"], web["documents"]) == (40, 61)
    sizes = [path.stat().st_size for path in (place / "data" / "notes").iterdir()]
    assert notes["bytes"] == sum(sizes)
    assert notes["tokens"] == sum(sizes) + 40
    assert web["duplicate_share"] == pytest.approx(1 / 61)
    assert web["quarantined"] == 3


def test_show_prints_a_line_a_domain(place: Path) -> None:
    shown = mixopt("show", "--catalog", str(place / "catalog.duckdb")).stdout
    assert "supply" in shown.splitlines()[0]
    assert sum(name in line for line in shown.splitlines() for name in ("notes", "web")) == 2
    assert "schema" not in shown  # both are texts
    assert max(map(len, shown.splitlines())) < 120


def test_a_profile_adds_up(catalog: Callable[..., Any]) -> None:
    found = catalog("show", "web")
    for part in (found["splits"], found["lengths"], found["languages"]):
        assert sum(row["documents"] for row in part) == 61
    files = found["files"]
    assert files["read"] == files["taken"] + files["quarantined"] + files["filtered"] == 64
    assert [row["score"] for row in found["scores"]] == ["quality"]
    assert sum(row["documents"] for row in found["labels"]) == 61
    assert sum(row["share"] for row in found["labels"]) == pytest.approx(1)
    assert found["token_counts"][0]["tokens"] == found["domain"]["tokens"]


def test_a_profile_is_printed_with_a_histogram(place: Path) -> None:
    shown = mixopt("show", "web", "--catalog", str(place / "catalog.duckdb")).stdout
    assert "█" * 40 in shown
    assert all(title in shown for title in ("splits", "scores", "labels", "tokens by tokenizer"))
    assert SHARED[:20] in shown


def test_quarantine_groups_reasons(catalog: Callable[..., Any]) -> None:
    found = catalog("quarantine", "--most", "2")
    assert [(row["collection"], row["quarantined"]) for row in found["collections"]] == [("web", 3)]
    assert sum(row["entries"] for row in found["reasons"]) == 3
    assert any("UTF-8" in row["reason"] and "byte #" in row["reason"] for row in found["reasons"])
    assert [row["position"] for row in found["entries"]] == [61, 62]
    assert catalog("quarantine", "--domain", "notes") == {
        "collections": [],
        "reasons": [],
        "entries": [],
    }


def test_snapshots_tell_what_came_and_went(catalog: Callable[..., Any]) -> None:
    first, second = catalog("snapshots")
    changes = [
        [row[f"shards_{how}"] for how in ("added", "removed", "changed")] for row in (first, second)
    ]
    assert changes == [[41, 0, 0], [1, 1, 1]]
    assert first["snapshot"] != second["snapshot"]
    found = catalog("snapshots", "1", second["snapshot"])
    assert [(row["domain"], row["change"]) for row in found["domains"]] == [("notes", "changed")]
    assert found["domains"][0]["documents"] == 0
    kinds = {Path(row["path"]).name: row["change"] for row in found["shards"]}
    assert kinds == {"0.txt": "removed", "1.txt": "changed", "new.txt": "added"}


def test_the_same_snapshot_differs_in_nothing(place: Path) -> None:
    shown = mixopt("snapshots", "2", "--catalog", str(place / "catalog.duckdb")).stdout
    assert shown == "No domain differs from snapshot 2 to 2.\n"


def test_unknown_names_are_not_found(place: Path) -> None:
    for words in (["show", "wbe"], ["quarantine", "--domain", "wbe"], ["snapshots", "7"]):
        with pytest.raises(NotFoundError) as caught:
            mixopt(*words, "--catalog", str(place / "catalog.duckdb"))
        assert caught.value.remedy


def test_a_draft_never_replaces_a_recipe(place: Path) -> None:
    with pytest.raises(CatalogError, match="is there already"):
        mixopt("draft", str(place / "data"), "--out", str(place / "recipe.toml"))


def test_a_draft_of_nothing_usable_says_why(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text('{"number": 1}\n')
    with pytest.raises(CatalogError) as caught:
        mixopt("draft", str(tmp_path))
    assert "no records with texts" in caught.value.why
