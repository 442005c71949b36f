"""The layer contracts hold, and a planted upward import is caught."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="import-linter is in the dev extra")
ROOT = Path(__file__).resolve().parents[2]


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports())"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def _copy(root: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.html", "*.css")
    shutil.copytree(ROOT / "mixopt", root / "mixopt", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


@pytest.mark.slow
def test_contracts_are_kept(tmp_path: Path) -> None:
    done = _lint(_copy(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "7 kept, 0 broken" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("schedule/mixture.py", "import mixopt.study.recipe", "Data flows one way"),
        ("catalog/inventory.py", "import torch", "Below the engine nobody pays for torch"),
        ("study/results.py", "import duckdb", "Only database speaks to DuckDB"),
        ("training/lane.py", "import optuna", "Only study speaks to Optuna"),
    ],
)
def test_a_planted_import_is_caught(tmp_path: Path, file: str, line: str, contract: str) -> None:
    planted = _copy(tmp_path) / "mixopt" / file
    text = planted.read_text(encoding="utf-8")
    head = "from __future__ import annotations\n"
    planted.write_text(text.replace(head, f"{head}\n{line}\n", 1), encoding="utf-8")
    done = _lint(tmp_path)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout
