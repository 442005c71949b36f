"""A space: a schedule recipe seen as a box of floats, every point of which is a valid schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.inventory import Inventory
from mixopt.errors import Fault, RecipeError, SupplyError
from mixopt.schedule import repetition, simplex
from mixopt.schedule.curve import Knot, MixtureCurve, constant
from mixopt.schedule.mixture import BASELINES, Mixture, mixture_of, rounded
from mixopt.schedule.rate import RateShape
from mixopt.schedule.recipe import (
    FreeMixture,
    KnotRecipe,
    MixtureSource,
    Number,
    Range,
    ScheduleRecipe,
    StageRecipe,
    schema_of,
)
from mixopt.schedule.schedule import Schedule, Stage, TargetRun

Values = Mapping[str, float]

_LEAST_PRIOR = 1e-6  # Dirichlet parameters are positive, even where a prior has a zero


@dataclass(frozen=True, kw_only=True, slots=True)
class Coordinate:
    """One open number of a recipe; coordinates of free mixtures lie in [0, 1]."""

    name: str  # "pretrain-1.share", "pretrain-1.mixture.0"
    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """A recipe against an inventory."""

    recipe: ScheduleRecipe
    inventory: Inventory
    _grounds: dict[str, _Ground] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def coordinates(self) -> tuple[Coordinate, ...]:
        """Return the open numbers of the recipe, in the order of the file."""
        return tuple(found for stage in self.recipe.stage for found in self._of_stage(stage))

    def prefix_coordinates(self) -> frozenset[str]:
        """Return the names of those coordinates that decide all but the last open stage.

        Points that agree in them have schedules with a common beginning, which is trained once.
        """
        open_stages = [stage for stage in self.recipe.stage if self._of_stage(stage)]
        last = {found.name for found in self._of_stage(open_stages[-1])} if open_stages else set()
        own = {name for name in last if not name.endswith(".share")}
        return frozenset(found.name for found in self.coordinates()) - own

    def resolve(self, values: Values) -> Schedule:
        """Return the schedule at a point of the box.

        Given mixtures are taken as they are. Free ones are moved to the nearest mixture that keeps
        the caps on epochs, after what earlier stages and all given mixtures spend.

        Raises:
            SupplyError: the caps leave no mixture for a stage, or a given mixture breaks them.
        """
        stages: dict[str, Stage] = {}
        used: dict[str, float] = {}
        for recipe in sorted(self.recipe.stage, key=_is_free):
            stage = self._stage(recipe, values, used)
            stages[recipe.name] = stage
            for name, tokens in stage.dose().items():
                used[name] = used.get(name, 0.0) + tokens
        limits = self.recipe.limits
        schedule = Schedule(
            name=self.recipe.name,
            target=TargetRun(**self.recipe.target.model_dump()),
            stages=tuple(stages[recipe.name] for recipe in self.recipe.stage),
            max_epochs=limits.max_epochs,
            max_epochs_of=tuple(sorted(limits.max_epochs_of.items())),
        )
        repetition.check_supply(schedule, self.inventory.supply(tuple(schedule.dose())))
        return schedule

    def baseline(self, name: str) -> dict[str, float]:
        """Return the point at which every free mixture is a baseline and every range its middle."""
        values: dict[str, float] = {}
        for stage in self.recipe.stage:
            mixture = self.named(name, stage)
            for prefix, source in _sources(stage):
                if source.free is not None:
                    values |= self._coordinates_of(prefix, source.free, stage, mixture)
        middles = {found.name: _middle(found) for found in self.coordinates()}
        return middles | values

    def named(self, name: str, stage: StageRecipe) -> Mixture:
        """Return the natural, uniform or UniMax mixture of the domains that a stage can use."""
        supply = self.inventory.supply(self.domains(stage))
        tokens = stage.tokens if stage.tokens is not None else self.recipe.target.tokens
        return BASELINES[name](supply, tokens, self.recipe.limits.max_epochs)

    def domains(self, stage: StageRecipe) -> tuple[str, ...]:
        """Return the domains that a free mixture of the stage ranges over.

        Raises:
            SupplyError: the catalog has no tokens of the stage's schema.
        """
        names = self.inventory.names(schema_of(stage.kind))
        if not any(self.inventory.supply(names).values()):
            message = f"stage '{stage.name}' has no domain to draw from"
            raise SupplyError(
                message,
                why=f"The catalog has no tokens of schema '{schema_of(stage.kind)}'.",
                remedy="Add one to the catalog recipe and build it again.",
            )
        return names

    def prior(self, free: FreeMixture, stage: StageRecipe) -> Mixture:
        """Return the prior mixture of a free mixture, over all domains of the stage.

        Raises:
            RecipeError: the least weights of all domains sum to 1 or more.
        """
        names, given = self.domains(stage), free.prior
        if free.least * len(names) >= 1:
            expected = f"below 1/{len(names)}, as the stage has {len(names)} domains"
            fault = Fault(key=f"{stage.name}.free.least", expected=expected, found=f"{free.least}")
            place = f"schedule '{self.recipe.name}'"
            raise RecipeError(place, [fault])
        base = self.named(given, stage) if isinstance(given, str) else mixture_of(given)
        return _with_least(base, names, free.least)

    def _of_stage(self, stage: StageRecipe) -> list[Coordinate]:
        found = []
        if isinstance(stage.share, Range):
            found.append(_coordinate(f"{stage.name}.share", stage.share))
        if isinstance(stage.learning_rate.peak, Range):
            found.append(_coordinate(f"{stage.name}.learning_rate", stage.learning_rate.peak))
        for prefix, source in _sources(stage):
            if source.free is not None:
                count = len(self.domains(stage)) - 1
                found += [Coordinate(name=f"{prefix}.{j}", low=0.0, high=1.0) for j in range(count)]
        return found

    def _coordinates_of(
        self, prefix: str, free: FreeMixture, stage: StageRecipe, mixture: Mixture
    ) -> dict[str, float]:
        ground = self._ground(prefix, free, stage)
        inner = _without_least(mixture.on(ground.domains), free.least)
        cube = simplex.to_cube(inner, ground.concentration)
        return {f"{prefix}.{j}": float(u) for j, u in enumerate(cube)}

    def _ground(self, prefix: str, free: FreeMixture, stage: StageRecipe) -> _Ground:
        """Return what a free mixture stands on; worked out once, as a search asks thousands of times."""
        if prefix not in self._grounds:
            names, limits = self.domains(stage), self.recipe.limits
            weights = np.maximum(self.prior(free, stage).on(names), _LEAST_PRIOR)
            self._grounds[prefix] = _Ground(
                domains=names,
                supply=self.inventory.supply(names),
                limits={name: limits.max_epochs_of.get(name, limits.max_epochs) for name in names},
                concentration=weights * free.concentration,
            )
        return self._grounds[prefix]

    def _stage(self, recipe: StageRecipe, values: Values, used: Mapping[str, float]) -> Stage:
        rate = recipe.learning_rate
        tokens = self._tokens(recipe, values)
        return Stage(
            name=recipe.name,
            kind=recipe.kind,
            tokens=tokens,
            curve=self._curve(recipe, values, used, tokens),
            context_tokens=recipe.context_tokens or self.recipe.target.context_tokens,
            learning_rate=RateShape(
                peak=_number(rate.peak, f"{recipe.name}.learning_rate", values),
                warmup=rate.warmup,
                decay=rate.decay,
                floor=rate.floor,
                shape=rate.shape,
            ),
        )

    def _tokens(self, stage: StageRecipe, values: Values) -> int:
        if stage.tokens is not None:
            return stage.tokens
        total = self.recipe.target.tokens
        shares = {
            other.name: _number(other.share, f"{other.name}.share", values)
            for other in self.recipe.stage
            if other.share is not None and not isinstance(other.share, str)
        }
        if len(shares) == sum(other.kind == "lm" for other in self.recipe.stage):
            shares.popitem()  # without a 'rest', the last one takes what rounding leaves
        if stage.name in shares:
            return round(total * shares[stage.name])
        return total - sum(round(total * share) for share in shares.values())

    def _curve(
        self, stage: StageRecipe, values: Values, used: Mapping[str, float], tokens: int
    ) -> MixtureCurve:
        knots = []
        for prefix, source in _sources(stage):
            at = source.at if isinstance(source, KnotRecipe) else 0.0
            if source.free is None:
                mixture = self._given(source, stage)
            else:
                ground = self._ground(prefix, source.free, stage)
                cube = [values[f"{prefix}.{j}"] for j in range(len(ground.domains) - 1)]
                drawn = _spread(simplex.from_cube(cube, ground.concentration), source.free.least)
                caps = repetition.room(ground.supply, ground.limits, used, tokens)
                weights = repetition.capped(drawn, caps, f"stage '{stage.name}'")
                mixture = rounded(_over(ground.domains, weights))
            knots.append(Knot(at=at, mixture=mixture))
        if stage.curve is None:
            return constant(knots[0].mixture)
        return MixtureCurve(shape=stage.curve.shape, knots=tuple(knots))

    def _given(self, source: MixtureSource, stage: StageRecipe) -> Mixture:
        if isinstance(source.mixture, str):
            return rounded(self.named(source.mixture, stage))
        given = source.mixture or {}
        return mixture_of({name: weight for name, weight in given.items() if weight > 0})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ground:
    """What a free mixture stands on, whatever the point of the box."""

    domains: tuple[str, ...]
    supply: Mapping[str, int]  # tokens
    limits: Mapping[str, float]  # most epochs
    concentration: NDArray[np.float64]  # [M] Dirichlet parameters


def fixed_kind(recipe: ScheduleRecipe) -> Literal["schedule", "space"]:
    """Tell a schedule from a space without an inventory."""
    for stage in recipe.stage:
        numbers = (stage.share, stage.learning_rate.peak)
        if any(isinstance(number, Range) for number in numbers):
            return "space"
        if _is_free(stage):
            return "space"
    return "schedule"


def _is_free(stage: StageRecipe) -> bool:
    return any(source.free is not None for _, source in _sources(stage))


def _sources(stage: StageRecipe) -> list[tuple[str, MixtureSource]]:
    if stage.curve is None:
        return [(f"{stage.name}.mixture", stage)]
    return [(f"{stage.name}.knot{n}.mixture", knot) for n, knot in enumerate(stage.curve.knots)]


def _number(number: Number | None, name: str, values: Values) -> float:
    if isinstance(number, Range):
        return float(values[name])
    if number is None:
        message = f"{name} is not a number"
        raise ValueError(message)
    return float(number)


def _coordinate(name: str, found: Range) -> Coordinate:
    return Coordinate(name=name, low=found.low, high=found.high, log=found.log)


def _middle(found: Coordinate) -> float:
    if found.log:
        return float(np.sqrt(found.low * found.high))
    return (found.low + found.high) / 2


def _with_least(mixture: Mixture, names: tuple[str, ...], least: float) -> Mixture:
    return _over(names, _spread(mixture.on(names), least))


def _spread(weights: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Give every domain the least weight and share out the rest by the weights; [M]."""
    return weights * (1 - least * len(weights)) + least


def _without_least(weights: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    inner = np.clip(weights - least, 0.0, None)
    return np.asarray(inner / inner.sum())


def _over(names: tuple[str, ...], weights: NDArray[np.float64]) -> Mixture:
    return mixture_of(dict(zip(names, weights.tolist(), strict=True)))
