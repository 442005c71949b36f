"""Users see a catalog and their studies in SQL: tables, views, functions and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from filled import write_filled_catalog, write_filled_ledger

from mixopt.catalog.query import Limits, LockedConnection, Studies, open_query, run_query
from mixopt.errors import QueryError
from mixopt.schedule.curve import Knot, MixtureCurve
from mixopt.schedule.mixture import mixture_of

PACKAGE = "mixopt.study.sql"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("query")
    write_filled_catalog(folder / "catalog.duckdb")
    write_filled_ledger(folder / "first")
    write_filled_ledger(folder / "second")
    return folder


@pytest.fixture(scope="module")
def connection(folder: Path) -> Iterator[LockedConnection]:
    ledgers = [folder / name / "results.duckdb" for name in ("first", "second")]
    studies = Studies(package=PACKAGE, ledgers=ledgers)
    with open_query(folder / "catalog.duckdb", studies=studies) as connection:
        yield connection


def one(connection: LockedConnection, expression: str) -> object:
    ((value,),) = connection.query(f"select {expression}").rows
    return value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("supply_of('web')", 4_000_000),
        ("epochs('web', 2e9)", 500.0),
        ("tokens_for('code', 4)", 3200),
        ("weight_for('code', 1000, 0.5)", 0.4),
        ("weight_for('code', 1000, 4)", 1.0),
        ("natural_weight('code')", 800 / 4_000_950),
        ("supply_at('web', 2e9, 1e6)", 2000.0),  # supply x proxy tokens / target tokens
        ("sample_lacks('web', 1e7, 1e4)", 1600.0),
        ("sample_lacks('code', 1e7, 1e4)", 0.0),
        ("human(1500000000)", "1.5B"),
        ("human(999.6)", "1K"),
        ("human(12)", "12"),
        ("count_of('20B')", 20e9),
        ("count_of('250_000')", 250_000.0),
        ("count_of('1.5e3')", 1500.0),
        ("epochs('nonsense', 1)", None),
    ],
)
def test_functions_give_what_a_hand_finds(
    connection: LockedConnection, expression: str, expected: object
) -> None:
    assert one(connection, expression) == expected


def test_functions_take_columns_whatever_their_names(connection: LockedConnection) -> None:
    expected = (("web", 0.25), ("code", 1250.0), ("drills", 1e6 / 150))
    by_name = "select name, epochs(name, 1e6) from domains order by position"
    assert connection.query(by_name).rows == expected
    by_domain = "select domain, epochs(domain, 1e6) from supply order by supply_tokens desc"
    assert connection.query(by_domain).rows == expected


def test_a_proxy_sees_what_the_schedule_cuts(connection: LockedConnection) -> None:
    # As mixopt.schedule.repetition.pool: wanted = available x scale x supply / sample, in tokens.
    available, scale, supply, sample = 2400, 1e6 / 2e9, 4_000_000, 2400
    wanted = available * scale * supply / sample
    assert one(connection, "supply_at('web', 2e9, 1e6)") == pytest.approx(wanted)


def test_studies_are_views_with_their_names(connection: LockedConnection) -> None:
    sql = "select study, count(*) from trials group by study order by study"
    assert connection.query(sql).rows == (("first", 4), ("second", 4))
    assert connection.query("select count(*) from study2.trials").rows == ((4,),)
    costs = "select study, stage, tokens from stage_costs order by all"
    assert connection.query(costs).rows[:2] == (("first", "early", 60), ("first", "late", 80))


def test_without_studies_their_views_are_empty(folder: Path) -> None:
    studies = Studies(package=PACKAGE)
    for view in ("trials", "proxies", "results", "trial_mixtures", "doses", "stage_costs"):
        table = run_query(folder / "catalog.duckdb", f"from {view}", studies=studies)
        assert table.rows == ()
        assert table.columns[0] == "study"


def test_a_ledger_of_older_times_lacks_columns_only(folder: Path, tmp_path: Path) -> None:
    old = tmp_path / "old" / "results.duckdb"
    old.parent.mkdir()
    with duckdb.connect(str(old)) as connection:
        connection.execute("create table trials as select 'a' as trial, 'search' as phase")
    studies = Studies(package=PACKAGE, ledgers=[old])
    sql = "select study, trial, proxy from trials"
    assert run_query(folder / "catalog.duckdb", sql, studies=studies).rows == (("old", "a", None),)


def test_mixtures_are_means_of_curves(connection: LockedConnection) -> None:
    knots = [(0.0, {"web": 1.0}), (1.0, {"code": 1.0})]
    curve = MixtureCurve(
        shape="linear", knots=tuple(Knot(at=at, mixture=mixture_of(each)) for at, each in knots)
    )
    sql = """
        select domain, weight, tokens, epochs from trial_mixtures
        where study = 'first' and trial = 'search-0' and stage = 'late' order by domain
    """
    rows = connection.query(sql).rows
    assert {row[0]: row[1] for row in rows} == pytest.approx(curve.mean().as_dict())
    assert rows[0] == ("code", 0.5, 200.0, 0.25)


def test_results_are_means_over_seeds(connection: LockedConnection) -> None:
    sql = """
        select seeds, value, standard_error, is_last from results
        where study = 'first' and trial = 'search-0'
    """
    ((seeds, value, error, is_last),) = connection.query(sql).rows
    assert (seeds, is_last) == (2, True)
    assert (value, error) == pytest.approx((2.1, 0.1))  # 2.0 and 2.2: deviation .141, by root of 2


def test_the_dictionary_tells_what_everything_is(connection: LockedConnection) -> None:
    rows = connection.query("select kind, relation, name, type, meaning from dictionary").rows
    known = {row[:3]: row[3:] for row in rows}
    assert known["column", "domains", "supply_tokens"] == (
        "BIGINT",
        "unique tokens of the target run",
    )
    assert "mean over seeds" in str(known["column", "results", "value"][1])
    silent = [
        name for (kind, name, _), (_, meaning) in known.items() if kind == "table" and not meaning
    ]
    assert silent == []
    functions = {name: meaning for kind, _, name, _, meaning in rows if kind == "function"}
    assert "epochs(domain, tokens)" in functions
    assert all(functions.values())


def test_a_query_reads_nothing_but_the_catalog(folder: Path) -> None:
    catalog = folder / "catalog.duckdb"
    (folder / "secret.txt").write_text("secret")
    for sql in (
        f"select * from read_text('{folder}/secret.txt')",
        f"copy domains to '{folder}/out.csv'",
        "drop table domains",
    ):
        with pytest.raises(QueryError):
            run_query(catalog, sql)
    assert not (folder / "out.csv").exists()
    endless = "with recursive r(i) as (select 1 union all select i + 1 from r) select max(i) from r"
    with pytest.raises(QueryError, match="longer than"):
        run_query(catalog, endless, limits=Limits(seconds=0.2))


def test_a_catalog_of_an_older_mixopt_is_named(tmp_path: Path) -> None:
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table schema_version as select 1 as version")
    with pytest.raises(QueryError, match="older mixopt"):
        run_query(path, "select 1")
