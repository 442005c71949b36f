"""A mixture: shares of tokens over named domains, and the baselines that every study runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixture:
    """A point on the simplex: `weights[j]` is the share of tokens of `domains[j]`.

    Without any domain it is what a stage draws that trains on a proxy's own answers.
    """

    domains: tuple[str, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.domains) != len(self.weights) or len(set(self.domains)) != len(self.domains):
            message = f"domains and weights do not match: {self.domains} {self.weights}"
            raise ValueError(message)
        if not self.domains:
            return
        if min(self.weights) < 0 or abs(sum(self.weights) - 1) > 1e-6:
            message = f"weights must be non-negative and sum to 1: {self.weights}"
            raise ValueError(message)

    def share(self, domain: str) -> float:
        """Return the weight of a domain; 0 for one that the mixture does not name."""
        return dict(zip(self.domains, self.weights, strict=True)).get(domain, 0.0)

    def on(self, domains: tuple[str, ...]) -> NDArray[np.float64]:
        """Return the weights in the order of `domains`; [M]."""
        shares = dict(zip(self.domains, self.weights, strict=True))
        return np.array([shares.get(domain, 0.0) for domain in domains])

    def as_dict(self) -> dict[str, float]:
        """Return domain -> weight without the zeros."""
        pairs = zip(self.domains, self.weights, strict=True)
        return {domain: weight for domain, weight in pairs if weight > 0}


def mixture_of(weights: Mapping[str, float]) -> Mixture:
    """Return the mixture of a domain -> weight mapping, scaled to sum to 1.

    Weights that do so already, but for the rounding of floats, stay as they are: a schedule that
    is written and read back is the same to the bit.
    """
    total = sum(weights.values())
    if abs(total - 1) < _ROUNDING:
        total = 1.0
    return Mixture(
        domains=tuple(weights), weights=tuple(float(w / total) for w in weights.values())
    )


def rounded(mixture: Mixture) -> Mixture:
    """Return the mixture in eight significant digits, without zeros; the largest takes the rest."""
    weights = {name: float(f"{weight:.7e}") for name, weight in mixture.as_dict().items()}
    largest = max(weights, key=lambda name: weights[name])
    rest = sum(weight for name, weight in weights.items() if name != largest)
    weights[largest] = round(1 - rest, 12)
    return mixture_of(weights)


def uniform(supply: Mapping[str, int], tokens: int, max_epochs: float) -> Mixture:  # noqa: ARG001 - one signature for all baselines
    """Return equal shares of every domain."""
    return mixture_of(dict.fromkeys(supply, 1.0))


def natural(supply: Mapping[str, int], tokens: int, max_epochs: float) -> Mixture:  # noqa: ARG001 - one signature for all baselines
    """Return shares in proportion to supply."""
    return mixture_of({domain: float(count) for domain, count in supply.items()})


def unimax(supply: Mapping[str, int], tokens: int, max_epochs: float) -> Mixture:
    """Return UniMax shares: as uniform as can be with at most `max_epochs` of every domain.

    Chung et al. 2023 ("UniMax: fairer and more effective language sampling", algorithm 1): from
    the smallest domain on, each gets an equal part of the budget that is left, but no more than
    its supply times `max_epochs`.

    Args:
        supply: unique tokens per domain.
        tokens: budget to share out.
        max_epochs: most repetitions of a domain.
    """
    budget = float(tokens)
    given: dict[str, float] = {}
    ordered = sorted(supply, key=lambda domain: supply[domain])
    for position, domain in enumerate(ordered):
        part = budget / (len(ordered) - position)
        given[domain] = min(part, supply[domain] * max_epochs)
        budget -= given[domain]
    return mixture_of({domain: given[domain] for domain in supply})


Baseline = Callable[[Mapping[str, int], int, float], Mixture]
BASELINES: Final[Mapping[str, Baseline]] = {
    "natural": natural,
    "uniform": uniform,
    "unimax": unimax,
}
