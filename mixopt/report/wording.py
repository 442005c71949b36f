"""Words and numbers as people read them: names of measures, values with errors, tokens and times."""

from __future__ import annotations

import math
from html import escape
from typing import Final

from mixopt.evaluation.measure import MEAN, direction_of
from mixopt.recipes.quantity import show_quantity

NAMES: Final = {
    "bits_per_byte": "bits per byte",
    "margin": "margin",
    "answer_bits_per_byte": "bits per byte of the answer",
    "answer_probability": "probability of the answer",
    "accuracy": "accuracy",
}
EXPLAINED: Final = {
    "bits_per_byte": "how many bits the proxy needs per byte of held-out text",
    "margin": "nats per byte by which the right answer leads a plausible wrong one",
    "answer_bits_per_byte": "how many bits the proxy needs per byte of the right answer",
    "answer_probability": "the probability that the proxy gives to the right answer",
    "accuracy": "the share of problems whose sampled answer a verifier accepts",
}


def measure_name(key: str) -> str:
    """Return `margin after sft, mean` for `sft/margin/mean`; not escaped."""
    stage, name, subject = key.split("/", maxsplit=2)
    return f"{NAMES.get(name, name)} after {stage}, {subject}"


def measure_explained(key: str) -> str:
    """Return what a measure is, of what, and which way is better; not escaped."""
    stage, name, subject = key.split("/", maxsplit=2)
    many = "domains" if name == "bits_per_byte" else "task families"
    of = f"averaged over {many}" if subject == MEAN else f"of {subject}"
    better = "less" if direction_of(key) == "minimize" else "more"
    return f"{EXPLAINED.get(name, name)}, {of}, after stage {stage}; {better} is better"


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with some digits, `-` where there is none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.{digits}g}"


def with_error(value: float | None, error: float) -> str:
    """Return a value and its standard error, both to two digits of the error."""
    if value is None or math.isnan(value):
        return "-"
    if math.isnan(error) or error <= 0:
        return number(value)
    decimals = min(8, max(0, 1 - math.floor(math.log10(error))))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def signed(value: float) -> str:
    """Return a number with its sign."""
    return f"{value:+.3g}"


def interval(low: float, high: float) -> str:
    """Return an interval with signs."""
    return f"[{signed(low)}, {signed(high)}]"


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{share:.1%}"


def tokens(count: float) -> str:
    """Return a number of tokens with its unit: `1.5B`."""
    return show_quantity(count)


def duration(seconds: float) -> str:
    """Return a time in the largest unit that gives at least one."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def plotted(name: str) -> str:
    """Return a name for a figure, whose labels are read as HTML, but know no `&quot;`."""
    return escape(name, quote=False)


def shortened(name: str, most: int = 24) -> str:
    """Return a name cut to so many characters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
