"""Guards: findings about a preference stage that goes wrong in one of the ways they are known to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mixopt.training.preferences.judged import LengthBias

_CLEAR = 2.0
"""Standard errors from which a bias is taken for one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that went wrong with one member."""

    name: Literal["likelihood_collapse", "length_bias", "degenerate_pairs"]
    member: int
    value: float
    bound: float

    def __str__(self) -> str:
        """Return the finding as one line."""
        meaning = _MEANINGS[self.name]
        return f"member {self.member}: {meaning} {self.value:.3g}, beyond {self.bound:.3g}"


_MEANINGS = {
    "likelihood_collapse": "chosen answers lost log-probability, in nats per token:",
    "length_bias": "chosen answers are mostly longer (1) or shorter (-1):",
    "degenerate_pairs": "the share of problems without two answers to tell apart is",
}


def likelihood_collapse(
    start: Sequence[float], now: Sequence[float], *, bound: float = 0.5
) -> list[Finding]:
    """Return the members whose chosen answers became less likely, whatever the rejected ones did.

    The loss of a preference falls just as well when both answers lose probability (Pal et al., 2024,
    "Smaug").

    Args:
        start: mean log-probability per token of chosen answers at the stage's start, [K]; not a
            number for a slot at rest.
        now: the same at the present parameters, [K].
        bound: largest loss that is taken for noise, in nats per token.
    """
    losses = [before - after for before, after in zip(start, now, strict=True)]
    return _beyond("likelihood_collapse", losses, bound)


def biased_lengths(biases: Sequence[LengthBias], *, bound: float = 0.5) -> list[Finding]:
    """Return the members [K] whose pairs teach a length: clearly so, and by more than the bound."""
    found = [
        each.value if abs(each.value) > _CLEAR * each.standard_error else 0.0 for each in biases
    ]
    return _beyond("length_bias", found, bound)


def degenerate_pairs(shares: Sequence[float], *, bound: float = 0.5) -> list[Finding]:
    """Return the members [K] too many of whose problems gave no pair."""
    return _beyond("degenerate_pairs", shares, bound)


def _beyond(
    name: Literal["likelihood_collapse", "length_bias", "degenerate_pairs"],
    values: Sequence[float],
    bound: float,
) -> list[Finding]:
    return [
        Finding(name=name, member=member, value=value, bound=bound)
        for member, value in enumerate(values)
        if (abs(value) if name == "length_bias" else value) > bound
    ]
