"""A space: a schedule recipe seen as a box of floats, every point of which is a valid schedule."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.inventory import Inventory
from mixopt.errors import Fault, RecipeError, SupplyError
from mixopt.schedule import repetition
from mixopt.schedule.carry import Link, Load, body, carried, scenarios, timed_tokens
from mixopt.schedule.curve import Knot, MixtureCurve, constant
from mixopt.schedule.free import FreeMixture
from mixopt.schedule.ground import Ground, ground_of, num_parts, prior_of
from mixopt.schedule.mixture import BASELINES, Mixture, mixture_of, rounded
from mixopt.schedule.open import Span
from mixopt.schedule.recipe import (
    KnotRecipe,
    MixtureSource,
    ScheduleRecipe,
    StageRecipe,
    schema_of,
)
from mixopt.schedule.schedule import Schedule, Stage, TargetRun
from mixopt.schedule.values import Values, ends_of, make_stage, number, open_numbers, part

__all__ = ["Coordinate", "Space", "Values", "fixed_kind"]

_NOTHING = constant(Mixture(domains=(), weights=()))  # what a stage draws that practises


@dataclass(frozen=True, kw_only=True, slots=True)
class Coordinate:
    """One open number of a recipe; coordinates of free mixtures lie in [0, 1]."""

    name: str  # "pretrain-1.share", "pretrain-1.mixture.0"
    low: float
    high: float
    log: bool = False

    def inward(self, value: float) -> float:
        """Return where a value lies in the range, from 0 to 1; in logarithms where `log` is set."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def outward(self, where: float) -> float:
        """Return the value at a place in the range, from 0 to 1."""
        if self.log:
            return float(self.low * (self.high / self.low) ** where)
        return self.low + where * (self.high - self.low)


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """A recipe against an inventory."""

    recipe: ScheduleRecipe
    inventory: Inventory
    _grounds: dict[str, Ground] = field(init=False, repr=False, compare=False, default_factory=dict)

    def coordinates(self) -> tuple[Coordinate, ...]:
        """Return the open numbers of the recipe, in the order of the file."""
        return tuple(found for stage in self.recipe.stage for found in self._of_stage(stage))

    def prefix_coordinates(self) -> frozenset[str]:
        """Return the names of those coordinates that decide all but the last open stage.

        Points that agree in them have schedules with a common beginning, which is trained once.
        """
        open_stages = [stage for stage in self.recipe.stage if self._of_stage(stage)]
        last = {found.name for found in self._of_stage(open_stages[-1])} if open_stages else set()
        own = {name for name in last if not name.endswith(".share") and ".gate." not in name}
        return frozenset(found.name for found in self.coordinates()) - own

    def resolve(self, values: Values) -> Schedule:
        """Return the schedule at a point of the box.

        Given mixtures are taken as they are. Free ones are moved to the nearest mixture that keeps
        their own bounds and the caps on epochs, after what earlier stages and all given mixtures
        spend, wherever gates open and however much later stages repeat.

        Raises:
            RecipeError: no mixture keeps the bounds of a free one, whatever the supply.
            SupplyError: the caps leave no mixture for a stage, or a given mixture breaks them.
        """
        own: dict[str, MixtureCurve] = {}
        for recipe in sorted(self.recipe.stage, key=_is_free):
            own[recipe.name] = self._curve(recipe, values, own)
        limits = self.recipe.limits
        schedule = Schedule(
            name=self.recipe.name,
            target=TargetRun(**self.recipe.target.model_dump()),
            stages=self._stages(own, values),
            max_epochs=limits.max_epochs,
            max_epochs_of=tuple(sorted(limits.max_epochs_of.items())),
        )
        self._check(schedule, values)
        return schedule

    def baseline(self, name: str) -> dict[str, float]:
        """Return the point at which every free mixture is a baseline and every range its middle."""
        values: dict[str, float] = {}
        for stage in filter(_is_free, self.recipe.stage):
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
        count = num_parts(free, names)
        if free.least * count >= 1:
            counted = "blocks and other domains" if free.blocks else "domains"
            expected = f"below 1/{count}, as the stage has {count} {counted}"
            self._refuse(f"{stage.name}.free.least", expected, f"{free.least}")
        base = self.named(given, stage) if isinstance(given, str) else mixture_of(given)
        return prior_of(free, base, names, self.inventory)

    def _of_stage(self, stage: StageRecipe) -> list[Coordinate]:
        found = [_coordinate(name, span) for name, span in open_numbers(stage).items()]
        for prefix, source in _sources(stage):
            if source.free is not None:
                count = num_parts(source.free, self.domains(stage)) - 1
                found += [Coordinate(name=f"{prefix}.{j}", low=0.0, high=1.0) for j in range(count)]
        return found

    def _coordinates_of(
        self, prefix: str, free: FreeMixture, stage: StageRecipe, mixture: Mixture
    ) -> dict[str, float]:
        cube = self._ground(prefix, free, stage).cube(mixture)
        return {f"{prefix}.{j}": float(u) for j, u in enumerate(cube)}

    def _ground(self, prefix: str, free: FreeMixture, stage: StageRecipe) -> Ground:
        """Return what a free mixture stands on; worked out once, as a search asks thousands of times.

        Raises:
            RecipeError: no mixture keeps its bounds, whatever the supply.
        """
        if prefix not in self._grounds:
            prior, limits = self.prior(free, stage), self.recipe.limits
            caps = {
                each: limits.max_epochs_of.get(each, limits.max_epochs) for each in prior.domains
            }
            ground = ground_of(free, prior, self.inventory, caps)
            middle, nowhere = np.full(len(ground.concentration) - 1, 0.5), np.ones(len(caps))
            try:
                ground.drawn(middle.tolist(), nowhere, f"stage '{stage.name}'")
            except SupplyError as error:
                expected = "bounds that some mixture keeps"
                self._refuse(f"{stage.name}.free", expected, f"\n{error.why}")
            self._grounds[prefix] = ground
        return self._grounds[prefix]

    def _refuse(self, key: str, expected: str, found: str) -> NoReturn:
        place = f"schedule '{self.recipe.name}'"
        raise RecipeError(place, [Fault(key=key, expected=expected, found=found)])

    def _stages(self, own: Mapping[str, MixtureCurve], values: Values) -> tuple[Stage, ...]:
        """Return all stages; what one carries on from earlier ones follows from these."""
        stages: list[Stage] = []
        for recipe in self.recipe.stage:
            recall = part(recipe.recall, f"{recipe.name}.recall", values)
            width = part(recipe.ramp, f"{recipe.name}.ramp", values)
            curve = carried(own[recipe.name], stages, recall, width)
            tokens, context = self._tokens(recipe, values), self.recipe.target.context_tokens
            stages.append(make_stage(recipe, values, curve, tokens, context))
        return tuple(stages)

    def _check(self, schedule: Schedule, values: Values) -> None:
        """Raise a supply error unless the caps hold wherever gates open, too: at all their ends."""
        supply = self.inventory.supply(tuple(schedule.dose()))
        repetition.check_supply(schedule, supply)
        if any(stage.gate for stage in schedule.stages):
            links = self._links(values, len(schedule.stages))
            for opened in itertools.product(*(link.opens or (0.0,) for link in links)):
                tokens = timed_tokens(links, opened)
                pairs = zip(schedule.stages, tokens, strict=True)
                stages = tuple(replace(stage, tokens=count) for stage, count in pairs)
                repetition.check_supply(replace(schedule, stages=stages), supply)

    def _links(self, values: Values, upto: int) -> list[Link]:
        """Return how stages hang together; what stages from `upto` on leave open stays open."""
        links = []
        for position, recipe in enumerate(self.recipe.stage):
            recalls, ramps = ends_of(recipe.recall), ends_of(recipe.ramp)
            if position < upto:
                recalls = (part(recipe.recall, f"{recipe.name}.recall", values),)
                ramps = (part(recipe.ramp, f"{recipe.name}.ramp", values),)
            links.append(
                Link(
                    tokens=self._tokens(recipe, values),
                    text=recipe.kind == "lm",
                    recalls=recalls,
                    ramps=ramps,
                    opens=(recipe.gate.earliest, recipe.gate.latest) if recipe.gate else None,
                )
            )
        return links

    def _caps(
        self, stage: StageRecipe, ground: Ground, values: Values, own: Mapping[str, MixtureCurve]
    ) -> NDArray[np.float64]:
        """Return the largest weight of each domain of a free mixture; [M]."""
        position = self.recipe.stage.index(stage)
        spent = self._spent(own, values)
        found = np.ones(len(ground.domains))
        for loads in scenarios(self._links(values, position + 1)):
            used: dict[str, float] = {}
            for load, mixtures in zip(loads, spent, strict=True):
                for name, tokens in _drawn(load, mixtures).items():
                    used[name] = used.get(name, 0.0) + tokens
            mine = max(1, math.ceil(loads[position].body + loads[position].last))
            found = np.minimum(found, repetition.room(ground.supply, ground.limits, used, mine))
        return found

    def _spent(
        self, own: Mapping[str, MixtureCurve], values: Values
    ) -> list[tuple[Mapping[str, float], Mapping[str, float]]]:
        """Return mean and last mixture of every stage; of none where it is not decided yet."""
        found: list[tuple[Mapping[str, float], Mapping[str, float]]] = []
        for recipe in self.recipe.stage:
            curve = own.get(recipe.name, _NOTHING)
            width = part(recipe.ramp, f"{recipe.name}.ramp", values)
            found.append((body(curve, width), curve.knots[-1].mixture.as_dict()))
        return found

    def _tokens(self, stage: StageRecipe, values: Values) -> int:
        if stage.tokens is not None:
            return stage.tokens
        total = self.recipe.target.tokens
        shares = {
            other.name: number(other.share, f"{other.name}.share", values)
            for other in self.recipe.stage
            if other.share is not None and not isinstance(other.share, str)
        }
        if len(shares) == sum(other.kind == "lm" for other in self.recipe.stage):
            shares.popitem()  # without a 'rest', the last one takes what rounding leaves
        if stage.name in shares:
            return round(total * shares[stage.name])
        return total - sum(round(total * share) for share in shares.values())

    def _curve(
        self, stage: StageRecipe, values: Values, own: Mapping[str, MixtureCurve]
    ) -> MixtureCurve:
        """Return the curve of a stage alone, after the curves that are decided."""
        if stage.practice is not None:
            return _NOTHING
        knots, caps = [], None
        for prefix, source in _sources(stage):
            at = source.at if isinstance(source, KnotRecipe) else 0.0
            if source.free is None:
                mixture = self._given(source, stage)
            else:
                ground = self._ground(prefix, source.free, stage)
                cube = [values[f"{prefix}.{j}"] for j in range(len(ground.concentration) - 1)]
                caps = self._caps(stage, ground, values, own) if caps is None else caps
                weights = ground.drawn(cube, caps, f"stage '{stage.name}'").tolist()
                mixture = rounded(mixture_of(dict(zip(ground.domains, weights, strict=True))))
            knots.append(Knot(at=at, mixture=mixture))
        if stage.curve is None:
            return constant(knots[0].mixture)
        return MixtureCurve(shape=stage.curve.shape, knots=tuple(knots))

    def _given(self, source: MixtureSource, stage: StageRecipe) -> Mixture:
        if isinstance(source.mixture, str):
            return rounded(self.named(source.mixture, stage))
        given = source.mixture or {}
        return mixture_of({name: weight for name, weight in given.items() if weight > 0})


def fixed_kind(recipe: ScheduleRecipe) -> Literal["schedule", "space"]:
    """Tell a schedule from a space without an inventory."""
    if any(open_numbers(stage) or _is_free(stage) for stage in recipe.stage):
        return "space"
    return "schedule"


def _is_free(stage: StageRecipe) -> bool:
    return any(source.free is not None for _, source in _sources(stage))


def _sources(stage: StageRecipe) -> list[tuple[str, MixtureSource]]:
    if stage.curve is None:
        return [] if stage.practice is not None else [(f"{stage.name}.mixture", stage)]
    return [(f"{stage.name}.knot{n}.mixture", knot) for n, knot in enumerate(stage.curve.knots)]


def _coordinate(name: str, span: Span) -> Coordinate:
    return Coordinate(name=name, low=span.low, high=span.high, log=span.log)


def _middle(found: Coordinate) -> float:
    return Span(low=found.low, high=found.high, log=found.log).middle


def _drawn(
    load: Load, mixtures: tuple[Mapping[str, float], Mapping[str, float]]
) -> dict[str, float]:
    """Return tokens of every domain that a stage's own mixture costs the whole schedule."""
    mean, last = mixtures
    found = {name: share * load.body for name, share in mean.items()}
    for name, share in last.items() if load.last else ():
        found[name] = found.get(name, 0.0) + share * load.last
    return found
