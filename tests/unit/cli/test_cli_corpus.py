"""`mixopt corpus` tells what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixopt.cli.catalog import build_file
from mixopt.cli.corpus import build_store

RECIPE = """
name = "talk"
split = { validation = 0.0, test = 0.0 }
[[domain]]
name = "chat"
provenance = "synthetic"
schema = "conversation"
sources = [{ reader = "jsonl", path = "chat.jsonl" }]
"""


def test_conversations_that_are_too_long_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": "a" * length}]
        for number, length in enumerate((5, 5, 500))
    ]
    (tmp_path / "chat.jsonl").write_text(
        "".join(json.dumps({"messages": messages}) + "\n" for messages in lines)
    )
    (tmp_path / "recipe.toml").write_text(RECIPE)
    build_file(str(tmp_path / "recipe.toml"), tmp_path / "catalog.duckdb")
    build_store(tmp_path / "catalog.duckdb", tmp_path / "corpus", None, 64)
    assert "chat: 1 of 3 conversations are left out" in " ".join(capsys.readouterr().err.split())
