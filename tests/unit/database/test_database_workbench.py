from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from mixopt.database.queries import load_queries
from mixopt.database.workbench import Workbench, quote_identifier
from mixopt.errors import CatalogError

QUERIES = {
    "create": "create table kept (number bigint)",
    "fill": "insert into kept select number from other.numbers where {condition} and number < $most",
    "add": "insert into kept select number + $more from rows",
    "read": "select number from kept order by number",
    "escape": "insert into kept select count(*) from read_text('{path}')",
    "unlock": "set enable_external_access = true",
    "attach": "attach '{path}' as more",
}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    with duckdb.connect(str(tmp_path / "other.duckdb")) as connection:
        connection.execute("create table numbers as select range as number from range(10)")
    monkeypatch.setattr("mixopt.database.workbench.load_queries", _queries)
    with Workbench(
        tmp_path / "new.duckdb",
        package="mixopt.catalog.sql",
        queries="made up",
        scratch=tmp_path / "scratch",
        memory_megabytes=100,
    ) as opened:
        opened.attach("other", tmp_path / "other.duckdb")
        opened.lock()
        yield opened


def _queries(package: str) -> Mapping[str, str]:
    return QUERIES if package == "made up" else load_queries(package)


def test_a_new_file_is_filled_from_attached_ones(bench: Workbench) -> None:
    with bench.transaction():
        bench.execute("create")
        bench.run("fill", {"condition": f"{quote_identifier('number')} % 3 = 0"}, most=7)
        bench.insert("add", pa.table({"number": [1, 2]}), more=100)
        bench.insert("add", pa.table({"number": pa.array([], pa.int64())}), more=100)
    batches = list(bench.batches("read", 2))
    numbers = [number for batch in batches for number in batch.column(0).to_pylist()]
    assert numbers == [0, 3, 6, 101, 102]
    assert bench.columns("other", "numbers") == {"number": "BIGINT"}


@pytest.mark.parametrize("name", ["escape", "unlock", "attach"])
def test_a_locked_workbench_reaches_nothing_else(
    bench: Workbench, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").write_text("a secret")
    bench.execute("create")
    with pytest.raises(CatalogError, match=f"'{name}' failed"):
        bench.run(name, {"path": str(tmp_path / "secret")})
    assert bench.fetch("read") == []


def test_what_does_not_fit_into_memory_goes_to_the_scratch_folder(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = "create temp table large as select range, hash(range) as mixed from range(12000000)"
    monkeypatch.setitem(QUERIES, "large", large)
    bench.execute("large")
    assert list((bench.path.parent / "scratch").iterdir())


def test_a_file_that_is_no_database_cannot_be_attached(bench: Workbench, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="attach"):
        bench.attach("more", tmp_path / "absent.duckdb")
    assert quote_identifier('a "b"') == '"a ""b"""'
