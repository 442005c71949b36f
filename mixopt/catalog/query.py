"""SQL over a catalog and the ledgers of studies, without access to anything else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mixopt.database.locked import Attachment, Limits, Table, locked_connection

__all__ = ["LEDGER_VIEWS", "Limits", "Table", "run_query"]

LEDGER_VIEWS = ("trials", "runs", "measures", "weights", "figures", "choices")
"""Tables of study ledgers that a query sees as one view each, with the column `study` before."""


def run_query(
    catalog_path: Path,
    sql: str,
    *,
    ledgers: Sequence[Path] = (),
    limits: Limits | None = None,
) -> Table:
    """Run one reading statement over a catalog.

    Args:
        catalog_path: the catalog; its tables have plain names.
        sql: a single SELECT, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN.
        ledgers: ledger files of studies, attached as `study1`, `study2`, ...; the column `study`
            of the views over them is the name of the ledger's folder.
        limits: what the statement may use.

    Raises:
        NotFoundError: a file does not exist.
        QueryError: the statement is refused, wrong or over a limit.
    """
    attached = {
        f"study{number}": Attachment(path=path, label=path.resolve().parent.name)
        for number, path in enumerate(ledgers, start=1)
    }
    with locked_connection(
        catalog_path, attached=attached, views=LEDGER_VIEWS, limits=limits
    ) as connection:
        return connection.query(sql)
