"""Prints what the SQL console answers to every attempt to get out of it.

python tests/benchmarks/escapes.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parent.parent))

from attempts import CHEAP, DEAR

from mixopt.database.locked import Limits, LockedConnection, Opening, locked_connection
from mixopt.errors import QueryError

_LIMITS = Limits(seconds=1.0, memory_megabytes=256, rows=1000)
_LONGEST = 90


def main() -> None:
    print("| after | attempt | answer |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder)
        before = {path: path.read_bytes() for path in folder.iterdir()}
        with locked_connection(
            Opening(path=folder / "catalog.duckdb"), limits=_LIMITS
        ) as connection:
            for group, attempts in (CHEAP | DEAR).items():
                for sql in attempts:
                    print(f"| {group} | `{_short(sql)}` | {_answer(connection, sql, folder)} |")
        unchanged = {path: path.read_bytes() for path in folder.iterdir()} == before
    print(f"\nFiles are as they were: {'yes' if unchanged else 'NO'}.")


def _prepare(folder: Path) -> None:
    (folder / "secret.csv").write_text("secret\n1\n")
    for name in ("catalog", "other"):
        with duckdb.connect(str(folder / f"{name}.duckdb")) as connection:
            connection.execute("create table t as select range as i from range(9)")
            connection.execute("create sequence numbers")


def _answer(connection: LockedConnection, sql: str, folder: Path) -> str:
    filled = sql.replace("{folder}", str(folder)).replace("{catalog}", f"{folder}/catalog.duckdb")
    try:
        return f"NOT REFUSED: {connection.query(filled).rows[:1]}"
    except QueryError as error:
        why = "" if "is refused" in error.what else f": {error.why}"
        return _short(f"{error.what}{why}".replace(str(folder), "..."))


def _short(text: str) -> str:
    line = " ".join(text.replace("|", "\\|").split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


if __name__ == "__main__":
    main()
