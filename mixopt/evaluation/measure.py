"""A measure: one number a trained proxy is given, with its standard error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Direction = Literal["minimize", "maximize"]

MEAN: Final = "mean"  # subject of a measure averaged over domains or task families

DIRECTIONS: Final[dict[str, Direction]] = {
    "bits_per_byte": "minimize",
    "long_bits_per_byte": "minimize",
    "margin": "maximize",
    "answer_bits_per_byte": "minimize",
    "answer_probability": "maximize",
    "preference_accuracy": "maximize",
    "accuracy": "maximize",
    "pass_at_1": "maximize",
    "pass_at_4": "maximize",
    "pass_at_8": "maximize",
}
"""Which way each kind of measure is better.

`bits_per_byte` of held-out text, at the context that proxies begin with, and `long_bits_per_byte`
of the last half of each sequence, at the longest context of the schedule; of task problems:
`margin` (nats per byte that the right answer leads a plausible wrong one by),
`answer_bits_per_byte` and `answer_probability` of the right answer, `preference_accuracy` (share of
problems whose right answer is likelier than the wrong one), `accuracy` of greedy samples under the
verifier, and `pass_at_k`, the chance that one of k answers sampled at temperature 1 passes it.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One number of one proxy after one stage."""

    stage: str  # after which stage it was taken
    name: str  # a key of DIRECTIONS
    subject: str  # a domain, a task family, one at another level (`recall@3`), or `mean`
    value: float
    standard_error: float  # over documents or problems; noise of the seed not included

    @property
    def key(self) -> str:
        """`stage/name/subject`, as recipes name an objective."""
        return f"{self.stage}/{self.name}/{self.subject}"

    @property
    def direction(self) -> Direction:
        """Whether less or more is better."""
        return DIRECTIONS[self.name]


def direction_of(key: str) -> Direction:
    """Return which way the measure of a key `stage/name/subject` is better.

    Raises:
        ValueError: the key has not three parts or names no measure.
    """
    parts = key.split("/")
    if len(parts) != 3 or parts[1] not in DIRECTIONS:
        message = f"stage/measure/subject with a measure out of {', '.join(DIRECTIONS)}"
        raise ValueError(message)
    return DIRECTIONS[parts[1]]
