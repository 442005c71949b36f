"""What a law sees of a schedule: mixtures and sizes of the lm stages, repetition, scale, settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixopt.errors import LawError
from mixopt.schedule.schedule import Schedule, Stage
from mixopt.schedule.space import Space, Values

Matrix = NDArray[np.float64]
Index = NDArray[np.int64] | NDArray[np.bool_]

_VARIES = 1e-9
_UNSET: Final = np.empty((0, 0))
_SHOWN: Final = ("share", "recall", "ramp")  # of an lm stage, beside its mixtures
_MIDPOINTS: Final = (np.arange(64) + 0.5) / 64


def _unset() -> Matrix:
    return _UNSET


NOTHING_KNOWN: Final[Mapping[str, int]] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Features:
    """N schedules of S lm stages over M domains, with X further settings.

    Attributes:
        domains: the M domains, in the order of the last axis.
        stages: names of the S lm stages, in order.
        weights: [N, S, M] mean mixture of every stage, shares of tokens.
        tokens: [N, S] share of the lm tokens that every stage has; rows sum to 1.
        rates: [N, S] share of the learning rate summed over tokens that every stage has; rows sum
            to 1; the shares of tokens where it is not given.
        passes: [M] epochs of a domain if all lm tokens came from it; 0 where the supply is not
            known or has no end.
        settings: names of the X numbers beside mixtures and sizes: orderings, gates, practice.
        numbers: [N, X] their values, each scaled to [0, 1] over its range.
        parameters: [N] of the model; 0 where it is not known.
        total_tokens: [N] of all lm stages; 0 where it is not known.
        groups: name of every domain's group (its provenance), M of them or none.
    """

    domains: tuple[str, ...]
    stages: tuple[str, ...]
    weights: Matrix
    tokens: Matrix
    rates: Matrix = field(default_factory=_unset)
    passes: Matrix = field(default_factory=_unset)
    settings: tuple[str, ...] = ()
    numbers: Matrix = field(default_factory=_unset)
    parameters: Matrix = field(default_factory=_unset)
    total_tokens: Matrix = field(default_factory=_unset)
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Fill in what is not given, and check the shapes."""
        rows, num_stages, num_domains = len(self.tokens), len(self.stages), len(self.domains)
        given: dict[str, tuple[tuple[int, ...], Matrix]] = {
            "weights": ((rows, num_stages, num_domains), self.weights),
            "tokens": ((rows, num_stages), self.tokens),
            "rates": ((rows, num_stages), self.tokens),
            "passes": ((num_domains,), np.zeros(num_domains)),
            "numbers": ((rows, len(self.settings)), np.zeros((rows, 0))),
            "parameters": ((rows,), np.zeros(rows)),
            "total_tokens": ((rows,), np.zeros(rows)),
        }
        for name, (shape, otherwise) in given.items():
            if getattr(self, name) is _UNSET:
                object.__setattr__(self, name, otherwise)
            if getattr(self, name).shape != shape:
                message = f"{name} is {getattr(self, name).shape} and should be {shape}"
                raise ValueError(message)
        if self.groups and len(self.groups) != num_domains:
            message = f"{len(self.groups)} groups for {num_domains} domains"
            raise ValueError(message)

    @property
    def num_rows(self) -> int:
        """How many schedules there are (N)."""
        return len(self.tokens)

    @property
    def doses(self) -> Matrix:
        """[N, M] share of all lm tokens that every domain gives."""
        return np.asarray(np.einsum("ns,nsm->nm", self.tokens, self.weights))

    @property
    def rate_doses(self) -> Matrix:
        """[N, M] share of the learning rate summed over tokens that every domain gets."""
        return np.asarray(np.einsum("ns,nsm->nm", self.rates, self.weights))

    @property
    def epochs(self) -> Matrix:
        """[N, M] how often every domain is passed over; 0 where its supply is not known."""
        return np.asarray(self.doses * self.passes)

    @property
    def boundaries(self) -> Matrix:
        """[N, S - 1] shares of the lm tokens after which the next stage begins."""
        return np.asarray(np.cumsum(self.tokens, axis=1)[:, :-1])

    @property
    def group_doses(self) -> Matrix:
        """[N, G] doses summed over every group, in the order in which groups first occur."""
        names = list(dict.fromkeys(self.groups))
        of_group = np.array([[group == name for name in names] for group in self.groups], float)
        return np.asarray(self.doses @ of_group.reshape(len(self.domains), len(names)))

    @property
    def varying_tokens(self) -> NDArray[np.bool_]:
        """[S] whether the stage's share of the tokens differs between rows."""
        return np.asarray(np.ptp(self.tokens, axis=0) > _VARIES)

    def rows(self, index: Index) -> Features:
        """Return some of the schedules, in the order of the index."""
        return replace(
            self,
            weights=self.weights[index],
            tokens=self.tokens[index],
            rates=self.rates[index],
            numbers=self.numbers[index],
            parameters=self.parameters[index],
            total_tokens=self.total_tokens[index],
        )

    def joined(self, other: Features) -> Features:
        """Return the schedules of both, mine first; domains, stages and settings are the same."""
        return replace(
            self,
            weights=np.concatenate([self.weights, other.weights]),
            tokens=np.concatenate([self.tokens, other.tokens]),
            rates=np.concatenate([self.rates, other.rates]),
            numbers=np.concatenate([self.numbers, other.numbers]),
            parameters=np.concatenate([self.parameters, other.parameters]),
            total_tokens=np.concatenate([self.total_tokens, other.total_tokens]),
        )


def mixture_features(
    domains: tuple[str, ...], weights: Matrix, passes: Matrix = _UNSET
) -> Features:
    """Return the features of constant mixtures in one stage.

    Args:
        domains: the M domains.
        weights: [N, M] shares of tokens; rows sum to 1.
        passes: [M] epochs of a domain if all tokens came from it; unknown if left out.
    """
    shares = np.asarray(weights, float)
    return Features(
        domains=domains,
        stages=("pretrain",),
        weights=shares[:, None],
        tokens=np.ones((len(shares), 1)),
        passes=passes,
    )


def schedule_features(
    schedules: Sequence[Schedule],
    domains: tuple[str, ...],
    *,
    supply: Mapping[str, int] = NOTHING_KNOWN,
    settings: tuple[str, ...] = (),
    numbers: Matrix = _UNSET,
) -> Features:
    """Return the features of schedules that have the same lm stages.

    Args:
        schedules: N of them.
        domains: the M domains of the columns; must cover every domain that an lm stage names.
        supply: unique tokens of domains for the target run, which a proxy repeats alike; a domain
            that is missing is never repeated.
        settings: names of X further numbers.
        numbers: [N, X] their values, scaled to [0, 1].

    Raises:
        LawError: there is no schedule, their lm stages differ, or a domain is missing.
    """
    if not schedules:
        message = "no schedule to describe"
        raise LawError(message, remedy="Run some trials first.")
    stages = [tuple(stage for stage in s.stages if stage.kind == "lm") for s in schedules]
    names = tuple(stage.name for stage in stages[0])
    for schedule, found in zip(schedules, stages, strict=True):
        if tuple(stage.name for stage in found) != names:
            message = f"schedule '{schedule.name}' has other lm stages than the first"
            why = f"One has {', '.join(names)}, the other {', '.join(s.name for s in found)}."
            raise LawError(message, why=why, remedy="Fit schedules of one recipe together.")
    tokens = np.array([[stage.tokens for stage in found] for found in stages], float)
    rates = tokens * np.array([[_mean_rate(stage) for stage in found] for found in stages])
    return Features(
        domains=domains,
        stages=names,
        weights=np.array([[_weights(stage, domains) for stage in found] for found in stages]),
        tokens=tokens / tokens.sum(axis=1, keepdims=True),
        rates=rates / rates.sum(axis=1, keepdims=True),
        total_tokens=tokens.sum(axis=1),
        passes=_passes(float(tokens[0].sum()), supply, domains),
        settings=settings,
        numbers=numbers,
    )


def point_features(
    space: Space,
    schedules: Sequence[Schedule],
    points: Sequence[Values],
    domains: tuple[str, ...],
) -> Features:
    """Return the features of schedules with the points of the space that they lie at.

    What does not show in the mixtures and sizes of lm stages becomes settings: orderings, gates,
    peaks of learning rates, the numbers of practice, mixtures of other kinds of stages.

    Args:
        space: where the points lie; its inventory tells the supplies and provenances.
        schedules: N of them.
        points: N points, coordinate name -> value.
        domains: the M domains of the columns.

    Raises:
        LawError: as `schedule_features`.
    """
    lm = {stage.name for stage in space.recipe.stage if stage.kind == "lm"}
    others = [found for found in space.coordinates() if not _shows(found.name, lm)]
    found = schedule_features(
        schedules,
        domains,
        supply=space.inventory.supply(domains),
        settings=tuple(coordinate.name for coordinate in others),
        numbers=np.array([[c.inward(point[c.name]) for c in others] for point in points]).reshape(
            len(points), len(others)
        ),
    )
    return replace(found, groups=tuple(space.inventory.domain(name).provenance for name in domains))


def _shows(name: str, lm: set[str]) -> bool:
    """Return whether a coordinate shows in the mixtures and sizes of lm stages."""
    stage, _, part = name.partition(".")
    return stage in lm and (part in _SHOWN or ".mixture." in f".{part}")


def _mean_rate(stage: Stage) -> float:
    """Return the mean multiple of the base rate over a stage."""
    return float(stage.learning_rate.at(_MIDPOINTS).mean())


def _passes(tokens: float, supply: Mapping[str, int], domains: tuple[str, ...]) -> Matrix:
    return np.array([tokens / supply[name] if supply.get(name) else 0.0 for name in domains])


def _weights(stage: Stage, domains: tuple[str, ...]) -> list[float]:
    shares = stage.curve.mean().as_dict()
    unknown = shares.keys() - set(domains)
    if unknown:
        message = f"stage '{stage.name}' draws from domains that the law does not know"
        raise LawError(
            message,
            why=f"Unknown: {', '.join(sorted(unknown))}; known: {', '.join(domains)}.",
            remedy="Name every text domain of the catalog.",
        )
    return [shares.get(name, 0.0) for name in domains]
