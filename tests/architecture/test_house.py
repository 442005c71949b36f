"""House rules that a program can check: sizes of files and functions, and where SQL and print stand."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "mixopt").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "common", "helpers", "core", "base", "misc"}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_says_what_it_owns_and_is_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.stem not in FORBIDDEN_NAMES
    assert text.count("\n") <= 400
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert docstring.split("\n\n")[0].rstrip().endswith((".", "`"))


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_functions_are_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"


def test_shipped_sql_is_in_sql_files_only() -> None:
    words = ("select ", "insert into", "create table")
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                one_line = " ".join(node.value.lower().split())
                is_text = len(one_line) > 200 or "\n" in node.value  # docstrings quote SQL
                assert is_text or not one_line.startswith(words), f"{_name(path)}: {one_line[:60]}"
