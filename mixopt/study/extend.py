"""Extension: a study of new domains that keeps the ratios an earlier one found among the old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mixopt.catalog.inventory import Inventory
from mixopt.errors import StudyError
from mixopt.recipes import decode
from mixopt.schedule.mixture import Mixture, mixture_of, rounded
from mixopt.schedule.recipe import ScheduleRecipe, schema_of
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.seeds import derive
from mixopt.study import recommendation
from mixopt.study.change import Change
from mixopt.study.ledger import Ledger
from mixopt.study.past import PastStudy
from mixopt.study.recipe import StudyRecipe
from mixopt.study.results import law_of, restraint_of
from mixopt.study.scouts import families_of
from mixopt.surrogate.proposing.propose import propose

BLOCK: Final = "kept"
_LEAST_RATIO: Final = 1e-6  # ratios in a block are positive


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """The study that is extended."""

    folder: Path
    recipe: StudyRecipe
    inventory: Inventory

    @property
    def space(self) -> Space:
        """What it searched."""
        return Space(recipe=self.recipe, inventory=self.inventory)

    @property
    def num_trials(self) -> int:
        """How many of its trials have its objective."""
        records = Ledger(self.folder).records("search")
        return sum(bool(each.measures.get(self.recipe.study.objective)) for each in records)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frozen:
    """The ratios among the domains that are as they were, in one mixture of a stage."""

    stage: str
    mixture: Mixture


def check_catalog(earlier: Earlier) -> None:
    """Raise unless the catalog of the earlier study is the one that it was begun with.

    Raises:
        StudyError: the file holds something else now.
    """
    began = Ledger(earlier.folder).identity().get("catalog")
    if began != earlier.inventory.content_hash:
        what = f"the catalog of {earlier.folder} was built again since"
        raise StudyError(
            what,
            why="What its domains held then is not known any more.",
            remedy="Build the new catalog beside the old one, under another name.",
        )


def check_stages(old: StudyRecipe, new: StudyRecipe) -> None:
    """Raise unless two studies have the same stages.

    Raises:
        StudyError: they differ; names those of both.
    """
    before, after = (_stages(recipe) for recipe in (old, new))
    if before != after:
        what = f"study '{new.name}' has other stages than '{old.name}', which it extends"
        raise StudyError(
            what,
            why=f"Old: {_listed(before)}. New: {_listed(after)}.",
            remedy="Give the new recipe the stages of the old one, under the same names.",
        )


def best_schedule(earlier: Earlier) -> Schedule:
    """Return the schedule that a study recommends, or the one its laws propose if it does not yet.

    Raises:
        StudyError: no trial has the objective.
        LawError: there are too few trials, or they do not differ.
    """
    path = earlier.folder / recommendation.SCHEDULE_FILE
    if path.is_file():
        recipe = decode.read(path, ScheduleRecipe)
        return Space(recipe=recipe, inventory=earlier.inventory).resolve({})
    settings, records = earlier.recipe.study, Ledger(earlier.folder).records("search")
    seed = derive(settings.seed, "extend")
    past = PastStudy(recipe=earlier.recipe, space=earlier.space, folder=earlier.folder)
    families = families_of(past)
    law = law_of(settings.objective, records, earlier.space, seed=seed, families=families)
    restraint = restraint_of(law, settings, records, earlier.space, seed=seed, families=families)
    return propose(law, earlier.space, restraint=restraint, seed=seed).schedule


def extended(
    data: Mapping[str, Any], best: Schedule, change: Change, new: Inventory
) -> tuple[dict[str, Any], tuple[Frozen, ...]]:
    """Return a recipe whose free mixtures keep the ratios among domains that are as they were.

    These domains become one coordinate of each mixture, so that what is searched is how much all
    of them get, and the domains that changed (mixture reuse: Olmix, arXiv:2602.12237).

    Args:
        data: the new study's recipe, decoded and valid, with the new catalog's names.
        best: the schedule of the earlier study.
        change: what became of its domains.
        new: the new catalog.

    Returns:
        The recipe, and what is frozen in it: mixture by mixture, in the order of the file.
    """
    found, frozen = deepcopy(dict(data)), []
    for stage in found["stage"]:
        kept = [name for name in new.names(schema_of(stage["kind"])) if name in change.kept]
        sources = _sources(stage)
        for number, source in enumerate(sources):
            if "free" not in source:
                continue
            blocks = source["free"].get("blocks", {})
            names = [name for name in kept if not any(name in block for block in blocks.values())]
            mixture = _ratios(best, stage["name"], names, (number, len(sources)))
            if mixture is not None:
                blocks = {**blocks, BLOCK: mixture.as_dict()}
                source["free"] = {**source["free"], "blocks": blocks}
                frozen.append(Frozen(stage=stage["name"], mixture=mixture))
    return found, tuple(frozen)


def _ratios(
    best: Schedule, stage: str, names: Sequence[str], place: tuple[int, int]
) -> Mixture | None:
    """Return the ratios among domains in one mixture of a stage; None where there are none.

    A stage of one mixture gives its last, which is its own where it ramps up from the one before.
    """
    knots = best.stage(stage).curve.knots
    number, count = place
    knot = knots[number] if len(knots) == count else knots[-1]
    shares = {name: knot.mixture.share(name) for name in names}
    total = sum(shares.values())
    if len(names) < 2 or total == 0:
        return None
    ratios = {name: max(share / total, _LEAST_RATIO) for name, share in shares.items()}
    return rounded(mixture_of(ratios))


def _sources(stage: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tables of a stage that may have a free mixture."""
    curve = stage.get("curve")
    return [stage] if curve is None else list(curve.get("knots", []))


def _stages(recipe: StudyRecipe) -> list[tuple[str, str]]:
    return [(stage.name, stage.kind) for stage in recipe.stage]


def _listed(stages: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in stages)
