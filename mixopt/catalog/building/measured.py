"""The store of measurements: what was measured of every file, kept so that no file is read twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa

from mixopt.catalog.building.jobs import Outcome
from mixopt.catalog.building.measured_tables import (
    Buffer,
    entries_table,
    files_table,
    numbers_table,
)
from mixopt.database.connection import Database, Row, is_in_use
from mixopt.errors import CatalogError

_PACKAGE: Final = "mixopt.catalog.building.sql"
_SETTINGS: Final[Mapping[str, str | bool]] = {
    "memory_limit": "2GB",
    "preserve_insertion_order": False,
    "wal_autocheckpoint": "256MB",
}
_SCORE, _LABEL = "DOUBLE", "VARCHAR"


class MeasuredStore:
    """An open store of measurements; a context manager.

    It is a cache and never the truth: one that is damaged, or of another version, is set aside and
    begun anew.

    Args:
        path: the file; made where there is none.
        measuring: digest of all that decides what is measured.
        scores: names of the scores that documents may have.
        labels: names of the labels that documents may have.

    Attributes:
        measuring: as given.
        notes: what the user should be told about it.

    Raises:
        CatalogError: another process has it open.
        OSError: it cannot be written.
    """

    def __init__(
        self, path: Path, measuring: str, *, scores: Iterable[str], labels: Iterable[str]
    ) -> None:
        self.measuring = measuring
        self.notes: list[str] = []
        columns = dict.fromkeys(scores, _SCORE) | dict.fromkeys(labels, _LABEL)
        try:
            self._database = _prepared(path, columns)
        except CatalogError as error:
            if is_in_use(error) or not path.is_file():
                raise
            aside = _set_aside(path)
            self.notes.append(
                f"The measurements in {path.name} cannot be used: {error.why} "
                f"They are kept as {aside.name}, and all files are measured again."
            )
            self._database = _prepared(path, columns)
        (newest,) = self._database.fetch("find_newest")
        self._newest = int(newest["file"])
        self._buffer = Buffer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            with suppress(*([] if error is None else [CatalogError])):
                self.flush()
        finally:
            self._database.close()

    def new_number(self) -> int:
        """Return a number that no file has."""
        self._newest += 1
        return self._newest

    def add(self, chunk: pa.Table) -> None:
        """Keep measurements of documents; their column `file` is the number of their file."""
        self._buffer.add(chunk)
        self._flush_if_full()

    def finish(self, outcome: Outcome) -> None:
        """Keep what became of a file all of whose documents were added."""
        self._buffer.outcomes.append(outcome)
        self._flush_if_full()

    def flush(self) -> None:
        """Write what was added, in one transaction."""
        buffer, self._buffer = self._buffer, Buffer()
        with self._database.transaction():
            if buffer.chunks:
                chunk = pa.concat_tables(buffer.chunks, promote_options="default")
                self.execute("insert_documents", chunk=chunk)
            if buffer.outcomes:
                self.execute("insert_entries", pieces=entries_table(buffer.outcomes))
                outcomes = files_table(buffer.outcomes, self.measuring)
                self.execute("insert_files", outcomes=outcomes)

    def fetch(self, query: str, /, **lent: pa.Table) -> list[Row]:
        """Return the rows of a named query, which may read the lent tables."""
        with self._lending(lent):
            return self._database.fetch(query)

    def find(self, query: str, /, **lent: pa.Table) -> pa.Table:
        """Return the rows of a named query among what was measured as it is now."""
        with self._lending(lent):
            return self._database.fetch_table(query, measuring=self.measuring)

    def execute(self, query: str, /, **lent: pa.Table) -> None:
        """Run a named query, which may read the lent tables, for its effect."""
        with self._lending(lent):
            self._database.execute(query)

    def sum_bytes(self, numbers: Sequence[int]) -> dict[int, int]:
        """Return the bytes of the documents taken of each file."""
        if not numbers:
            return {}
        self.flush()
        rows = self.fetch("sum_bytes", used=numbers_table(numbers))
        return {row["file"]: row["bytes"] for row in rows}

    def name_content(self, numbers: Sequence[int]) -> str:
        """Return a digest of the documents that were taken of files, in the files' order."""
        self.flush()
        ordered = numbers_table(numbers).append_column("place", pa.array(range(len(numbers))))
        (row,) = self.fetch("name_content", used=ordered)
        return str(row["content"])

    def count_pieces(self, numbers: Sequence[int]) -> Row:
        """Return how many of the files are `shards`, with documents, and what is `quarantined`."""
        self.flush()
        (row,) = self.fetch("count_pieces", used=numbers_table(numbers))
        return row

    def tidy(self, numbers: Sequence[int]) -> None:
        """Forget what no source wants, once it is more than what they want, and write all to disk.

        Args:
            numbers: the files that are wanted.
        """
        self.flush()
        used = numbers_table(numbers)
        (row,) = self.fetch("sum_used", used=used)
        if row["unused"] > row["used"]:
            self.execute("delete_unused", used=used)
        _delete_unfinished(self._database)
        self.execute("checkpoint")

    @contextmanager
    def _lending(self, lent: Mapping[str, pa.Table]) -> Iterator[None]:
        with ExitStack() as stack:
            for view, rows in lent.items():
                stack.enter_context(self._database.lending(view, rows))
            yield

    def _flush_if_full(self) -> None:
        if self._buffer.is_full:
            self.flush()


def _prepared(path: Path, columns: Mapping[str, str]) -> Database:
    """Open a store that has these columns, and holds finished files alone."""
    database = Database(path, "write", package=_PACKAGE, settings=_SETTINGS)
    try:
        present = {row["name"]: row["type"] for row in database.fetch("find_columns")}
        for name, kind in sorted(columns.items()):
            if present.get(name, kind) != kind:
                what = f"{path} has measurements of another kind"
                raise CatalogError(what, why=f"'{name}' was a score and is a label, or vice versa.")
            if name not in present:
                database.add_column("documents", name, kind)
        _delete_unfinished(database)
    except BaseException:
        database.close()
        raise
    return database


def _delete_unfinished(database: Database) -> None:
    (row,) = database.fetch("count_unfinished")
    if row["documents"]:
        database.execute("delete_unfinished")
    database.execute("delete_entries")


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    return aside
