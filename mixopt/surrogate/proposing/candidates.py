"""Points of a space as a law sees them: filling the box, moving around the best, prior doses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import qmc

from mixopt.errors import LawError, SupplyError
from mixopt.schedule.curve import Knot, MixtureCurve
from mixopt.schedule.mixture import BASELINES, Mixture, mixture_of
from mixopt.schedule.recipe import MixtureSource, OnlineRecipe, StageRecipe
from mixopt.schedule.space import Coordinate, Space, Values
from mixopt.schedule.values import ends_of
from mixopt.surrogate.features import Features, point_features

Matrix = NDArray[np.float64]

_EDGE = 1e-9  # logarithms of odds stay finite this close to the ends of the unit interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """N feasible points of a space.

    Attributes:
        cube: [N, C] the points, every coordinate scaled to [0, 1].
        features: of the schedules at the points, caps applied.
        divergences: [N] KL of their doses from the prior's, nats.
    """

    cube: Matrix
    features: Features
    divergences: NDArray[np.float64]

    def joined(self, other: Candidates) -> Candidates:
        """Return the points of both."""
        return Candidates(
            cube=np.concatenate([self.cube, other.cube]),
            features=self.features.joined(other.features),
            divergences=np.concatenate([self.divergences, other.divergences]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """The open coordinates of a space, scaled to the unit cube.

    Attributes:
        space: the space.
        coordinates: all C of them.
        baselines: [3, C] the natural, uniform and UniMax points.
    """

    space: Space
    coordinates: tuple[Coordinate, ...]
    baselines: Matrix

    def values(self, point: NDArray[np.float64]) -> dict[str, float]:
        """Return coordinate name -> value at a point of the unit cube."""
        pairs = zip(self.coordinates, point.tolist(), strict=True)
        return {found.name: found.outward(where) for found, where in pairs}

    def cube(self, values: Values) -> NDArray[np.float64]:
        """Return the point of the unit cube that has these values; [C]."""
        return _inner_point(self.coordinates, values)

    def fill(self, count: int, rng: np.random.Generator) -> Matrix:
        """Return at least `count` points of a scrambled Sobol sequence, a power of two; [N, C]."""
        power = max(1, int(np.ceil(np.log2(max(count, 2)))))
        sequence = qmc.Sobol(len(self.coordinates), rng=int(rng.integers(2**62)))
        return np.asarray(sequence.random_base2(power))

    def around(self, parents: Matrix, count: int, width: float, rng: np.random.Generator) -> Matrix:
        """Return `count` points near the parents; steps are normal in the log odds; [count, C].

        Log odds keep steps useful near the faces of the cube, where a prior that hardly uses a
        domain squeezes all of that domain's large weights.
        """
        chosen = parents[rng.integers(len(parents), size=count)]
        odds = logit(np.clip(chosen, _EDGE, 1 - _EDGE))
        steps = width * rng.standard_normal(odds.shape)
        steps *= rng.random(odds.shape) < rng.choice([0.15, 0.5, 1.0], size=(count, 1))
        return np.asarray(expit(odds + steps))

    def look(self, cube: Matrix, domains: tuple[str, ...]) -> Candidates:
        """Resolve points and describe those that the supply allows.

        Raises:
            SupplyError: none of them is allowed; the reason is that of the last.
        """
        schedules, points, kept = [], [], []
        refusal: SupplyError | None = None
        for number, point in enumerate(cube):
            try:
                values = self.values(point)
                schedules.append(self.space.resolve(values))
                points.append(values)
                kept.append(number)
            except SupplyError as error:
                refusal = error
        if refusal is not None and not kept:
            raise refusal
        features = point_features(self.space, schedules, points, domains)
        return Candidates(
            cube=cube[kept],
            features=features,
            divergences=divergences(features.doses, prior_doses(self.space, features)),
        )


def open_box(space: Space) -> Box:
    """Return the box of a space.

    Raises:
        LawError: nothing is open in the recipe.
    """
    coordinates = space.coordinates()
    if not coordinates:
        message = f"nothing to propose for recipe '{space.recipe.name}'"
        raise LawError(
            message,
            why="Nothing is open in it.",
            remedy="Give a stage a `free` mixture, or a range in place of a number.",
        )
    points = [_inner_point(coordinates, space.baseline(name)) for name in BASELINES]
    return Box(space=space, coordinates=coordinates, baselines=np.array(points))


def prior_doses(space: Space, features: Features) -> Matrix:
    """Return the doses that the recipe's priors would give with each row's shares of tokens.

    The prior of a stage is that of its free mixture; given mixtures stand for themselves.

    Args:
        space: the recipe and the inventory.
        features: N schedules of the recipe.

    Returns:
        [N, M] shares of the lm tokens.
    """
    stages = {stage.name: stage for stage in space.recipe.stage}
    doses = np.zeros((features.num_rows, len(features.domains)))
    for number, name in enumerate(features.stages):
        tokens, stage = features.tokens[:, number : number + 1], stages[name]
        own = _stage_prior(space, stage).on(features.domains)
        before = features.tokens[:, :number].sum(axis=1, keepdims=True)
        again = float(np.mean(ends_of(stage.recall))) if number else 0.0
        earlier = doses / np.maximum(before, _EDGE)
        doses = doses + tokens * (again * earlier + (1 - again) * own)
    return doses


def divergences(doses: Matrix, priors: Matrix) -> NDArray[np.float64]:
    """Return KL(dose || prior) of every row in nats; [N, M] each, zero doses count nothing."""
    ratio = np.where(doses > 0, doses, 1.0) / np.maximum(priors, _EDGE)
    return np.asarray(np.sum(doses * np.log(ratio), axis=1))


def _stage_prior(space: Space, stage: StageRecipe) -> Mixture:
    if stage.curve is None:
        return _source_prior(space, stage, stage)
    if isinstance(stage.curve, OnlineRecipe):
        given = stage.curve.prior
        return space.named(given, stage) if isinstance(given, str) else mixture_of(given)
    knots = tuple(
        Knot(at=knot.at, mixture=_source_prior(space, knot, stage)) for knot in stage.curve.knots
    )
    return MixtureCurve(shape=stage.curve.shape, knots=knots).mean()


def _source_prior(space: Space, source: MixtureSource, stage: StageRecipe) -> Mixture:
    if source.free is not None:
        return space.prior(source.free, stage)
    given = source.mixture
    return space.named(given, stage) if isinstance(given, str) else mixture_of(given or {})


def _inner_point(coordinates: tuple[Coordinate, ...], values: Values) -> NDArray[np.float64]:
    return np.array([found.inward(values[found.name]) for found in coordinates])
