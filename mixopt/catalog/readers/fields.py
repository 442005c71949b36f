"""Fields of a record by name, dots entering nested records, and the texts and numbers in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal

from mixopt.catalog.readers.intake import BadRecordError

Record = Mapping[str, object]


def field_of(record: Record, name: str) -> object:
    """Return the value of a field; `meta.topic` is that of `topic` in the record `meta`.

    Where a key itself has a dot, the longest key that fits wins.

    Raises:
        BadRecordError: there is no such field.
    """
    if name in record:
        return record[name]
    for head, rest in _cuts(name):
        inner = record.get(head)
        if isinstance(inner, Mapping):
            try:
                return field_of(inner, rest)
            except BadRecordError:
                continue
    what = f"missing field '{name}'"
    raise BadRecordError(what)


def heads_of(name: str) -> list[str]:
    """Return the keys of a record under which a field may lie, the longest first."""
    return [name, *(head for head, _ in _cuts(name))]


def text_of(record: Record, name: str) -> str:
    """Return the text of a field; bytes are taken as UTF-8.

    Raises:
        BadRecordError: the field is missing or holds no text.
    """
    value = field_of(record, name)
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return decoded(value)
    what = f"expected text in '{name}', found {kind_of(value)}"
    raise BadRecordError(what)


def number_of(record: Record, name: str) -> float:
    """Return the finite number of a field.

    Raises:
        BadRecordError: the field is missing or holds no finite number.
    """
    value = field_of(record, name)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        try:
            number = float(value)
        except (OverflowError, ValueError):  # Too large for a float, or a signalling NaN.
            number = math.nan
        if math.isfinite(number):
            return number
    kind = f"{value}" if isinstance(value, float) else kind_of(value)
    what = f"expected a finite number in '{name}', found {kind}"
    raise BadRecordError(what)


def label_of(record: Record, name: str) -> str:
    """Return the label of a field: a text, or a whole number or truth value written as one.

    Raises:
        BadRecordError: the field is missing or holds neither, or the text is no valid Unicode.
    """
    value = field_of(record, name)
    if isinstance(value, str):
        require_unicode(value)
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return decoded(value)
    what = f"expected a label in '{name}', found {kind_of(value)}"
    raise BadRecordError(what)


def decoded(content: bytes) -> str:
    """Return the text of bytes in UTF-8.

    Raises:
        BadRecordError: they are not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        what = f"not UTF-8: {error.reason} at byte {error.start}"
        raise BadRecordError(what) from None


def require_unicode(text: str) -> None:
    """Refuse a text with lone surrogates, which no encoding can write.

    Raises:
        BadRecordError: it has some.
    """
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        what = f"no valid Unicode: {error.reason}"
        raise BadRecordError(what) from None


def kind_of(value: object) -> str:
    """Return what reasons call a value that is not what was expected."""
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def _cuts(name: str) -> Iterator[tuple[str, str]]:
    """Yield a name cut at each of its dots, from the last to the first."""
    at = name.rfind(".")
    while at >= 0:
        yield name[:at], name[at + 1 :]
        at = name.rfind(".", 0, at)
