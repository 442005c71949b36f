"""Sources whose documents are made: problems of the task families, and damaged text."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from mixopt.catalog.validators import AtLeastOne
from mixopt.recipes.decode import Recipe
from mixopt.recipes.quantity import ByteCount
from mixopt.tasks.registry import FAMILIES

Style = Literal["statement", "derivation", "conversation"]
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


FamilyName = Annotated[str, AfterValidator(_known_family)]


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
        difficulties: the difficulty of each level by family, where its number says too little; a
            level that is not named is as difficult as its number says. The score `difficulty` of
            a document is the mean over its problems.
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
