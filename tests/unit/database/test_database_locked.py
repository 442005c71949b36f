from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from mixopt.database.locked import Attachment, Limits, LockedConnection, locked_connection
from mixopt.errors import NotFoundError, QueryError

ENDLESS = "with recursive r(i) as (select 1 union all select i + 1 from r) select max(i) from r"


def write_table(path: Path, statement: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    return path


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[LockedConnection]:
    path = write_table(tmp_path / "a.duckdb", "create table t as select range as i from range(9)")
    (tmp_path / "secret.csv").write_text("secret\n1\n")
    with locked_connection(path, limits=Limits(seconds=0.3, rows=100)) as locked:
        yield locked


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from t",
        "with x as (select i from t) select max(i) from x",
        "from t limit 1",
        "describe t",
        "show tables",
        "summarize t",
        "explain select 1",
    ],
)
def test_reading_statements_run(connection: LockedConnection, sql: str) -> None:
    table = connection.query(sql)
    assert table.rows
    assert len(table.rows[0]) == len(table.columns)


@pytest.mark.parametrize(
    "sql",
    [
        "copy t to '{folder}/out.csv'",
        "copy t from '{folder}/secret.csv'",
        "export database '{folder}/out'",
        "attach '{folder}/new.duckdb'",
        "install httpfs",
        "load httpfs",
        "pragma database_list",
        "set enable_external_access = true",
        "reset lock_configuration",
        "set threads = 64",
        "use memory",
        "call pragma_version()",
        "checkpoint",
        "create table k (i bigint)",
        "create temp table k (i bigint)",
        "insert into t values (1)",
        "update t set i = 0",
        "delete from t",
        "drop table t",
        "explain analyze insert into t values (1)",
        "select * from read_csv('{folder}/secret.csv')",
        "select * from read_text('{folder}/secret.csv')",
        "select * from read_blob('{folder}/secret.csv')",
        "select * from read_json('{folder}/secret.csv')",
        "select * from read_parquet('{folder}/*')",
        "select * from '{folder}/secret.csv'",
        "select * from glob('{folder}/*')",
        "select * from sniff_csv('{folder}/secret.csv')",
        "select * from query('copy t to ''{folder}/out.csv''')",
        "select * from 'https://example.org/x.csv'",
        "select getenv('HOME')",
        "select * from python_rows",
        "select 1; select 2",
        "select 1; drop table t",
        "",
        "-- nothing",
        "selekt 1",
        "select missing from t",
        "select * from range(1000)",
        "select repeat('x', 100000000000)",
        ENDLESS,
    ],
)
def test_all_else_is_refused(tmp_path: Path, connection: LockedConnection, sql: str) -> None:
    python_rows = [1]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(QueryError) as caught:
        connection.query(sql.format(folder=tmp_path))
    assert caught.value.what
    assert sorted(tmp_path.iterdir()) == before
    assert connection.query("select sum(i) from t").rows == ((36,),)
    assert python_rows == [1]


def test_the_time_limit_is_named(connection: LockedConnection) -> None:
    with pytest.raises(QueryError, match=r"longer than 0.3 seconds"):
        connection.query(ENDLESS)


def test_a_slow_stream_is_stopped(connection: LockedConnection) -> None:
    with pytest.raises(QueryError, match="longer than"):
        connection.query("select range from range(1000000000000) where range % 999999999999 = 7")


def test_views_join_the_attached_databases_that_have_the_table(tmp_path: Path) -> None:
    main = write_table(tmp_path / "main.duckdb", "create table t (i bigint)")
    first = write_table(tmp_path / "one.duckdb", "create table trials as select 1 as trial")
    second = write_table(tmp_path / "it's.duckdb", "create table trials as select 2 as trial")
    other = write_table(tmp_path / "other.duckdb", "create table unrelated (i bigint)")
    attached = {
        f"study{number}": Attachment(path=path, label=path.stem)
        for number, path in enumerate((first, second, other), start=1)
    }
    with locked_connection(main, attached=attached, views=("trials", "runs")) as connection:
        table = connection.query("select study, trial from trials order by trial")
        assert table.rows == (("one", 1), ("it's", 2))
        assert connection.query("select trial from study2.trials").rows == ((2,),)
        with pytest.raises(QueryError, match="runs"):
            connection.query("select * from runs")
        with pytest.raises(QueryError, match="read-only"):
            connection.query("explain analyze insert into study1.trials values (3)")


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.duckdb"
    broken.write_text("no database")
    with pytest.raises(NotFoundError, match="absent"), locked_connection(tmp_path / "absent"):
        pass
    with pytest.raises(QueryError, match="broken"), locked_connection(broken):
        pass
