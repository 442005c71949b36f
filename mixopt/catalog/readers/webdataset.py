"""WebDataset tars: neighbouring members that share a name up to the first dot are one record."""

from __future__ import annotations

import codecs
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Self, cast

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File
from mixopt.catalog.readers.intake import BadRecordError, DamagedFileError, Intake
from mixopt.catalog.readers.records import document_of, fields_of
from mixopt.catalog.readers.streams import ByteStream
from mixopt.catalog.readers.unpack import MOST_BYTES, unpacked_chunks
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import WebDatasetSource

INCLUDE = ("*.tar", "*.tar.gz", "*.tar.zst")

_BLOCK_BYTES = 512
_READ_BYTES = 1 << 15  # The library copies what it has read ahead at every read.


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """The members of one name.

    Attributes:
        name: what stands before the first dot, the folder with it.
        offset: where the first of them begins in the unpacked archive.
        fields: values by suffix, of those members that are needed.
        faults: what is wrong with them.
    """

    name: str
    offset: int
    fields: dict[str, object] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def read_webdataset(
    file: File, source: WebDatasetSource, schema: Schema, intake: Intake
) -> Iterator[Document]:
    """Yield the document of each record; members that no field needs are passed over.

    Members without a suffix, folders and links belong to no record. Of an archive that is cut off,
    what stands before the cut is read.
    """
    stream = ByteStream(_with_end_mark(unpacked_chunks(file)))
    try:
        for record in _records(stream, source, schema):
            try:
                if record.faults:
                    raise BadRecordError(record.faults[0])
                document = document_of(record.fields, source, schema)
            except BadRecordError as error:
                intake.quarantine("byte", record.offset, str(error))
            else:
                intake.accept()
                yield document
    except DamagedFileError as error:
        intake.quarantine("byte", error.offset, str(error))


class _Member(tarfile.TarInfo):
    """A member whose broken header is an error: the library would take it for the archive's end."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:  # named as the library has it
        try:
            return super().fromtarfile(tarfile)
        except (*_ENDS, DamagedFileError):
            raise
        except _BROKEN as error:
            raise _damage(error, tarfile.offset) from None


_ENDS = (tarfile.EOFHeaderError, tarfile.EmptyHeaderError)  # type: ignore[attr-defined]
_BROKEN = (tarfile.TarError, ValueError)


def _damage(error: Exception, offset: int) -> DamagedFileError:
    return DamagedFileError(f"damaged file: {error}", offset=offset)


def _records(stream: ByteStream, source: WebDatasetSource, schema: Schema) -> Iterator[_Record]:
    """Yield one record after the other; the last before a cut as far as it goes.

    Raises:
        DamagedFileError: the archive is cut off or broken.
    """
    pending: _Record | None = None
    damage: DamagedFileError | None = None
    try:
        for record in _growing_records(stream, source, schema):
            if pending is not None and record is not pending:
                yield pending
            pending = record
    except DamagedFileError as error:
        damage = error
    except _BROKEN as error:
        damage = _damage(error, stream.offset)
    if pending is not None:
        yield pending
    if damage is not None:
        raise damage


def _growing_records(
    stream: ByteStream, source: WebDatasetSource, schema: Schema
) -> Iterator[_Record]:
    """Yield the record that a member belongs to, after each member."""
    record: _Record | None = None
    wanted = frozenset(fields_of(source, schema))
    for archive, member in _members(stream):
        folder, slash, base = member.name.rpartition("/")
        stem, _, suffix = base.partition(".")
        if not stem or not suffix:
            continue
        name = folder + slash + stem
        if record is None or record.name != name:
            record = _Record(name=name, offset=member.offset)
        if suffix.lower() in wanted:
            _add(record, suffix.lower(), archive, member, source)
        yield record


def _members(stream: ByteStream) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the files of an archive, or of several that were joined."""
    options: dict[str, Any] = {"tarinfo": _Member, "ignore_zeros": True, "bufsize": _READ_BYTES}
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", **options) as archive:
        for member in archive:
            if member.isreg():
                yield archive, member
            # It keeps all it has read, and nobody asks for it again.
            archive.members = []  # type: ignore[attr-defined]


def _add(
    record: _Record,
    suffix: str,
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    source: WebDatasetSource,
) -> None:
    """Read a member into its record."""
    opened = archive.extractfile(member)
    if suffix in record.fields:
        record.faults.append(f"two members '{suffix}'")
    elif member.size > MOST_BYTES or opened is None:
        record.faults.append(f"the member '{suffix}' is longer than {MOST_BYTES:,} bytes")
    else:
        content = opened.read()
        try:
            record.fields[suffix] = _value(content, suffix, source)
        except (ValueError, RecursionError) as error:
            record.faults.append(f"broken member '{suffix}': {error}")


def _value(content: bytes, suffix: str, source: WebDatasetSource) -> object:
    if suffix == "json" or suffix.endswith(".json"):
        return json.loads(content)
    if suffix in source.scores.values():
        return float(content)
    content = content.removeprefix(codecs.BOM_UTF8)
    return content.strip() if suffix in source.labels.values() else content


def _with_end_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks of an archive; an archive that is whole ends in empty blocks.

    Raises:
        DamagedFileError: it does not.
    """
    tail = b""
    num_bytes = 0
    for chunk in chunks:
        yield chunk
        tail = (tail + chunk)[-_BLOCK_BYTES:]
        num_bytes += len(chunk)
    if tail.strip(b"\0"):
        what = "damaged file: the archive ends without its end mark"
        raise DamagedFileError(what, offset=num_bytes)
