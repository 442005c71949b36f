"""Repetition: epochs of every domain, the caps on them, and the pools that give a proxy the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds
from mixopt.catalog.inventory import Inventory
from mixopt.errors import SupplyError
from mixopt.schedule import simplex
from mixopt.schedule.schedule import Schedule

_ROUNDING = 1e-5  # of weights, which have eight digits


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """The part of a domain's sample that one proxy may see, so that it repeats as the target will."""

    domain: str
    num_sequences: int  # in the pool
    available: int  # sequences in the sample
    key: int  # names the permutation of the sample that the pool is the beginning of


def sequences_of(
    pools: Sequence[Pool], which: NDArray[np.int64], positions: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return ids in the sample of positions in pools.

    They are scattered over the sample: a stretch of it would hold a few long documents only, and
    proxies would differ by the accident of which.

    Args:
        pools: of some domains.
        which: the pool of each position, an index.
        positions: in the pools; same shape.
    """
    available = [pool.available for pool in pools]
    return seeds.permute_each(positions, which, available, [pool.key for pool in pools])


def check_supply(schedule: Schedule, supply: Mapping[str, int]) -> None:
    """Raise unless every domain is seen at most as often as its cap allows.

    Raises:
        SupplyError: with tokens wanted, supply, epochs and cap of every domain over its cap.
    """
    lines = []
    for domain, epochs in schedule.epochs(supply).items():
        limit = schedule.cap_of(domain)
        if epochs > limit * (1 + _ROUNDING):
            wanted = schedule.dose()[domain]
            lines.append(
                f"  - {domain}: {wanted:,.0f} tokens of a supply of {supply[domain]:,} "
                f"are {epochs:.2f} epochs, the cap is {limit:g}"
            )
    if lines:
        message = f"schedule '{schedule.name}' asks for more than the supply allows"
        raise SupplyError(
            message,
            why="\n".join(lines),
            remedy="Lower these weights, train on fewer tokens, or raise [limits] max_epochs.",
        )


def room(
    supply: Mapping[str, int], limits: Mapping[str, float], used: Mapping[str, float], tokens: int
) -> NDArray[np.float64]:
    """Return the largest weight that each domain may have in a stage.

    Args:
        supply: tokens per domain; its order is the order of the result.
        limits: most epochs per domain.
        used: tokens already spent by earlier stages.
        tokens: of the stage.

    Returns:
        [M] caps on weights, at most 1.
    """
    left = [supply[name] * limits[name] - used.get(name, 0.0) for name in supply]
    return np.clip(np.array(left) / tokens, 0.0, 1.0)


def capped(weights: NDArray[np.float64], caps: NDArray[np.float64], where: str) -> simplex.Weights:
    """Return `simplex.cap`, with a supply error where the caps leave no mixture at all."""
    if caps.sum() < 1 - 1e-9:
        message = f"{where}: the domains together cannot fill the stage"
        raise SupplyError(
            message,
            why=f"Under their caps they give {caps.sum():.1%} of its tokens.",
            remedy="Train on fewer tokens, add data, or raise [limits] max_epochs.",
        )
    return simplex.cap(weights, caps)


def pool(inventory: Inventory, domain: str, *, scale: float, available: int, seed: int) -> Pool:
    """Cut a domain to supply x proxy tokens / target tokens (simulated epoching).

    Held et al. 2025 ("Optimizing pretraining data mixtures with LLM-estimated utility", section 4).

    Args:
        inventory: what the catalog holds.
        domain: which domain.
        scale: proxy tokens / target tokens of the stages that use the domain.
        available: sequences of the domain in the proxy's sample.
        seed: chooses the pool out of the sample.

    Raises:
        SupplyError: the sample is smaller than the pool has to be.
    """
    held = inventory.domain(domain)
    if available == 0 or held.sample_tokens == 0:
        message = f"domain '{domain}' has no whole sequence in the corpus"
        remedy = "Add data to the domain, or use a shorter proxy context."
        if held.schema == "conversation":
            remedy = "Conversations that are longer than the proxy's context are left out: use a "
            remedy += "longer context, or add shorter ones."
        why = f"Its sample holds {held.sample_tokens:,} tokens."
        raise SupplyError(message, why=why, remedy=remedy)
    wanted = math.ceil(available * scale * held.supply_tokens / held.sample_tokens)
    if wanted > available:
        message = f"the sample of domain '{domain}' is too small for this proxy"
        raise SupplyError(
            message,
            why=f"To repeat it as the target run will, the proxy needs {wanted:,} sequences; "
            f"the sample holds {available:,}.",
            remedy="Sample more of the domain, train the proxy on fewer tokens, or declare the "
            "supply that the domain really has.",
        )
    key = seeds.derive(seed, "pool", domain)
    return Pool(domain=domain, num_sequences=max(1, wanted), available=available, key=key)
