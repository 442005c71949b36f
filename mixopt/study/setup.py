"""What a study runs on: its recipe, space, proxy, corpus and folder, found and checked once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mixopt import seeds
from mixopt.corpus.store import TokenStore
from mixopt.proxy import route
from mixopt.proxy.config import ProxyRecipe
from mixopt.recipes.digest import digest
from mixopt.schedule.space import Space
from mixopt.study.ledger import Ledger
from mixopt.study.recipe import StudyRecipe, StudySettings
from mixopt.study.trial import Trial, seeds_of
from mixopt.training.lane import Examination, LaneJob, Member, legs_of_member


@dataclass(frozen=True, kw_only=True, slots=True)
class StudySetup:
    """Everything that stays the same while a study runs."""

    recipe: StudyRecipe
    space: Space
    proxy: ProxyRecipe
    store: TokenStore
    folder: Path
    storage: str  # Optuna storage URL

    @property
    def settings(self) -> StudySettings:
        """The `[study]` table."""
        return self.recipe.study

    @property
    def ledger(self) -> Ledger:
        """The results of the study."""
        return Ledger(self.folder)

    def identity(self) -> dict[str, str]:
        """Return the hashes of all that decides the numbers; the number of trials may grow."""
        open_ended = {"trials", "confirm_seeds", "also", "lane"}
        settings = self.recipe.study.model_dump(exclude=open_ended)
        return {
            "schedule recipe": digest(self.recipe.model_dump(exclude={"study", "description"})),
            "study settings": digest(settings),
            "proxy": self.proxy.content_hash,
            "catalog": self.space.inventory.content_hash,
            "corpus": self.store.content_hash,
            "arithmetic": route.name(),
        }

    def key(self, *names: str | int) -> int:
        """Return a random key of this study."""
        return seeds.derive(self.settings.seed, "study", *names)

    def jobs(self, trials: list[Trial]) -> list[LaneJob]:
        """Return lanes for all seeds of some trials that are not in the ledger yet.

        Members that can share a lane are those whose legs agree.
        """
        finished = self.ledger.finished()
        groups: dict[object, list[Member]] = {}
        for trial in trials:
            for seed in self.seeds(trial):
                if (trial.name, seed) not in finished:
                    member = Member(trial=trial.name, seed=seed, schedule=trial.schedule)
                    legs = legs_of_member(member, self.proxy, self.store)
                    groups.setdefault((trial.phase, legs), []).append(member)
        width = self.settings.lane
        return [
            self._job(tuple(group[first : first + width]), trials[0])
            for group in groups.values()
            for first in range(0, len(group), width)
        ]

    def seeds(self, trial: Trial) -> tuple[int, ...]:
        """Return the seeds that a trial is run with."""
        count = self.settings.seeds if trial.phase == "search" else self.settings.confirm_seeds
        return seeds_of(trial.phase, count, self.settings.seed)

    def steps_per_member(self) -> int:
        """Return the optimizer steps of one proxy over its whole life."""
        kinds = {stage.kind for stage in self.recipe.stage}
        return sum(self.proxy.training.budget.steps(kind) for kind in kinds)

    def _job(self, members: tuple[Member, ...], trial: Trial) -> LaneJob:
        wanted = self.settings.examination
        return LaneJob(
            proxy=self.proxy,
            store=self.store,
            members=members,
            examination=Examination(
                split="validation" if trial.phase == "search" else "test",
                levels=wanted.levels,
                problems=wanted.problems,
                held_out_sequences=wanted.held_out_sequences,
            ),
        )
