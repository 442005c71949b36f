"""A starting recipe: one domain per folder and kind of documents, with the fields they stand in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from typing import Annotated, NoReturn

from pydantic import Field, TypeAdapter

from mixopt.catalog.drafting.folders import Folder, Listed, find_folders
from mixopt.catalog.drafting.guess import Guess, guess
from mixopt.catalog.drafting.samples import first_records
from mixopt.catalog.locations import File, Storage
from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import FileSource

_RECORD_READERS = frozenset({"jsonl", "parquet", "arrow", "webdataset", "mds"})
_TOKEN_READERS = frozenset({"megatron", "tokens"})
_FILES = 24  # of a reader in a folder whose first records are looked at


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftSource:
    """A source of a draft.

    Attributes:
        table: its keys and values.
        files: how many files it takes.
        num_bytes: their size.
    """

    table: Mapping[str, object]
    files: int
    num_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftDomain:
    """A domain of a draft.

    Attributes:
        name: after its folder; one that no other domain of the draft has.
        schema: what its documents are.
        sources: where they are.
    """

    name: str
    schema: Schema
    sources: tuple[DraftSource, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What was found.

    Attributes:
        domains: the domains.
        left_out: what no source takes, and why.
    """

    domains: tuple[DraftDomain, ...]
    left_out: tuple[str, ...]


def draft_domains(
    locations: Sequence[str], *, storage: Storage = (), tokenizer: str | None = None
) -> Draft:
    """Look at files, and return the domains that they may make.

    Of every folder some files of each format are opened, and of these the first records.

    Args:
        locations: paths or URLs of files or folders.
        storage: options of the URLs' file system.
        tokenizer: the one that files of tokens were made with; without it they are left out.

    Raises:
        NotFoundError: there is nothing in a location.
        CatalogError: a remote location cannot be reached.
    """
    names: set[str] = set()
    drafts = [
        _draft_folder(folder, names, tokenizer)
        for location in locations
        for folder in find_folders(location, storage)
    ]
    return Draft(
        domains=tuple(domain for draft in drafts for domain in draft.domains),
        left_out=tuple(reason for draft in drafts for reason in draft.left_out),
    )


def _draft_folder(folder: Folder, names: set[str], tokenizer: str | None) -> Draft:
    """Return the domains of one folder, one per schema; adds their names to `names`."""
    found: dict[Schema, list[DraftSource]] = {}
    left_out = [
        f"{folder.path}: {count:,} file{'s' * (count > 1)} that no reader reads ({suffix})"
        for suffix, count in folder.others.items()
    ]
    for reader, files in folder.files.items():
        groups, reasons = _grouped(reader, files, tokenizer)
        left_out += [f"{folder.path}/{below}: {reason}" for below, reason in reasons.items()]
        apart = len(groups) > 1
        for guessed, chosen in groups:
            source = _source(folder, reader, guessed, chosen, apart=apart, not_taken=reasons)
            found.setdefault(guessed.schema, []).append(source)
    domains = [
        DraftDomain(
            name=_free_name(folder.name if len(found) == 1 else f"{folder.name}-{schema}", names),
            schema=schema,
            sources=tuple(sources),
        )
        for schema, sources in found.items()
    ]
    return Draft(domains=tuple(domains), left_out=tuple(left_out))


def _grouped(
    reader: str, files: Sequence[Listed], tokenizer: str | None
) -> tuple[list[tuple[Guess, list[Listed]]], dict[str, str]]:
    """Return files by what they hold, and by name why nothing can be taken from others.

    Files that were not looked at go with the most of those that were.
    """
    groups: list[tuple[Guess, list[Listed]]] = []
    reasons: dict[str, str] = {}
    looked = files[:: -(-len(files) // _FILES)]
    for below, file in looked:
        found = _guess_of(reader, file, tokenizer)
        if isinstance(found, str):
            reasons[below] = found
            continue
        same = next((n for n, (known, _) in enumerate(groups) if known.agrees(found)), None)
        if same is None:
            groups.append((found, [(below, file)]))
        else:
            known, chosen = groups[same]
            groups[same] = (known.and_of(found), [*chosen, (below, file)])
    if groups:
        seen = {below for below, _ in looked}
        rest = [pair for pair in files if pair[0] not in seen]
        max(groups, key=lambda group: len(group[1]))[1].extend(rest)
    return groups, reasons


def _guess_of(reader: str, file: File, tokenizer: str | None) -> Guess | str:
    """Return how documents are taken from a file, or why none can be."""
    if reader in _TOKEN_READERS:
        if tokenizer is None:
            return "it holds tokens; name their tokenizer (--tokenizer)"
        return Guess(schema="text", keys={"tokenizer": tokenizer})
    if reader not in _RECORD_READERS:
        return Guess(schema="text", keys={})
    records = first_records(file, reader)
    found = guess(records, "txt" if reader == "webdataset" else "text") if records else None
    if found is None:
        return "no records with texts in them"
    table = {
        "reader": reader,
        "path": file.location,
        "storage": dict(file.storage),
        **found.table(),
    }
    intake = Intake()
    source = _SOURCE.validate_python(table)
    documents = read_documents(file, source, found.schema, intake, load=_refuse)
    if next(documents, None) is not None:
        return found
    return f"nothing can be taken: {intake.entries[0].reason}" if intake.entries else "it is empty"


def _source(
    folder: Folder,
    reader: str,
    guessed: Guess,
    files: Sequence[Listed],
    *,
    apart: bool,
    not_taken: Iterable[str],
) -> DraftSource:
    """Return the source of files of one kind; `apart` where the reader's others are of another."""
    table: dict[str, object] = {"reader": reader, "path": folder.path}
    if files[0][1].storage:
        table["storage"] = dict(files[0][1].storage)
    if not folder.is_file:
        names = sorted(below for below, _ in files)
        table["include"] = [escape(name) for name in names] if apart else _globs(names)
        exclude = [*folder.exclude, *(() if apart else map(escape, sorted(not_taken)))]
        table |= {"exclude": exclude} if exclude else {}
    num_bytes = sum(file.num_bytes for _, file in files)
    return DraftSource(table={**table, **guessed.table()}, files=len(files), num_bytes=num_bytes)


def _globs(names: Iterable[str]) -> list[str]:
    """Return globs that match files by their suffix, packed or not, or by a name without any."""
    found = set()
    for name in names:
        match = _SUFFIX.search(name)
        found.add(f"*{match[0]}" if match else escape(name.rpartition("/")[2]))
    return sorted(found)


def _free_name(wanted: str, taken: set[str]) -> str:
    """Return a name that a domain may have and none has; adds it to those that are taken."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).lstrip("._-")[:56] or "data"
    numbered: Iterator[str] = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    name = stem if stem not in taken else next(each for each in numbered if each not in taken)
    taken.add(name)
    return name


def _refuse(name: str) -> NoReturn:
    message = f"records need no tokenizer, not even {name}"
    raise AssertionError(message)


_SUFFIX = re.compile(r"\.\w+(\.(gz|zst|zstd|bz2|br|snappy))?$")
_SOURCE: TypeAdapter[FileSource] = TypeAdapter(Annotated[FileSource, Field(discriminator="reader")])
