"""The sources of a domain: files in one of the formats that are read, or documents to generate."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from mixopt.catalog.limits import AtLeastOne
from mixopt.recipes.decode import Recipe
from mixopt.recipes.quantity import ByteCount
from mixopt.tasks.registry import FAMILIES

Style = Literal["statement", "derivation", "conversation"]
_TAKEN_SCORES = ("length", "compressibility")
Damage = Literal["shuffled_words", "shuffled_characters", "random_bytes", "boilerplate"]


def _known_family(name: str) -> str:
    if name in FAMILIES:
        return name
    near = get_close_matches(name, FAMILIES, n=1)
    kind = "unknown_family"
    raise PydanticCustomError(
        kind,
        "one of {names}",
        {"names": ", ".join(FAMILIES), "nearest": near[0] if near else ""},
    )


def _all_families(value: object) -> object:
    return tuple(FAMILIES) if value == "all" else value


def _free_name(name: str) -> str:
    if name in _TAKEN_SCORES:
        kind = "taken_score"
        raise PydanticCustomError(
            kind,
            "a name other than {names}, which every document has",
            {"names": " and ".join(_TAKEN_SCORES)},
        )
    return name


FamilyName = Annotated[str, AfterValidator(_known_family)]
ScoreName = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64), AfterValidator(_free_name)
]


class _Files(Recipe):
    """What all sources that read files have in common.

    Attributes:
        path: a file or folder; relative to the recipe's folder, or starting with a placeholder:
            `{stdlib}`, `{site_packages}` or `{recipe}`.
        include: globs of the files to take below a folder; empty takes the reader's usual ones.
        exclude: globs of files to leave out; `test/*` also leaves out all that lies deeper.
        limit_bytes: take about this many bytes, spread over the files; none takes all.
        min_document_bytes: leave shorter documents out.
        max_document_bytes: leave longer documents out.
    """

    path: str = Field(min_length=1)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit_bytes: ByteCount | None = None
    min_document_bytes: ByteCount | None = None
    max_document_bytes: ByteCount | None = None

    @model_validator(mode="after")
    def _some_length_is_left(self) -> Self:
        least, most = self.min_document_bytes, self.max_document_bytes
        if least is not None and most is not None and least > most:
            text = f"min_document_bytes up to max_document_bytes, not {least:,} above {most:,}"
            raise ValueError(text)
        return self


class _Records(_Files):
    """Files whose records hold a document in a named field.

    Attributes:
        text_field: the field with the text, in a domain of texts.
        messages_field: the field with the list of messages, in a domain of conversations.
        role_key: the key of a message's role.
        content_key: the key of a message's content.
        scores: the field of every score that documents have, by the score's name; numbers.
    """

    text_field: str = "text"
    messages_field: str = "messages"
    role_key: str = "role"
    content_key: str = "content"
    scores: dict[ScoreName, str] = Field(default_factory=dict)


class JsonlSource(_Records):
    """JSON lines: `.jsonl`, `.jsonl.gz`, `.jsonl.zst`."""

    reader: Literal["jsonl"]


class ParquetSource(_Records):
    """Parquet files."""

    reader: Literal["parquet"]


class TextSource(_Files):
    """A tree of plain texts, one document a file; `.gz` and `.zst` are unpacked."""

    reader: Literal["text"]


class DocstringsSource(_Files):
    """Python sources of which only the docstrings are taken, one document a file."""

    reader: Literal["docstrings"]


class TasksSource(Recipe):
    """Problems of the verifiable task families, written out.

    Attributes:
        families: the families to draw from, or all of them.
        levels: difficulties by family, drawn from evenly; a family that is not named takes the
            middle of its range.
        style: the bare statement, the derivation with its steps, or a conversation; in a domain
            of texts a conversation is written out as fine-tuning will write it.
        documents: how many documents at most; none goes by `limit_bytes` alone.
        limit_bytes: how many bytes at most; none goes by `documents` alone.
        problems_per_document: problems that stand in one document.
        distinct: whether a problem stands in one document only; else documents are combinations
            of problems drawn anew, of which there are many more.
        difficulties: the difficulty of each level by family, as a proxy's failures tell it; a level
            that is not named is as difficult as its number says. The score `difficulty` of a
            document is the mean over its problems.
    """

    reader: Literal["tasks"]
    families: Annotated[tuple[FamilyName, ...], BeforeValidator(_all_families), AtLeastOne] = tuple(
        FAMILIES
    )
    levels: dict[FamilyName, Annotated[tuple[int, ...], AtLeastOne]] = Field(default_factory=dict)
    style: Style
    documents: int | None = Field(default=None, gt=0)
    limit_bytes: ByteCount | None = None
    problems_per_document: int = Field(default=1, gt=0)
    distinct: bool = True
    difficulties: dict[FamilyName, dict[int, float]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.documents is None and self.limit_bytes is None:
            text = "a bound: documents, limit_bytes or both"
            raise ValueError(text)
        return self

    @model_validator(mode="after")
    def _levels_exist(self) -> Self:
        for name, levels in (*self.levels.items(), *self.difficulties.items()):
            valid = FAMILIES[name].levels
            if not set(levels) <= set(valid):
                text = f"levels of {name} between {valid[0]} and {valid[-1]}, not {list(levels)}"
                raise ValueError(text)
        return self


class GarbledSource(Recipe):
    """Text of other domains, damaged and duplicated: what a good search must push down.

    Attributes:
        domains: the domains whose documents are damaged.
        damages: the ways of damaging, in equal parts.
        copies: how often each damaged document is written.
        limit_bytes: how many bytes to write.
    """

    reader: Literal["garbled"]
    domains: Annotated[tuple[str, ...], AtLeastOne]
    damages: Annotated[tuple[Damage, ...], AtLeastOne] = (
        "shuffled_words",
        "shuffled_characters",
        "random_bytes",
        "boilerplate",
    )
    copies: int = Field(default=2, gt=0)
    limit_bytes: ByteCount


FileSource = JsonlSource | ParquetSource | TextSource | DocstringsSource
Source = Annotated[FileSource | TasksSource | GarbledSource, Field(discriminator="reader")]
