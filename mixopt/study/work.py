"""How much a study trains: runs, steps and tokens, before any of it is run."""

from __future__ import annotations

from dataclasses import dataclass

from mixopt.proxy.config import ProxyRecipe
from mixopt.schedule.mixture import BASELINES
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.study.recipe import StudyRecipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What a study trains, its confirmation included."""

    search_runs: int
    """Trials times seeds."""
    confirmation_runs: int
    """Schedules that are confirmed times fresh seeds."""
    scheduled_tokens: int
    """Of all runs, each from its beginning."""
    trained_tokens: int
    """The same with every beginning that trials of the search share trained once."""


def work_of(recipe: StudyRecipe, space: Space, proxy: ProxyRecipe) -> Work:
    """Estimate what a study trains; where stages have ranges, from the middle of them.

    Only the sharing that the search plans is counted: every `share` trials after the baselines
    begin alike, up to the last stage in which something is open.

    Args:
        recipe: the study.
        space: the same recipe against a catalog.
        proxy: what is trained.
    """
    settings = recipe.study
    schedule = space.resolve(space.baseline("natural"))
    life = sum(_stage_tokens(schedule, proxy))
    beginning = sum(_stage_tokens(schedule, proxy)[: _last_open_stage(space)])
    free = max(0, settings.trials - len(BASELINES))
    repeated = (free - -(-free // settings.share)) * settings.seeds
    search, confirmation = settings.trials * settings.seeds, _num_confirmed(recipe)
    confirmation *= settings.confirm_seeds
    return Work(
        search_runs=search,
        confirmation_runs=confirmation,
        scheduled_tokens=(search + confirmation) * life,
        trained_tokens=(search + confirmation) * life - repeated * beginning,
    )


def _stage_tokens(schedule: Schedule, proxy: ProxyRecipe) -> list[int]:
    """Return the tokens of one proxy in every stage: each kind's budget, as stages share it."""
    training = proxy.training
    return [
        round(training.budget.steps(stage.kind) * stage.tokens / schedule.tokens_of(stage.kind))
        * training.step_tokens
        for stage in schedule.stages
    ]


def _last_open_stage(space: Space) -> int:
    """Return the position of the last stage that differs between trials that begin alike."""
    own = {found.name for found in space.coordinates()} - space.prefix_coordinates()
    for place, stage in enumerate(space.recipe.stage):
        if any(name.startswith(f"{stage.name}.") for name in own):
            return place
    return 0


def _num_confirmed(recipe: StudyRecipe) -> int:
    """Return how many schedules are confirmed: optima, baselines, and the same dose in no order."""
    optima = len({recipe.study.objective, *recipe.study.also})
    ordered = sum(stage.kind == "lm" for stage in recipe.stage) > 1
    return optima + len(BASELINES) + ordered
