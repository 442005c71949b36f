import subprocess
import sys
from pathlib import Path

import pytest
from database_fakes import FIRST, write_package

from mixopt.database.connection import Database, Mode
from mixopt.errors import CatalogError, NotFoundError, StudyError

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"points_{tmp_path.name}"
    write_package(tmp_path, f"{name}_newer", FIRST, "create table more (x bigint);")
    return write_package(tmp_path, name, FIRST)


def test_rows_come_back_by_column_name(tmp_path: Path, package: str) -> None:
    path = tmp_path / "points.duckdb"
    rows: list[dict[str, object]] = [
        {"x": 2, "label": None},
        {"x": 1, "label": "one; drop table points"},
    ]
    with Database(path, "write", package=package) as database:
        database.insert_many("insert_points", rows)
        database.insert_many("insert_points", [])
    with Database(path, "read", package=package) as database:
        assert database.fetch("list_points") == rows[::-1]


def test_a_transaction_keeps_all_or_nothing(tmp_path: Path, package: str) -> None:
    with Database(tmp_path / "points.duckdb", "write", package=package) as database:
        with database.transaction():
            database.execute("insert_point", x=1, label="kept")
        rows: list[dict[str, object]] = [{"x": 2, "label": "lost"}, {"x": 3, "label": "lost"}]
        with pytest.raises(CatalogError, match="insert_point"):
            _insert_then_fail(database, rows)
        assert [row["x"] for row in database.fetch("list_points")] == [1]


def test_reading_refuses_to_write(tmp_path: Path, package: str) -> None:
    path = tmp_path / "points.duckdb"
    Database(path, "write", package=package).close()
    database = Database(path, "read", package=package)
    with database, pytest.raises(CatalogError, match="read-only"):
        database.execute("insert_point", x=1, label="")
    with pytest.raises(NotFoundError, match="absent"):
        Database(tmp_path / "absent.duckdb", "read", package=package)


@pytest.mark.parametrize("kept_bytes", [0, 100, 5000])
def test_damaged_files_are_named(tmp_path: Path, package: str, kept_bytes: int) -> None:
    path = tmp_path / "points.duckdb"
    Database(path, "write", package=package).close()
    path.write_bytes(path.read_bytes()[:kept_bytes] or b"no database")
    with pytest.raises(StudyError) as caught:
        Database(path, "read", package=package, error=StudyError)
    assert str(path) in caught.value.what
    assert caught.value.why
    assert caught.value.remedy


def test_a_file_of_a_newer_schema_is_refused(tmp_path: Path, package: str) -> None:
    path = tmp_path / "points.duckdb"
    newer = package.replace(".sql", "_newer.sql")
    Database(path, "write", package=newer).close()
    modes: tuple[Mode, ...] = ("read", "write")
    for mode in modes:
        with pytest.raises(CatalogError, match="version is 2; this mixopt knows versions up to 1"):
            Database(path, mode, package=package)


def test_a_file_of_an_older_schema_is_migrated_only_for_writing(
    tmp_path: Path, package: str
) -> None:
    path = tmp_path / "points.duckdb"
    newer = package.replace(".sql", "_newer.sql")
    Database(path, "write", package=package).close()
    with pytest.raises(CatalogError, match="version is 1; version 2 is needed"):
        Database(path, "read", package=newer)
    Database(path, "write", package=newer).close()
    Database(path, "read", package=newer).close()


def test_a_file_that_another_process_holds_is_in_use(tmp_path: Path, package: str) -> None:
    path = tmp_path / "points.duckdb"
    Database(path, "write", package=package).close()
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(CatalogError, match="is in use"):
            Database(path, "read", package=package)
        holder.communicate(b"\n")
    Database(path, "read", package=package).close()


def _insert_then_fail(database: Database, rows: list[dict[str, object]]) -> None:
    with database.transaction():
        database.insert_many("insert_points", rows)
        database.execute("insert_point", x=1, label="a key that is there")
