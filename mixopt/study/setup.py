"""What a study runs on: its recipe, space, proxy, corpus and folder, found and checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import torch

from mixopt import seeds
from mixopt.corpus.store import TokenStore
from mixopt.errors import DeviceError, StudyError
from mixopt.proxy.config import ProxyRecipe
from mixopt.recipes.digest import digest
from mixopt.schedule.space import Space
from mixopt.study.ledger import Ledger
from mixopt.study.recipe import StudyRecipe, StudySettings
from mixopt.study.rung import Rung, RungPhase
from mixopt.study.trial import Trial, seeds_of
from mixopt.training.examiner import Examination
from mixopt.training.lane import LaneJob, arithmetic, plan_of
from mixopt.training.runs import Stop, never
from mixopt.training.states import FOLDER, StateSettings
from mixopt.training.tree import Member, grow, share_out

DeviceName = Literal["auto", "cpu", "cuda"]


def find_device(name: DeviceName) -> str:
    """Return the device that lanes are trained on: by default a GPU where there is one.

    Raises:
        DeviceError: a GPU is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        what = "no CUDA device"
        raise DeviceError(
            what,
            why="PyTorch finds none on this machine.",
            remedy="Use --device cpu, or a PyTorch that was built for this GPU.",
        )
    return "cpu" if name == "cpu" or not available else "cuda"


_OPEN_ENDED: Final = {"trials", "confirm_seeds", "also", "lane", "states", "scale", "least_gain"}
_OPTIONAL: Final = ("design_kind", "least_gain", "scout", "stopping", "warm")


def _unused(settings: StudySettings) -> set[str]:
    """Return the settings that change nothing as they are, and that older studies do not have."""
    fields = StudySettings.model_fields
    return {name for name in _OPTIONAL if getattr(settings, name) == fields[name].default}


@dataclass(frozen=True, kw_only=True, slots=True)
class StudySetup:
    """Everything that stays the same while a study runs."""

    recipe: StudyRecipe
    space: Space
    proxy: ProxyRecipe
    store: TokenStore
    folder: Path
    storage: str  # Optuna storage URL
    device: str = "cpu"  # that lanes are trained on
    rungs: tuple[Rung, ...] = ()  # scouts and larger runs

    @property
    def settings(self) -> StudySettings:
        """The `[study]` table."""
        return self.recipe.study

    @property
    def ledger(self) -> Ledger:
        """The results of the study."""
        return Ledger(self.folder)

    def identity(self) -> dict[str, str]:
        """Return the hashes of all that decides the numbers; the number of trials may grow.

        Larger runs may be added to a study that is searched; scouts may not, as they steer it.
        """
        left_out = _OPEN_ENDED | _unused(self.settings)
        settings = self.recipe.study.model_dump(exclude=left_out)
        proxies = {f"proxy {rung.name}": rung.proxy.content_hash for rung in self.rungs}
        return proxies | {
            "schedule recipe": digest(self.recipe.model_dump(exclude={"study", "description"})),
            "study settings": digest(settings),
            "proxy": self.proxy.content_hash,
            "catalog": self.space.inventory.content_hash,
            "corpus": self.store.content_hash,
            "arithmetic": arithmetic(self.proxy, self.store, self.device),
        }

    def key(self, *names: str | int) -> int:
        """Return a random key of this study."""
        return seeds.derive(self.settings.seed, "study", *names)

    def jobs(self, trials: Sequence[Trial], workers: int = 1, stop: Stop = never) -> list[LaneJob]:
        """Return jobs for all seeds of some trials that are not in the ledger yet.

        Members that begin alike are in one job, so that what they share is trained once; each of
        at most `workers` jobs has about the same number of steps.

        Args:
            trials: of one phase and proxy.
            workers: lanes that are trained side by side.
            stop: tells after a stage whom to give up.
        """
        finished = self.ledger.finished()
        members = [
            Member(trial=trial.name, seed=seed, schedule=trial.schedule)
            for trial in trials
            for seed in self.seeds(trial)
            if (trial.name, seed) not in finished
        ]
        proxy = self.proxy_of(trials[0])
        plans = [plan_of(member, proxy, self.store) for member in members]
        parts = share_out(grow(members, plans, ""), workers)
        jobs = [
            self._job(tuple(m for root in part for m in root.members), trials[0]) for part in parts
        ]
        return [replace(job, stop=stop) for job in jobs]

    def seeds(self, trial: Trial) -> tuple[int, ...]:
        """Return the seeds that a trial is run with."""
        if trial.proxy is not None:
            count = self.rung(trial.proxy).seeds
        else:
            count = self.settings.seeds if trial.phase == "search" else self.settings.confirm_seeds
        return seeds_of(trial.phase, count, self.settings.seed)

    def rung(self, name: str) -> Rung:
        """Return the scout or larger run of a name.

        Raises:
            StudyError: the study has none of that name.
        """
        for found in self.rungs:
            if found.name == name:
                return found
        what = f"study '{self.recipe.name}' has no rung '{name}'"
        raise StudyError(what, why=f"Rungs: {', '.join(r.name for r in self.rungs) or 'none'}.")

    def rungs_of(self, phase: RungPhase) -> tuple[Rung, ...]:
        """Return the rungs of a phase, in the order of the recipe."""
        return tuple(found for found in self.rungs if found.phase == phase)

    def proxy_of(self, trial: Trial) -> ProxyRecipe:
        """Return what a trial is trained with."""
        return self.proxy if trial.proxy is None else self.rung(trial.proxy).proxy

    def steps_per_member(self, proxy: ProxyRecipe | None = None) -> int:
        """Return the optimizer steps of one proxy, by default the study's, over its whole life."""
        kinds = {stage.kind for stage in self.recipe.stage}
        return sum((proxy or self.proxy).training.budget.steps(kind) for kind in kinds)

    def _job(self, members: tuple[Member, ...], trial: Trial) -> LaneJob:
        wanted = self.settings.examination
        return LaneJob(
            proxy=self.proxy_of(trial),
            store=self.store,
            members=members,
            examination=Examination(
                split="test" if trial.phase == "confirm" else "validation",
                levels=wanted.levels,
                problems=wanted.problems,
                held_out_sequences=wanted.held_out_sequences,
                samples=wanted.samples,
                more_levels=wanted.more_levels,
            ),
            width=None if self.settings.lane == "auto" else self.settings.lane,
            device=self.device,
            states=StateSettings(
                folder=self.folder / FOLDER,
                limit_bytes=round(self.settings.states.gigabytes * 1e9),
                interval_seconds=self.settings.states.seconds,
                keep_stages=self.settings.share > 1,
            ),
        )
