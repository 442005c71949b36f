"""Words and numbers as people read them: names of measures, values with errors, tokens and times."""

from __future__ import annotations

import math
from html import escape
from typing import Final

from mixopt.evaluation.measure import MEAN, direction_of
from mixopt.recipes.quantity import show_quantity

NAMES: Final = {
    "bits_per_byte": "bits per byte",
    "long_bits_per_byte": "bits per byte, late in a long context",
    "margin": "margin",
    "answer_bits_per_byte": "bits per byte of the answer",
    "answer_probability": "probability of the answer",
    "preference_accuracy": "preference accuracy",
    "accuracy": "accuracy",
    "pass_at_1": "pass@1",
    "pass_at_4": "pass@4",
    "pass_at_8": "pass@8",
}
EXPLAINED: Final = {
    "bits_per_byte": "how many bits the proxy needs per byte of held-out text",
    "long_bits_per_byte": "how many bits the proxy needs per byte of the last half of a sequence of "
    "held-out text, at the stage's context",
    "margin": "nats per byte by which the right answer leads a plausible wrong one",
    "answer_bits_per_byte": "how many bits the proxy needs per byte of the right answer",
    "answer_probability": "the probability that the proxy gives to the right answer",
    "preference_accuracy": "the share of problems whose right answer is likelier than a wrong one",
    "accuracy": "the share of problems whose sampled answer a verifier accepts",
    "pass_at_1": "the chance that one sampled answer is right",
    "pass_at_4": "the chance that one of four sampled answers is right",
    "pass_at_8": "the chance that one of eight sampled answers is right",
}
FIGURES: Final = {
    "opened_at": "the next stage's gate opened at, share of both stages' tokens",
    "opened_by": "opened by the measure (1) or by its latest point (0)",
    "last_value": "the gate's measure at its last check",
    "updates": "mixtures chosen",
    "largest_change": "largest change of a weight between mixtures",
    "accepted_share": "share of answers accepted",
    "distinct": "distinct answers kept",
    "problems_solved": "share of problems solved",
    "pairs": "pairs found",
    "estimates": "chances of success estimated",
    "prompts_in_band": "share of prompts neither too easy nor too hard",
    "reward_margin": "reward of chosen answers less that of rejected ones, nats",
    "chosen_log_probability_start": "log-probability of chosen answers at the start",
    "chosen_log_probability": "log-probability of chosen answers at the end",
    "likelihood_collapse": "chosen answers became unlikely (1) or not (0)",
    "likelihood_collapse_value": "log-probability that chosen answers lost, nats per token",
    "degenerate_pairs": "too many problems without a pair (1) or not (0)",
    "degenerate_pairs_value": "share of problems without a pair",
    "length_bias": "pairs teach a length (1) or not (0)",
    "length_bias_value": "chosen answers are longer (1) or shorter (-1)",
    "reward_first": "mean reward, first quarter of the steps",
    "reward_last": "mean reward, last quarter of the steps",
    "divergence": "divergence from the stage's start, nats per token",
    "clipped_share": "share of tokens whose step was clipped",
    "answer_tokens": "tokens per answer",
}
_OF_DOMAINS: Final = ("bits_per_byte", "long_bits_per_byte")


def figure_name(name: str) -> str:
    """Return what a stage noted in words; not escaped."""
    return FIGURES.get(name, name.replace("_", " "))


def measure_name(key: str) -> str:
    """Return `margin after sft, mean` for `sft/margin/mean`; not escaped."""
    stage, name, subject = key.split("/", maxsplit=2)
    return f"{NAMES.get(name, name)} after {stage}, {subject}"


def measure_explained(key: str) -> str:
    """Return what a measure is, of what, and which way is better; not escaped."""
    stage, name, subject = key.split("/", maxsplit=2)
    many = "domains" if name in _OF_DOMAINS else "task families"
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
