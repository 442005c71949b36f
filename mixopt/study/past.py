"""What can be told of a study without training: its recipe, its space and its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mixopt import seeds
from mixopt.schedule.space import Space
from mixopt.study.ledger import Ledger
from mixopt.study.recipe import StudyRecipe, StudySettings


class Study(Protocol):
    """What laws need to know of a study."""

    @property
    def recipe(self) -> StudyRecipe:
        """The recipe, as it was begun."""

    @property
    def space(self) -> Space:
        """What it searches."""

    @property
    def folder(self) -> Path:
        """Where its results are."""

    @property
    def settings(self) -> StudySettings:
        """The `[study]` table."""

    @property
    def ledger(self) -> Ledger:
        """Its results."""

    def key(self, *names: str | int) -> int:
        """Return a random key of the study."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PastStudy:
    """A study that is read and not trained; its laws are those of the study itself."""

    recipe: StudyRecipe
    space: Space
    folder: Path

    @property
    def settings(self) -> StudySettings:
        """The `[study]` table."""
        return self.recipe.study

    @property
    def ledger(self) -> Ledger:
        """The results of the study."""
        return Ledger(self.folder)

    def key(self, *names: str | int) -> int:
        """Return a random key of the study, as `StudySetup.key`."""
        return seeds.derive(self.settings.seed, "study", *names)
