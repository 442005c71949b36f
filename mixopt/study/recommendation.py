"""The recommendation: what to train, how much better it is on fresh seeds, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field

from mixopt import atomic
from mixopt.errors import StudyError
from mixopt.evaluation.measure import Direction
from mixopt.recipes.decode import Recipe
from mixopt.surrogate.fitting.fit import MeasureLaw

FILE: Final = "recommendation.json"
SCHEDULE_FILE: Final = "recommended.toml"

RECOMMENDED: Final = "recommended"
SAME_DOSE: Final = "same-dose"
SAME_RATE_DOSE: Final = "same-lr-dose"
HELD_EQUAL: Final = {
    SAME_DOSE: "the same tokens of every domain in a constant mixture",
    SAME_RATE_DOSE: "a constant mixture with the same learning rate summed over every domain's tokens",
}
"""What each control of order has in common with the recommended schedule."""


class Comparison(Recipe):
    """One confirmed schedule against another, on one measure."""

    measure: str
    left: str
    right: str
    gain: float  # how much better left is: positive is better, whatever the direction
    low: float  # of the 95% interval, paired by seed
    high: float
    num_seeds: int

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `no different`, by the interval."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no different"


class OrderEffect(Recipe):
    """What the order of the recommended schedule does to the objective, apart from its doses."""

    controls: tuple[str, ...] = ()  # that were run; none where the schedule is constant
    comparisons: tuple[Comparison, ...] = ()  # with each control whose seeds all have the objective
    notes: tuple[str, ...] = ()  # what the controls do not hold equal

    def sentences(self) -> tuple[str, ...]:
        """Return the effect in words, control by control, and what to keep in mind."""
        if not self.controls:
            return ("The schedule is constant: no order to judge.",)
        judged = {found.right: found for found in self.comparisons}
        return (*(_order_alone(name, judged.get(name)) for name in self.controls), *self.notes)


class Outcome(Recipe):
    """One measure of one confirmed schedule over its fresh seeds."""

    label: str
    measure: str
    value: float
    standard_error: float
    num_seeds: int


class LawSummary(Recipe):
    """How well one family predicts a measure, on trials it did not see."""

    measure: str
    law: str
    chosen: bool
    rank_correlation: float
    top_quarter_rank_correlation: float
    regret_at_1: float  # in units of the measure
    root_mean_square_error: float


def law_summaries(law: MeasureLaw) -> tuple[LawSummary, ...]:
    """Return the scores of every family that was tried for a measure."""
    return tuple(
        LawSummary(
            measure=law.measure,
            law=row.law,
            chosen=row.law == law.law,
            rank_correlation=row.rank_correlation,
            top_quarter_rank_correlation=row.top_quarter_rank_correlation,
            regret_at_1=row.regret_at_1,
            root_mean_square_error=row.root_mean_square_error,
        )
        for row in law.scores
    )


class SignalSummary(Recipe):
    """How well a measure tells the trials of the search apart."""

    measure: str
    between: float
    seed: float
    per_seed: float
    of_mean: float


class ProposalSummary(Recipe):
    """The optimum of one measure's law."""

    label: str
    measure: str
    predicted: float
    deviation: float
    divergence: float  # KL of the doses from the prior, nats
    better: float | None = None  # probability that it is better than natural, by the law
    guard_risk: dict[str, float] = Field(default_factory=dict)
    """Guarded measure -> probability that it is worse than at natural by more than its noise."""

    @property
    def doubts(self) -> str:
        """Return what the law says of the risks, in words; nothing where nobody asked."""
        parts = []
        if self.better is not None:
            parts.append(f"better than natural with probability {self.better:.2g}")
        parts += [
            f"{key} worse with probability {risk:.2g}" for key, risk in self.guard_risk.items()
        ]
        return ", ".join(parts)


class Compromise(Recipe):
    """One schedule of the front: no other is predicted to be better in every measure."""

    knee: bool  # whether its largest loss, each in parts of its measure's range, is least
    predicted: dict[str, float]
    deviation: dict[str, float]
    mixture: dict[str, float]  # mean over the lm stages


class RungSummary(Recipe):
    """What a smaller or larger proxy than the study's own makes of one measure."""

    proxy: str
    phase: str  # "scout" before the search, or "scale" after it
    parameters: int
    lm_tokens: int  # of one proxy
    measure: str
    trials: int
    rank_correlation: float | None  # between the law of the smaller proxy and runs of the larger
    top_quarter_rank_correlation: float | None  # the same among the best quarter of these runs
    recommended: float  # predicted at this proxy
    recommended_deviation: float
    natural: float
    natural_deviation: float


class Recommendation(Recipe):
    """All that a study concludes."""

    study: str
    objective: str
    direction: Direction
    guardrails: tuple[str, ...] = ()  # measures that the proposal was held to
    sentence: str
    switch: bool
    proposals: tuple[ProposalSummary, ...]
    outcomes: tuple[Outcome, ...]
    comparisons: tuple[Comparison, ...]
    laws: tuple[LawSummary, ...]
    signals: tuple[SignalSummary, ...]
    order_effect: OrderEffect | None = None  # None where it was not looked at
    rungs: tuple[RungSummary, ...] = ()  # other proxies, where the study has some
    front: tuple[Compromise, ...] = ()  # between the measures searched for, where there are several
    next_worth: float | None = None  # expected gain of another batch, in units of the objective
    trials: int
    runs: int
    cpu_seconds: float
    tokens: int

    @property
    def stages(self) -> frozenset[str]:
        """The stages after which the study looks: of the objective, guardrails and other optima."""
        keys = (self.objective, *self.guardrails, *(each.measure for each in self.proposals))
        return frozenset(key.split("/")[0] for key in keys)

    def worse(self, right: str = "natural") -> tuple[Comparison, ...]:
        """Return the measures, after those stages, on which the recommendation is worse than a baseline."""
        return tuple(
            found
            for found in self.comparisons
            if found.left == RECOMMENDED and found.right == right and found.verdict == "worse"
            if found.measure.split("/")[0] in self.stages
        )

    def compared(self, measure: str, right: str, left: str = RECOMMENDED) -> Comparison | None:
        """Return one comparison, or None when it was not made."""
        for found in self.comparisons:
            if (found.measure, found.left, found.right) == (measure, left, right):
                return found
        return None


def say(comparison: Comparison | None, objective: str) -> str:
    """Return the recommendation as a sentence; `comparison` is with natural on the objective."""
    if comparison is None:
        return f"{objective}: nothing to compare with."
    interval = f"95% [{comparison.low:+.4g}, {comparison.high:+.4g}]"
    seeds = f"{comparison.num_seeds} fresh seeds"
    if comparison.verdict == "better":
        return (
            f"Train the recommended schedule: {objective} is {comparison.gain:.4g} better than "
            f"natural, {interval} on {seeds}."
        )
    if comparison.gain == comparison.low == comparison.high == 0:
        return f"Nothing better than natural was found, do not switch: {objective}, on {seeds}."
    return (
        f"No better than natural, do not switch: {objective} differs by {comparison.gain:+.4g}, "
        f"{interval} on {seeds}."
    )


def _order_alone(control: str, found: Comparison | None) -> str:
    against = f"against {HELD_EQUAL.get(control, control)}"
    if found is None:
        return f"Order alone, {against}: not judged, as a seed lacks the objective."
    verdict = "no different from none" if found.verdict == "no different" else found.verdict
    return (
        f"Order alone gives {found.gain:+.4g}, 95% [{found.low:+.4g}, {found.high:+.4g}] on "
        f"{found.num_seeds} fresh seeds, {against}: {verdict}."
    )


def write_recommendation(folder: Path, recommendation: Recommendation, schedule: str) -> None:
    """Write the recommendation and the recommended schedule into a study folder."""
    atomic.write(folder / SCHEDULE_FILE, schedule)
    atomic.write(folder / FILE, recommendation.model_dump_json(indent=2) + "\n")


def read_recommendation(folder: Path) -> Recommendation:
    """Read the recommendation of a study.

    Raises:
        StudyError: the study has none yet, or the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        what = f"{folder} has no recommendation yet"
        raise StudyError(what, remedy=f"Run `mixopt recommend {folder}`.")
    try:
        return Recommendation.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        what = f"{path} is damaged"
        raise StudyError(
            what, why=str(error), remedy=f"Run `mixopt recommend {folder}` again."
        ) from error
