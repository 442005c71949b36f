"""Datasets of the Hugging Face hub, and folders laid out like one: their files, read by suffix."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatch
from typing import TypeVar

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File, Storage, file_at, files_below, is_remote
from mixopt.catalog.readers import arrow, jsonl, parquet, text, webdataset
from mixopt.catalog.readers.arrow import read_arrow
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.readers.jsonl import read_jsonl
from mixopt.catalog.readers.parquet import read_parquet
from mixopt.catalog.readers.text import read_text
from mixopt.catalog.readers.webdataset import read_webdataset
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import (
    HubSource,
    JsonlSource,
    ParquetSource,
    RecordSource,
    WebDatasetSource,
)
from mixopt.errors import CatalogError

INCLUDE = (
    *jsonl.INCLUDE,
    *parquet.INCLUDE,
    *arrow.INCLUDE,
    *webdataset.INCLUDE,
    *text.INCLUDE,
)

Kind = TypeVar("Kind", bound=RecordSource)


def hub_files(source: HubSource) -> list[File]:
    """Return the files of the source's split, as the dataset's own card or its names divide them.

    Raises:
        CatalogError: there is no such dataset, configuration, revision or split, the hub cannot be
            reached, or some files are in a format that is not read.
    """
    splits = _splits(source)
    if source.hub_split not in splits:
        near = get_close_matches(source.hub_split, splits, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        what = f"the dataset '{source.path}' has no split '{source.hub_split}'"
        why = f"Its splits are {', '.join(splits) or 'none'}{hint}"
        raise CatalogError(what, why=why, remedy="Name one of them as `hub_split`.")
    locations = splits[source.hub_split]
    unread = [location for location in locations if not _is_one_of(location, INCLUDE)]
    if unread:
        what = f"the dataset '{source.path}' has {len(unread)} files in a format that is not read"
        raise CatalogError(
            what,
            why=f"One of them is {unread[0]}.",
            remedy="Convert it to Parquet, or take its branch `refs/convert/parquet` as `revision`.",
        )
    return _files(locations, tuple(sorted(source.storage.items())))


def read_hub(file: File, source: HubSource, schema: Schema, intake: Intake) -> Iterator[Document]:
    """Yield the documents of one file, by the reader that its suffix asks for."""
    if _is_one_of(file.location, parquet.INCLUDE):
        return read_parquet(file, _as(ParquetSource, "parquet", source), schema, intake)
    if _is_one_of(file.location, arrow.INCLUDE):
        return read_arrow(file, source, schema, intake)
    if _is_one_of(file.location, webdataset.INCLUDE):
        return read_webdataset(file, _as(WebDatasetSource, "webdataset", source), schema, intake)
    if _is_one_of(file.location, text.INCLUDE):
        return read_text(file, intake)
    return read_jsonl(file, _as(JsonlSource, "jsonl", source), schema, intake)


def _splits(source: HubSource) -> Mapping[str, Sequence[str]]:
    """Return the locations of each split's files.

    Raises:
        CatalogError: the dataset cannot be found or understood.
    """
    import datasets  # noqa: PLC0415 - it takes seconds, and most catalogs need none

    try:
        builder = datasets.load_dataset_builder(
            source.path, name=source.config, revision=source.revision
        )
    except Exception as error:  # the library raises what its many parts raise
        what = f"cannot find the dataset '{source.path}'"
        remedy = "Check its name, `config` and `revision`, the network and your access to it."
        raise CatalogError(what, why=f"{type(error).__name__}: {error}", remedy=remedy) from error
    files = builder.config.data_files or {}
    return {str(split): [str(location) for location in listed] for split, listed in files.items()}


def _files(locations: Sequence[str], storage: Storage) -> list[File]:
    """Return the files at some locations; remote ones are listed at once, not asked for one by one."""
    folder = posixpath.dirname(posixpath.commonprefix(locations))
    remote = len(locations) > 1 and all(is_remote(location) for location in locations)
    known: dict[str, File] = {}
    if remote and not folder.endswith(("/", ":")):
        known = dict(files_below(folder, storage))
    return [
        known.get(location.removeprefix(f"{folder}/")) or file_at(location, storage)
        for location in locations
    ]


def _is_one_of(location: str, globs: Sequence[str]) -> bool:
    name = posixpath.basename(location)
    return any(fnmatch(name, glob) for glob in globs)


def _as(kind: type[Kind], reader: str, source: HubSource) -> Kind:
    """Return a source of another kind with all fields that both have."""
    shared = kind.model_fields.keys() & HubSource.model_fields.keys()
    values = {name: getattr(source, name) for name in shared}
    return kind.model_validate({**values, "reader": reader})
