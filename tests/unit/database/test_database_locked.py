"""Users' SQL reads what is attached, and nothing gets out of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from attempts import CHEAP, DEAR

from mixopt.database import locked
from mixopt.database.confined import open_locked
from mixopt.database.locked import (
    Answer,
    Attachment,
    Limits,
    LockedConnection,
    Opening,
    bounded,
    locked_connection,
    table_columns,
)
from mixopt.errors import NotFoundError, QueryError

ENDLESS = DEAR["run for ever"][0]
LIMITS = Limits(seconds=0.3, memory_megabytes=128, rows=100)


def write_table(path: Path, statement: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locked")
    (folder / "secret.csv").write_text("secret\n1\n")
    write_table(folder / "other.duckdb", "create table t as select 42 as i")
    numbers = "create table t as select range as i from range(9); create sequence numbers"
    write_table(folder / "catalog.duckdb", numbers)
    return folder


@pytest.fixture(scope="module")
def connection(folder: Path) -> Iterator[LockedConnection]:
    note = {"create temp table note as select $text as text": {"text": "kept"}}
    opening = Opening(path=folder / "catalog.duckdb", preparation=note)
    with locked_connection(opening, limits=LIMITS) as connection:
        yield connection


def is_refused(connection: LockedConnection, folder: Path, sql: str) -> None:
    python_rows = [1]
    before = {path: path.read_bytes() for path in folder.iterdir()}
    paths = {"{folder}": str(folder), "{catalog}": str(folder / "catalog.duckdb")}
    for mark, path in paths.items():
        sql = sql.replace(mark, path)
    with pytest.raises(QueryError) as caught:
        connection.query(sql)
    assert caught.value.what
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert connection.query("select sum(i) from t").rows == ((36,),)
    assert connection.query("from note").rows == (("kept",),)
    assert python_rows == [1]


@pytest.mark.parametrize("sql", [sql for group in CHEAP.values() for sql in group])
def test_what_is_no_reading_is_refused(
    connection: LockedConnection, folder: Path, sql: str
) -> None:
    is_refused(connection, folder, sql)


@pytest.mark.slow
@pytest.mark.parametrize("sql", [sql for group in DEAR.values() for sql in group], ids=str.__len__)
def test_what_takes_too_much_is_stopped(
    connection: LockedConnection, folder: Path, sql: str
) -> None:
    is_refused(connection, folder, sql)


@pytest.mark.parametrize("group", DEAR)
def test_one_of_each_kind_that_takes_too_much_is_stopped(
    connection: LockedConnection, folder: Path, group: str
) -> None:
    is_refused(connection, folder, DEAR[group][0])


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from t",
        "with x as (select i from t) select max(i) from x",
        "from t limit 1",
        "values (1)",
        "describe t",
        "show tables",
        "summarize t",
        "pivot t on i in (1, 2) using count(*)",
        "explain select 1",
        "-- why\nexplain /* how */ analyze select count(*) from t",
        "select unnest([1, 2]), list_transform([1], lambda x: x + 1)",
        "select * from duckdb_columns() limit 1",
    ],
)
def test_reading_statements_run(connection: LockedConnection, sql: str) -> None:
    table = connection.query(sql)
    assert table.rows
    assert len(table.rows[0]) == len(table.columns)


def test_values_of_every_type_come_as_what_they_are(connection: LockedConnection) -> None:
    sql = """
        select sum(i), 170141183460469231731687303715884105727::hugeint, 1.50::decimal(5, 2),
               '101'::bit, interval 1 day, [1, null], map {'a': 1}, {'a': 'x'}, 'ab'::blob, 1, 2 from t
    """
    table = connection.query(sql)
    assert table.rows == (
        (36, 2**127 - 1, Decimal("1.50"), "101", "1 day", [1, None], {"a": 1}, {"a": "x"}, b"ab", 1, 2),
    )  # fmt: skip
    assert connection.query("select 1 as a, 2 as a").columns == ("a", "a_1")


def test_parameters_are_bound(connection: LockedConnection) -> None:
    sql = "select $text::varchar as text, i from t where i = $number"
    hostile = "'; drop table t; --"
    assert connection.query(sql, {"text": hostile, "number": 3}).rows == ((hostile, 3),)
    with pytest.raises(QueryError, match="failed"):
        connection.query(sql, {"text": "a"})


def test_the_time_limit_is_named_and_the_next_query_runs(connection: LockedConnection) -> None:
    with pytest.raises(QueryError, match=r"longer than 0.3 seconds"):
        connection.query(ENDLESS)
    with pytest.raises(QueryError, match=r"longer than 0.3 seconds"):
        connection.query(DEAR["run for ever"][6])  # where the engine does not look at its clock
    assert connection.query("select 1").rows == ((1,),)


def test_a_stream_has_no_limit_of_rows_and_may_be_left(connection: LockedConnection) -> None:
    with connection.stream("select range as i from range(100000)") as answer:
        assert answer.schema.names == ["i"]
        assert sum(len(batch) for batch in answer.batches) == 100_000
    with connection.stream("select range as i from range(1000000000)") as answer:
        assert next(answer.batches)["i"][0].as_py() == 0
    assert connection.query("select 1").rows == ((1,),)


def test_views_join_the_attached_databases_that_have_the_table(tmp_path: Path) -> None:
    main = write_table(tmp_path / "main.duckdb", "create table t (i bigint)")
    first = write_table(tmp_path / "one.duckdb", "create table trials as select 1 as trial")
    second = write_table(tmp_path / "it's.duckdb", "create table trials as select 2 as trial")
    other = write_table(tmp_path / "other.duckdb", "create table unrelated (i bigint)")
    attached = {
        f"study{number}": Attachment(path=path, label=path.stem)
        for number, path in enumerate((first, second, other), start=1)
    }
    views = {"trials": {"trial": "integer", "later": "varchar"}, "runs": {"seed": "bigint"}}
    with locked_connection(Opening(path=main, attached=attached, views=views)) as connection:
        table = connection.query("select study, trial, later from trials order by trial")
        assert table.rows == (("one", 1, None), ("it's", 2, None))
        assert connection.query("from runs").rows == ()
        assert connection.query("select trial from study2.trials").rows == ((2,),)


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.duckdb"
    broken.write_text("no database")
    absent = Opening(path=tmp_path / "absent")
    with pytest.raises(NotFoundError, match="absent"), locked_connection(absent):
        pass
    with pytest.raises(QueryError, match="broken"), locked_connection(Opening(path=broken)):
        pass


def test_a_process_that_is_sealed_opens_and_writes_nothing(tmp_path: Path) -> None:
    program = f"""
import json, socket
from mixopt.database.confined import seal
kept = open({str(tmp_path / "kept")!r}, "w")
seal(64)
answers = []
for attempt in (
    lambda: open("/etc/hostname"),
    lambda: socket.socket(),
    lambda: (kept.write("x"), kept.flush()),
    lambda: bytearray(1 << 30),
):
    try:
        attempt()
        answers.append("done")
    except (OSError, MemoryError) as error:
        answers.append(type(error).__name__)
print(json.dumps(answers))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    expected = ["OSError", "OSError", "OSError"] + ["MemoryError"] * sys.platform.startswith(
        "linux"
    )
    assert json.loads(done.stdout)[: len(expected)] == expected
    assert (tmp_path / "kept").read_text() == ""


@pytest.mark.parametrize(
    "sql",
    [
        "copy t to '{catalog}'",
        "explain analyze copy t to '{catalog}'",
        "explain analyze copy t to '{catalog}.wal'",
        "select * from read_blob('{catalog}')",
        "select * from read_text('{folder}/secret.csv')",
        "attach '{folder}/other.duckdb'",
        "select * from enable_logging(storage = 'file', storage_path = '{folder}/log')",
        "set lock_configuration = false",
        "insert into t values (1)",
    ],
)
def test_the_engine_refuses_even_what_the_gate_would_let_pass(folder: Path, sql: str) -> None:
    catalog = folder / "catalog.duckdb"
    before = catalog.read_bytes()
    settings = locked._settings(Opening(path=catalog), LIMITS)
    with open_locked(settings) as connection, pytest.raises(duckdb.Error):
        connection.execute(sql.replace("{catalog}", str(catalog)).replace("{folder}", str(folder)))
    assert catalog.read_bytes() == before


def test_the_process_knows_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:password@127.0.0.1:1")
    process = locked._start()
    try:
        environment = Path(f"/proc/{process.pid}/environ")
        if environment.exists():
            assert b"password" not in environment.read_bytes()
    finally:
        process.kill()
        process.communicate()


def test_a_larger_result_than_memory_allows_is_refused() -> None:
    batch = pa.record_batch({"i": np.arange(1 << 17)})  # a megabyte
    answer = Answer(schema=batch.schema, batches=iter([batch] * 3))
    limited = bounded(answer, Limits(memory_megabytes=2, rows=10**9))
    assert len(next(limited.batches)) == len(next(limited.batches)) == 1 << 17
    with pytest.raises(QueryError, match="more than 2 MB"):
        next(limited.batches)


def test_tables_of_migrations_are_known_without_a_file() -> None:
    columns = table_columns("mixopt.study.sql")
    assert columns["measures"]["standard_error"] == "DOUBLE"
    assert "stage_costs" in columns
