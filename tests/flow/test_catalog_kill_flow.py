"""A build that is killed at any moment: the old catalog stays or the new one stands, and the next build goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixopt.catalog.building.build import CatalogSummary, build_catalog
from mixopt.catalog.counting import Counting
from mixopt.catalog.inventory import Inventory, read_inventory
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.corpus.conversations import render_document
from mixopt.corpus.tokenizer import ByteTokenizer, load_tokenizer
from mixopt.recipes.decode import read

FILES = 60
BUILD = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from mixopt.catalog.building import measured_tables, measurer, reading
from test_catalog_kill_flow import build
measured_tables._BUFFER_FILES = 4
measurer._TASK_FILES = 3
if __name__ == "__main__":
    tell = lambda done, total: print(done, total, flush=True)
    build(Path(sys.argv[1]), workers=int(sys.argv[2]), progress=tell)
"""


def build(
    folder: Path,
    *,
    workers: int = 1,
    progress: object = lambda _done, _total: None,
) -> CatalogSummary:
    return build_catalog(
        read(folder / "recipe.toml", CatalogRecipe),
        folder / "catalog.duckdb",
        recipe_file=folder / "recipe.toml",
        counting=Counting(counters=(ByteTokenizer(),), render=render_document, load=load_tokenizer),
        workers=workers,
        progress=progress,  # type: ignore[arg-type] # any function of two numbers
    )


def write_sources(folder: Path, seed: int) -> None:
    (folder / "texts").mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        (folder / "texts" / f"{number}.txt").write_text(f"{seed} {number} " * 50)
    (folder / "recipe.toml").write_text(
        'name = "killed"\n[[domain]]\nname = "prose"\nprovenance = "organic"\n'
        'sources = [{ reader = "text", path = "texts" }]\n'
    )


def kill_after(folder: Path, lines: int, seconds: float, workers: int = 1) -> list[int]:
    """Kill a build some time after it has told so much; return the processes it had started."""
    script = folder / "script.py"
    script.write_text(BUILD)
    command = [sys.executable, str(script), str(folder), str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        time.sleep(seconds)
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        children = [int(text) for text in listed.read_text().split()]
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
    return children


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Inventory]:
    folder = tmp_path_factory.mktemp("expected")
    found = {}
    for seed in (1, 2):
        write_sources(folder, seed)
        found[seed] = build(folder).inventory
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "seconds"), [(1, 0.0), (21, 0.0), (FILES, 0.0), (FILES + 1, 0.1), (FILES + 1, 0.4)]
)
def test_a_killed_build_leaves_a_catalog_and_is_resumed(
    tmp_path: Path, expected: dict[int, Inventory], lines: int, seconds: float
) -> None:
    write_sources(tmp_path, 1)
    build(tmp_path)
    write_sources(tmp_path, 2)
    kill_after(tmp_path, lines, seconds)
    assert read_inventory(tmp_path / "catalog.duckdb") in expected.values()
    summary = build(tmp_path)
    assert summary.inventory == expected[2]
    assert summary.measured <= FILES - (lines - 1) + 4
    assert (summary.measured + summary.reused, summary.notes) == (FILES, ())
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes as Linux lists them")
def test_the_workers_of_a_killed_build_end_with_it(
    tmp_path: Path, expected: dict[int, Inventory]
) -> None:
    write_sources(tmp_path, 1)
    children = kill_after(tmp_path, 10, 0.0, workers=2)
    assert len(children) >= 2
    deadline = time.monotonic() + 20
    while any(is_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_alive(child) for child in children)
    assert build(tmp_path).inventory == expected[1]


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{process}/status").read_text()


@pytest.mark.slow
def test_an_interrupted_build_keeps_what_it_measured(
    tmp_path: Path, expected: dict[int, Inventory]
) -> None:
    write_sources(tmp_path, 1)
    seen: list[int] = []

    def interrupt(done: int, _total: int) -> None:
        seen.append(done)
        if len(seen) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, progress=interrupt)
    assert not (tmp_path / "catalog.duckdb").exists()
    summary = build(tmp_path)
    assert (summary.measured, summary.reused) == (FILES - 19, 19)
    assert summary.inventory == expected[1]
