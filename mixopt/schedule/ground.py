"""What a free mixture stands on: its domains, their supply, the prior, and the bounds it keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.inventory import Inventory
from mixopt.schedule import repetition, simplex
from mixopt.schedule.free import FreeMixture
from mixopt.schedule.mixture import Mixture, mixture_of
from mixopt.schedule.region import Region, region_of

_LEAST_PRIOR = 1e-6  # Dirichlet parameters are positive, even where a prior has a zero


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What a free mixture over M domains in V parts stands on, whatever the point of the box.

    A part is a block of domains or one domain.

    Attributes:
        domains: the M domains.
        supply: tokens.
        limits: most epochs.
        concentration: [V] Dirichlet parameters.
        least: smallest share of a part.
        region: the bounds; None where there is none beyond the least share.
    """

    domains: tuple[str, ...]
    supply: Mapping[str, int]
    limits: Mapping[str, float]
    concentration: NDArray[np.float64]
    least: float
    region: Region | None

    def drawn(
        self, cube: Sequence[float], caps: NDArray[np.float64], where: str
    ) -> NDArray[np.float64]:
        """Return the weights at a point of the cube, moved to the nearest within caps and bounds.

        Args:
            cube: [V - 1] numbers from 0 to 1.
            caps: [M] largest weights that the supply allows.
            where: begins the message of an error.

        Returns:
            [M] weights.

        Raises:
            SupplyError: the caps and the bounds leave no mixture.
        """
        shares = spread(simplex.from_cube(cube, self.concentration), self.least)
        if self.region is None:
            return repetition.capped(shares, caps, where)
        return self.region.nearest(shares, caps, where)

    def cube(self, mixture: Mixture) -> NDArray[np.float64]:
        """Return the point of the cube at which a mixture is drawn; [V - 1]."""
        weights = mixture.on(self.domains)
        shares = weights if self.region is None else self.region.inward(weights)
        inner = np.clip(shares - self.least, 0.0, None)
        return simplex.to_cube(inner / inner.sum(), self.concentration)


def ground_of(
    free: FreeMixture, prior: Mixture, inventory: Inventory, limits: Mapping[str, float]
) -> Ground:
    """Return the ground of a free mixture.

    Args:
        free: the mixture.
        prior: over all domains of the stage; see `prior_of`.
        inventory: what the catalog holds.
        limits: most epochs of each domain.
    """
    names = prior.domains
    region = region_of(free, names, inventory) if free.bounded else None
    weights = prior.on(names)
    shares = weights if region is None else region.inward(weights)
    return Ground(
        domains=names,
        supply=inventory.supply(names),
        limits=limits,
        concentration=np.maximum(shares, _LEAST_PRIOR) * free.concentration,
        least=free.least,
        region=region,
    )


def prior_of(
    free: FreeMixture, base: Mixture, names: tuple[str, ...], inventory: Inventory
) -> Mixture:
    """Return a prior over all domains of a stage, with the least share for every part."""
    weights = base.on(names)
    if not free.blocks:
        return _over(names, spread(weights, free.least))
    region = region_of(free, names, inventory)
    return _over(names, region.outward(spread(region.inward(weights), free.least)))


def num_parts(free: FreeMixture, names: Sequence[str]) -> int:
    """Return how many parts a free mixture over some domains has (V)."""
    return len(names) - sum(max(0, len(ratios) - 1) for ratios in free.blocks.values())


def spread(weights: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Give every part the least share and share out the rest by the weights; [V]."""
    return weights * (1 - least * len(weights)) + least


def _over(names: tuple[str, ...], weights: NDArray[np.float64]) -> Mixture:
    return mixture_of(dict(zip(names, weights.tolist(), strict=True)))
