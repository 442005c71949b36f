"""The recipe of a catalog: its domains, where their documents come from, and how they are split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from mixopt.catalog.limits import AtLeastOne
from mixopt.catalog.sources import Source
from mixopt.recipes.decode import Recipe, check_with, flaw
from mixopt.recipes.quantity import TokenCount

Provenance = Literal["organic", "human_curated", "ai_curated", "ai_augmented", "synthetic"]
Schema = Literal["text", "conversation"]

_TEXT_ONLY_READERS = frozenset({"text", "docstrings", "garbled"})


class SplitShares(Recipe):
    """Shares of documents that are held out; the rest is for training.

    Attributes:
        validation: share of documents that measures are taken on while searching, 0 to 1.
        test: share of documents that only final results are stated on, 0 to 1.
    """

    validation: float = Field(default=0.03, ge=0, lt=1)
    test: float = Field(default=0.03, ge=0, lt=1)

    @model_validator(mode="after")
    def _leaves_training_documents(self) -> Self:
        if self.validation + self.test >= 1:
            text = f"validation + test below 1, not {self.validation + self.test:g}"
            raise ValueError(text)
        return self


class DomainRecipe(Recipe):
    """One domain: what it is and where its documents come from.

    Attributes:
        name: what mixtures call it; no white space.
        provenance: how its documents came to be.
        licence: the terms its documents are under, as free text.
        document_schema: texts or conversations; `schema` in the file.
        supply_tokens: unique tokens that the target run has; none means those found here.
        sources: files to read and documents to generate.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
    provenance: Provenance
    licence: str = ""
    document_schema: Schema = Field(default="text", alias="schema")
    supply_tokens: TokenCount | None = None
    sources: Annotated[tuple[Source, ...], AtLeastOne]


class CatalogRecipe(Recipe):
    """A catalog.

    Attributes:
        name: what results call it.
        seed: of everything that is sampled or generated.
        tokenizer: the tokenizer that tokens are counted with: `bytes`, a file or a folder.
        split: shares of held-out documents.
        domain: the domains, `[[domain]]` in the file.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
    seed: int = Field(default=0, ge=0)
    tokenizer: str = Field(default="bytes", min_length=1)
    split: SplitShares = SplitShares()
    domain: Annotated[tuple[DomainRecipe, ...], AtLeastOne]

    @field_validator("domain", mode="wrap")
    @classmethod
    def _domains_fit_together(
        cls,
        value: object,
        handler: ValidatorFunctionWrapHandler,
    ) -> tuple[DomainRecipe, ...]:
        """Report faults between domains together with the faults inside of them."""
        domains: tuple[DomainRecipe, ...] = check_with(handler, value, _faults_between(value))
        return domains


def _faults_between(value: object) -> Iterator[InitErrorDetails]:
    """Yield faults that no domain can see alone, from data that may be faulty in itself."""
    tables = list(enumerate(value)) if isinstance(value, list | tuple) else []
    domains = [(index, table) for index, table in tables if isinstance(table, Mapping)]
    names = [str(table.get("name", "")) for _, table in domains]
    for order, (index, table) in enumerate(domains):
        if names[order] and names[order] in names[:order]:
            yield flaw((index, "name"), "a name that no domain above has", names[order])
        yield from _faults_of_sources(index, table, dict(zip(names, domains, strict=True)))


def _faults_of_sources(
    index: int, table: Mapping[str, Any], domains: Mapping[str, tuple[int, Mapping[str, Any]]]
) -> Iterator[InitErrorDetails]:
    schema = table.get("schema", "text")
    for number, source in enumerate(_sources(table)):
        place = (index, "sources", number)
        yield from _faults_of_schema(place, schema, source)
        if source.get("reader") == "garbled":
            yield from _faults_of_garbled(place, source, domains)


def _faults_of_schema(
    place: tuple[int | str, ...], schema: object, source: Mapping[str, Any]
) -> Iterator[InitErrorDetails]:
    reader, style = source.get("reader"), source.get("style")
    if schema == "conversation" and reader in _TEXT_ONLY_READERS:
        expected = "jsonl, parquet or tasks in a domain of conversations"
        yield flaw((*place, "reader"), expected, reader)
    if reader == "tasks" and schema == "conversation" and style in ("statement", "derivation"):
        yield flaw((*place, "style"), "'conversation' in a domain of conversations", style)


def _faults_of_garbled(
    place: tuple[int | str, ...],
    source: Mapping[str, Any],
    domains: Mapping[str, tuple[int, Mapping[str, Any]]],
) -> Iterator[InitErrorDetails]:
    wanted = source.get("domains")
    for number, name in enumerate(wanted if isinstance(wanted, list | tuple) else ()):
        key = (*place, "garbled", "domains", number)
        if name not in domains:
            near = get_close_matches(str(name), domains, n=1)
            expected = f"one of the domains {', '.join(domains)}"
            yield flaw(key, expected, name, nearest=near[0] if near else "")
            continue
        _, table = domains[name]
        garbled = any(inner.get("reader") == "garbled" for inner in _sources(table))
        if garbled or table.get("schema", "text") != "text":
            yield flaw(key, "a domain of texts without garbled sources", name)


def _sources(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sources = table.get("sources")
    if not isinstance(sources, list | tuple):
        return []
    return [source if isinstance(source, Mapping) else {} for source in sources]
