from pathlib import Path

import duckdb
import pytest
from database_fakes import FIRST, write_package

from mixopt.database.migrate import latest_version, load_migrations, migrate, schema_version

SECOND = "alter table points add column weight double; update points set weight = x / 2;"


def test_an_old_file_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    old = write_package(tmp_path, "points_old", FIRST)
    new = write_package(tmp_path, "points_new", FIRST, SECOND)
    with duckdb.connect() as connection:
        assert schema_version(connection) == 0
        assert migrate(connection, old) == 1
        connection.execute("insert into points values (3, 'kept')")
        assert migrate(connection, new) == latest_version(new) == 2
        assert migrate(connection, new) == 2
        assert connection.execute("from points").fetchall() == [(3, "kept", 1.5)]


def test_a_failing_step_leaves_the_version_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package = write_package(tmp_path, "points_bad", FIRST, f"{SECOND} select * from missing;")
    with duckdb.connect() as connection:
        with pytest.raises(duckdb.CatalogException):
            migrate(connection, package)
        assert schema_version(connection) == 1
        columns = connection.execute("describe points").fetchall()
    assert [column[0] for column in columns] == ["x", "label"]


@pytest.mark.parametrize("name", ["0003_gap.sql", "0001_again.sql", "add_things.sql"])
def test_numbers_have_no_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package = write_package(tmp_path, f"gaps_{name[:6].strip('_')}", FIRST)
    folder = tmp_path / package.replace(".", "/") / "migrations"
    (folder / name).write_text("select 1;")
    with pytest.raises(ValueError, match=r"expected a migration 000\d_"):
        load_migrations(package)
