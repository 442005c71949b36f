"""The wheel holds everything that runs: recipes, SQL, page and script templates."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("build", reason="build is in the dev extra")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["proxies", "schedules", "catalogs"])
def test_every_recipe_is_shipped(names: set[str], kind: str) -> None:
    recipes = [path.name for path in (ROOT / kind).iterdir() if path.suffix in {".toml", ".sql"}]
    assert recipes
    assert {f"mixopt/_shipped/{kind}/{name}" for name in recipes} <= names


@pytest.mark.slow
def test_every_file_of_the_package_is_in_it(names: set[str]) -> None:
    files = [path for path in (ROOT / "mixopt").rglob("*") if path.is_file()]
    own = [path.relative_to(ROOT) for path in files if "__pycache__" not in path.parts]
    assert {path.as_posix() for path in own} <= names
    assert not any("__pycache__" in name for name in names)
    assert not any(name.startswith("tests/") for name in names)
