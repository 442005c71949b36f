from pathlib import Path

import duckdb
import pytest
from catalog_fakes import build, domain, write_texts

from mixopt.catalog.query import Limits, run_query
from mixopt.errors import QueryError


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    write_texts(tmp_path / "texts", range(12))
    source = 'reader = "text", path = "texts"'
    domains = [
        domain(name, source, head=f'provenance = "{provenance}"')
        for name, provenance in (("a", "organic"), ("b", "organic"), ("c", "synthetic"))
    ]
    return build(tmp_path, *domains).path


def test_tokens_by_provenance(catalog: Path) -> None:
    table = run_query(catalog, "select provenance, sum(tokens) from domains group by 1 order by 1")
    assert table.columns == ("provenance", "sum(tokens)")
    assert table.rows == (("organic", 240), ("synthetic", 120))


def test_users_see_the_documented_tables(catalog: Path) -> None:
    names = {row[0] for row in run_query(catalog, "show tables").rows}
    documented = {"domains", "shards", "shard_splits", "length_histograms", "quarantine"}
    assert documented | {"catalog_info"} <= names


def test_ledgers_of_studies_are_joined_with_domains(catalog: Path, tmp_path: Path) -> None:
    ledgers = []
    for number, study in enumerate(("first", "second")):
        folder = tmp_path / study
        folder.mkdir()
        ledgers.append(folder / "results.duckdb")
        with duckdb.connect(str(ledgers[-1])) as connection:
            connection.execute("create table weights (trial bigint, domain varchar, weight double)")
            connection.execute("insert into weights values (?, 'a', 0.5)", [number])
    sql = """
        select study, trial, provenance, weight
        from weights join domains on weights.domain = domains.name order by study
    """
    table = run_query(catalog, sql, ledgers=ledgers)
    assert table.rows == (("first", 0, "organic", 0.5), ("second", 1, "organic", 0.5))
    assert run_query(catalog, "select trial from study2.weights", ledgers=ledgers).rows == ((1,),)


def test_a_query_reads_nothing_but_the_catalog(catalog: Path) -> None:
    (catalog.parent / "secret.txt").write_text("secret")
    for sql in (
        f"select * from read_text('{catalog.parent}/secret.txt')",
        f"copy domains to '{catalog.parent}/out.csv'",
        "drop table domains",
    ):
        with pytest.raises(QueryError):
            run_query(catalog, sql)
    assert not (catalog.parent / "out.csv").exists()
    endless = "with recursive r(i) as (select 1 union all select i + 1 from r) select max(i) from r"
    with pytest.raises(QueryError, match="longer than"):
        run_query(catalog, endless, limits=Limits(seconds=0.2))
