"""Files of scores beside a catalog: one number a document, by the document's identity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from mixopt import atomic
from mixopt.catalog.sources import ColumnName
from mixopt.errors import CatalogError

_SCHEMA = pa.schema({"identity": pa.uint64(), "value": pa.float64()})
_ROWS = 1 << 20
_NAME: TypeAdapter[str] = TypeAdapter(ColumnName)


def score_path(catalog_path: Path, name: str) -> Path:
    """Return where the scores of a name lie: `<catalog>.scores/<name>.parquet`.

    Raises:
        CatalogError: no score may be called so.
    """
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        what = f"no score may be called '{name}'"
        why = error.errors()[0]["msg"]
        raise CatalogError(what, why=why, remedy="Choose another name in lower case.") from None
    return catalog_path.with_suffix(".scores") / f"{name}.parquet"


def write_scores(path: Path, identities: NDArray[np.uint64], values: NDArray[np.float64]) -> int:
    """Write scores sorted by identity, those of equal documents once; return how many.

    Args:
        path: see `score_path`.
        identities: first 64 bits of Document.identity, [documents].
        values: [documents], finite.

    Raises:
        CatalogError: the file cannot be written.
    """
    distinct, places = np.unique(identities, return_index=True)
    table = pa.table({"identity": distinct, "value": values[places]}, schema=_SCHEMA)
    try:
        with atomic.replacing(path) as file:
            pq.write_table(table, file)
    except OSError as error:
        what = f"cannot write {path}"
        raise CatalogError(
            what, why=str(error), remedy="Free disk space, and try again."
        ) from error
    return len(distinct)


def find_scores(catalog_path: Path, names: Sequence[str]) -> dict[str, Path]:
    """Return the file of each named score.

    Raises:
        CatalogError: there is none.
    """
    found = {name: score_path(catalog_path, name) for name in names}
    for name, path in found.items():
        if not path.is_file():
            what = f"the recipe attaches the scores '{name}', and there is no {path}"
            run = f"`mixopt catalog score {name} --catalog {catalog_path}`"
            out = f"Take '{name}' out of `proxy_scores`, build the catalog, run {run}"
            remedy = f"Run {run}." if catalog_path.is_file() else f"{out}, and put it back."
            raise CatalogError(what, remedy=remedy)
    return found


def read_scores(path: Path) -> Iterator[pa.Table]:
    """Yield the rows of a file of scores, at most 1,048,576 at once: `identity` and `value`.

    Raises:
        CatalogError: it cannot be read, or its rows are not as `write_scores` leaves them.
    """
    last = -1
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(_SCHEMA):
                expected = ", ".join(f"{field.name} {field.type}" for field in _SCHEMA)
                raise _damaged(path, f"Its columns must be {expected}.")
            for batch in file.iter_batches(_ROWS):
                identities, values = (column.to_numpy(zero_copy_only=False) for column in batch)
                _check_rows(path, identities, values, last)
                last = int(identities[-1])
                yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, str(error)) from error


def _check_rows(
    path: Path, identities: NDArray[np.uint64], values: NDArray[np.float64], last: int
) -> None:
    if identities.dtype != np.uint64 or not np.isfinite(values).all():
        raise _damaged(path, "A value is missing or not finite.")
    if int(identities[0]) <= last or (identities[1:] <= identities[:-1]).any():
        raise _damaged(path, "Its rows must be sorted by identity, each once.")


def _damaged(path: Path, why: str) -> CatalogError:
    what = f"{path} is no file of scores"
    return CatalogError(what, why=why, remedy="Run `mixopt catalog score` again.")
