"""Faults between the parts of a catalog recipe, found in data that may be faulty in itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pydantic_core import InitErrorDetails

from mixopt.catalog.conditions import PROGRAMMING_LANGUAGE, SOURCE_COLUMNS
from mixopt.database.filter import check_condition
from mixopt.recipes.decode import flaw

Table = Mapping[str, Any]
Place = tuple[int | str, ...]

DOCUMENT_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "document": "integer",
        "shard": "bigint",
        "path": "varchar",
        "split": "varchar",
        "bytes": "bigint",
        "tokens": "bigint",
        "language": "varchar",
        "compressibility": "float",
        "repetition": "float",
        "identity": "varchar",
    }
)
"""SQL types of the columns that a domain's condition may name beside scores and labels."""

_SAMPLED = ("language", "compressibility", "repetition")
_TEXT_ONLY_READERS = frozenset({"text", "code", "docstrings", "garbled", "megatron", "tokens"})
_PARTS = ("collection", "protected", "domain")
_OWN_SET = "tasks"  # as `measuring.protected` calls it, which takes long to import


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """A table of a recipe: a collection, a protected set or a domain, and where it stands."""

    kind: str
    place: Place
    table: Table

    @property
    def name(self) -> str:
        return str(self.table.get("name", ""))

    @property
    def schema(self) -> str:
        return str(self.table.get("schema", "text"))

    @property
    def origin(self) -> list[str]:
        """Names of the collections that a domain is cut from."""
        named = self.table.get("from")
        return [str(name) for name in named] if isinstance(named, list | tuple) else []

    @property
    def sources(self) -> list[tuple[Place, Table]]:
        return [
            ((*self.place, "sources", number), source)
            for number, source in enumerate(_tables(self.table.get("sources")))
        ]


def faults_between(recipe: Table) -> Iterator[InitErrorDetails]:
    """Yield the faults of a recipe that none of its tables can see alone."""
    parts = [
        _Part(kind=kind, place=(kind, number), table=table)
        for kind in _PARTS
        for number, table in enumerate(_tables(recipe.get(kind)))
    ]
    yield from _faults_of_names(parts)
    yield from _faults_of_columns(parts)
    domains = {part.name: part for part in parts if part.kind == "domain"}
    for part in parts:
        for place, source in part.sources:
            yield from _faults_of_schema(place, part, source)
            yield from _faults_of_filter(place, source)
            if source.get("reader") == "garbled":
                yield from _faults_of_garbled(place, source, domains)
    collections = {part.name: part for part in parts if part.kind == "collection"}
    found = recipe.get("profile")
    profile = found if isinstance(found, Mapping) else {}
    yield from _faults_of_proxy_scores(profile, parts)
    for part in domains.values():
        yield from _faults_of_origin(part, collections)
        yield from _faults_of_condition(part, collections, profile)


def _faults_of_names(parts: Sequence[_Part]) -> Iterator[InitErrorDetails]:
    kinds: dict[str, str] = {}
    for part in parts:
        if part.name in kinds:
            above = " above" if kinds[part.name] == part.kind else ""
            kind = "protected set" if kinds[part.name] == "protected" else kinds[part.name]
            yield flaw((*part.place, "name"), f"a name that no {kind}{above} has", part.name)
        elif part.name:
            kinds[part.name] = part.kind
        if (part.kind, part.name) == ("protected", _OWN_SET):
            expected = f"another name than '{_OWN_SET}', the project's own task problems"
            yield flaw((*part.place, "name"), expected, part.name)


def _faults_of_columns(parts: Sequence[_Part]) -> Iterator[InitErrorDetails]:
    """Yield the labels that are called as a score is, as a column of documents has one type."""
    sources = [found for part in parts if part.kind != "protected" for found in part.sources]
    scores = {name for _, source in sources for name in _columns(source, "scores")}
    for place, source in sources:
        for name in _columns(source, "labels"):
            if name in scores and name not in _columns(source, "scores"):
                key = (*place, str(source.get("reader")), "labels", name)
                yield flaw(key, "a name that no score of another source has", name)


def _faults_of_proxy_scores(profile: Table, parts: Sequence[_Part]) -> Iterator[InitErrorDetails]:
    sources = [source for part in parts if part.kind != "protected" for _, source in part.sources]
    known = set(_typed_columns(sources))
    for number, name in enumerate(_proxy_scores(profile)):
        if name in known:
            expected = "a name that no other score and no label has"
            yield flaw(("profile", "proxy_scores", number), expected, name)
        known.add(name)


def _faults_of_schema(place: Place, part: _Part, source: Table) -> Iterator[InitErrorDetails]:
    reader, style = source.get("reader"), source.get("style")
    if part.schema == "conversation" and reader in _TEXT_ONLY_READERS:
        expected = "a reader of records, such as jsonl, or tasks, in a domain of conversations"
        yield flaw((*place, "reader"), expected, reader)
    if part.schema == "preference" and reader in (*_TEXT_ONLY_READERS, "tasks"):
        expected = "a reader of records, such as jsonl, in a domain of preferences"
        yield flaw((*place, "reader"), expected, reader)
    statement = style in ("statement", "derivation")
    if reader == "tasks" and part.schema == "conversation" and statement:
        yield flaw((*place, "style"), "'conversation' in a domain of conversations", style)


def _faults_of_filter(place: Place, source: Table) -> Iterator[InitErrorDetails]:
    where = source.get("where")
    if isinstance(where, str) and where:
        fault = check_condition(where, {**SOURCE_COLUMNS, **_typed_columns([source])})
        if fault:
            key = (*place, str(source.get("reader")), "where")
            yield flaw(key, f"a condition in SQL: {fault}", where)


def _faults_of_garbled(
    place: Place, source: Table, domains: Mapping[str, _Part]
) -> Iterator[InitErrorDetails]:
    wanted = source.get("domains")
    for number, name in enumerate(wanted if isinstance(wanted, list | tuple) else ()):
        key = (*place, "garbled", "domains", number)
        if name not in domains:
            expected = f"one of the domains {', '.join(domains)}"
            yield flaw(key, expected, name, nearest=_nearest(name, domains))
            continue
        garbled = any(inner.get("reader") == "garbled" for _, inner in domains[name].sources)
        if garbled or domains[name].schema != "text":
            yield flaw(key, "a domain of texts without garbled sources", name)
        elif domains[name].origin:
            yield flaw(key, "a domain with sources of its own", name)


def _faults_of_origin(part: _Part, collections: Mapping[str, _Part]) -> Iterator[InitErrorDetails]:
    """Yield what is wrong with where a domain's documents come from."""
    table = part.table
    if table.get("sources") and "from" in table:
        yield flaw((*part.place, "from"), "sources or `from`, not both", table["from"])
    if not table.get("sources") and not table.get("from"):
        expected = "at least one source, or the names of collections in `from`"
        yield flaw((*part.place, "sources"), expected, table.get("sources"))
    if table.get("where") and "from" not in table:
        expected = "no condition in a domain with sources; each source can have its own"
        yield flaw((*part.place, "where"), expected, table["where"])
    for number, name in enumerate(part.origin):
        if name not in collections:
            known = ", ".join(collections) or "there is none, see [[collection]]"
            expected = f"the name of a collection: {known}"
            near = _nearest(name, collections)
            yield flaw((*part.place, "from", number), expected, name, nearest=near)
    schemas = {collections[name].schema for name in part.origin if name in collections}
    if len(schemas) > 1:
        yield flaw((*part.place, "from"), "collections of one schema", part.origin)
    elif schemas and "schema" in table and part.schema not in schemas:
        expected = f"'{min(schemas)}', as its collections have, or nothing"
        yield flaw((*part.place, "schema"), expected, table["schema"])


def _faults_of_condition(
    part: _Part, collections: Mapping[str, _Part], profile: Table
) -> Iterator[InitErrorDetails]:
    where = part.table.get("where")
    known = [collections[name] for name in part.origin if name in collections]
    if not isinstance(where, str) or not where or not known:
        return
    key = (*part.place, "where")
    sources = [source for collection in known for _, source in collection.sources]
    attached = dict.fromkeys(_proxy_scores(profile), "double")
    columns = {**DOCUMENT_COLUMNS, **attached, **_typed_columns(sources)}
    fault = check_condition(where, columns)
    if fault:
        yield flaw(key, f"a condition in SQL: {fault}", where)
    elif profile.get("sample", 1) != 1 and check_condition(where, _without(columns, _SAMPLED)):
        expected = f"no {', '.join(_SAMPLED[:-1])} or {_SAMPLED[-1]} as long as profile.sample"
        yield flaw(key, f"{expected} is below 1", where)


def _typed_columns(sources: Sequence[Table]) -> dict[str, str]:
    scores = [name for source in sources for name in _columns(source, "scores")]
    labels = [name for source in sources for name in _columns(source, "labels")]
    return dict.fromkeys(labels, "varchar") | dict.fromkeys(scores, "double")


def _columns(source: Table, kind: str) -> list[str]:
    """Return the names of the scores or labels that a source's documents have."""
    if (source.get("reader"), kind) == ("code", "labels"):
        return [PROGRAMMING_LANGUAGE]
    if (source.get("reader"), kind) == ("tasks", "scores"):
        return ["difficulty"]
    named = source.get(kind)
    return [str(name) for name in named] if isinstance(named, Mapping) else []


def _proxy_scores(profile: Table) -> list[str]:
    named = profile.get("proxy_scores")
    return [str(name) for name in named] if isinstance(named, list | tuple) else []


def _without(columns: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: kind for name, kind in columns.items() if name not in names}


def _nearest(name: object, names: Mapping[str, _Part]) -> str:
    near = get_close_matches(str(name), names, n=1)
    return near[0] if near else ""


def _tables(value: object) -> list[Table]:
    """Return the items of a list as tables; what is none stands as an empty one in its place."""
    items = value if isinstance(value, list | tuple) else ()
    return [item if isinstance(item, Mapping) else {} for item in items]
