"""A space built from a table of runs, so that laws of tables propose as those of studies do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.inventory import DomainSupply, Inventory
from mixopt.errors import LawError, RecipeError
from mixopt.recipes.decode import validate
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.space import Space
from mixopt.surrogate.features import Features
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.laws.law import FittedLaw, Prediction

_TOKENS = 10**12  # of a target run of which only shares matter
_NO_CAP = 1e15  # epochs
_CONSTANT = 1e-9  # weights that differ less than this between runs are the same
_ROOM = 1e-6  # around a weight that is to stay as it is


@dataclass(frozen=True, kw_only=True, slots=True)
class Demands:
    """What a proposed mixture has to keep.

    Attributes:
        supply: unique tokens per domain; None where they are not known.
        tokens: of the target run; None for no caps on epochs.
        max_epochs: most passes over a domain.
        floors: least weights per domain.
        ceilings: largest weights per domain.
        lattice: shares are multiples of this; None for any.
    """

    supply: Mapping[str, int] | None = None
    tokens: int | None = None
    max_epochs: float = 4.0
    floors: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    lattice: float | None = None


def table_space(features: Features, demands: Demands) -> Space:
    """Return the space of all mixtures over the stages and domains of some runs.

    The prior is in proportion to supply, or the mean of the runs where that is not known. A domain
    whose weight is the same in all runs keeps it: no law knows what another weight would do.

    Args:
        features: of N runs.
        demands: what proposals have to keep.

    Raises:
        LawError: the demands contradict each other; lists how.
        SupplyError: the supply leaves no mixture.
    """
    try:
        space = _space(features, demands)
        space.resolve(space.baseline("natural"))
    except RecipeError as error:
        message = "no mixture keeps all that is demanded"
        why = "\n".join(f"  - {str(fault).rpartition('free.')[2]}" for fault in error.faults)
        remedy = "Loosen the floors, the ceilings or the lattice."
        raise LawError(message, why=why, remedy=remedy) from error
    return space


def _space(features: Features, demands: Demands) -> Space:
    tokens = demands.tokens if demands.tokens is not None else _TOKENS
    capped = demands.supply is not None and demands.tokens is not None
    shares = [float(share) for share in features.tokens.mean(axis=0)[:-1]]
    recipe = {
        "name": "table",
        "target": {
            "parameters": 1,
            "tokens": tokens,
            "context_tokens": 1,
            "batch_tokens": 1,
            "learning_rate": 1.0,
        },
        "limits": {"max_epochs": demands.max_epochs if capped else _NO_CAP},
        "stage": [
            {
                "name": stage,
                "kind": "lm",
                "share": share,
                "free": _free(features, number, demands),
            }
            for number, (stage, share) in enumerate(
                zip(features.stages, [*shares, "rest" if shares else 1.0], strict=True)
            )
        ],
    }
    schemas = dict.fromkeys(features.domains, "text")
    context = {"schemas": schemas}
    found = validate(recipe, ScheduleRecipe, file="the demands", context=context)
    return Space(recipe=found, inventory=_inventory(features, demands))


@dataclass(frozen=True, kw_only=True, slots=True)
class AsInTable:
    """A fitted law that is told of repetition and scale what the runs of the table told it."""

    fitted: FittedLaw
    runs: Features

    def predict(self, features: Features) -> Prediction:
        """Return the prediction for every row."""
        return self.fitted.predict(as_in_table(features, self.runs))


def over_space(law: MeasureLaw, runs: Features) -> MeasureLaw:
    """Return a law of a table that reads schedules of the table's space.

    These know of supplies and target tokens, of which the runs knew nothing: to the law, the
    mixtures of both have to look alike.
    """
    return replace(law, fitted=AsInTable(fitted=law.fitted, runs=runs))


def as_in_table(features: Features, runs: Features) -> Features:
    """Return features that say of repetition, scale and groups what those of the runs say."""
    rows = features.num_rows
    return replace(
        features,
        passes=runs.passes,
        parameters=np.full(rows, float(runs.parameters.mean())),
        total_tokens=np.full(rows, float(runs.total_tokens.mean())),
        groups=runs.groups,
    )


def _free(features: Features, stage: int, demands: Demands) -> dict[str, Any]:
    weights = features.weights[:, stage]
    still = np.ptp(weights, axis=0) < _CONSTANT if len(weights) > 1 else np.zeros(0, bool)
    pairs = zip(features.domains, weights.mean(axis=0).tolist(), still.tolist(), strict=True)
    kept = {name: weight for name, weight, same in pairs if same}
    floors = {name: max(0.0, weight - _ROOM) for name, weight in kept.items()}
    ceilings = {name: min(1.0, weight + _ROOM) for name, weight in kept.items()}
    free: dict[str, Any] = {
        "prior": dict(zip(features.domains, _prior(features, stage, demands), strict=True)),
        "least": 0.0,
        "floors": {**floors, **demands.floors},
        "ceilings": {**ceilings, **demands.ceilings},
        "lattice": demands.lattice,
    }
    return {key: value for key, value in free.items() if value not in ({}, None)}


def _prior(features: Features, stage: int, demands: Demands) -> list[float]:
    if demands.supply is None:
        mean: list[float] = features.weights[:, stage].mean(axis=0).tolist()
        return mean
    total = sum(demands.supply.values())
    return [demands.supply[name] / total for name in features.domains]


def _inventory(features: Features, demands: Demands) -> Inventory:
    means: NDArray[np.float64] = features.doses.mean(axis=0)
    supply = demands.supply or {
        name: max(1, round(_TOKENS * mean))
        for name, mean in zip(features.domains, means.tolist(), strict=True)
    }
    held = tuple(
        DomainSupply(
            name=name,
            provenance="organic",
            schema="text",
            licence="",
            supply_tokens=supply[name],
            sample_tokens=supply[name],
            documents=1,
            num_bytes=1,
            content_hash="",
        )
        for name in features.domains
    )
    return Inventory(catalog="table", tokenizer="", content_hash="", domains=held)
