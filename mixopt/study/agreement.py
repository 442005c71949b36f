"""What the proxies of a study tell of each other: laws that carry over, and how well they rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mixopt.errors import StudyError
from mixopt.schedule.space import Values
from mixopt.study.recommendation import RECOMMENDED, RungSummary
from mixopt.study.results import Column, column, features_of
from mixopt.study.rung import Rung, num_parameters
from mixopt.study.scouts import scout_laws
from mixopt.study.setup import StudySetup
from mixopt.surrogate.features import Features, point_features
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.laws.law import Prediction
from mixopt.surrogate.scaling.transfer import transfer
from mixopt.surrogate.scores import LawScore, score

_NATURAL: Final = "natural"
_FEWEST: Final = 3  # runs that can be ranked, or calibrate a law


def rung_summaries(
    setup: StudySetup, laws: Sequence[MeasureLaw], recommended: Values
) -> tuple[RungSummary, ...]:
    """Return what the other proxies of a study make of the recommendation, measure by measure.

    A scout is judged by how its law ranks the trials of the search, which it has not seen. For
    larger runs the law of the search is judged by how it ranks them, which it has not seen
    either; then they calibrate it to their size.

    Args:
        setup: the study.
        laws: of the search.
        recommended: the point that is recommended.
    """
    points = {RECOMMENDED: recommended, _NATURAL: setup.space.baseline(_NATURAL)}
    schedules = [setup.space.resolve(point) for point in points.values()]
    domains = setup.space.inventory.names("text")
    two = point_features(setup.space, schedules, list(points.values()), domains)
    found = []
    for law in laws:
        scouts = scout_laws(setup, law.measure)
        for rung in setup.rungs:
            if rung.phase == "scale":
                found.append(_judge_larger(setup, rung, law, two))
            elif rung.name in scouts:
                found.append(_judge_scout(setup, rung, scouts[rung.name], two))
    return tuple(each for each in found if each is not None)


def _judge_scout(setup: StudySetup, rung: Rung, law: MeasureLaw, two: Features) -> RungSummary:
    searched = column(law.measure, setup.ledger.records("search"))
    return _summary(
        setup, rung, law, (len(law.values), _ranks(setup, law, searched)), law.predict(two)
    )


def _judge_larger(
    setup: StudySetup, rung: Rung, law: MeasureLaw, two: Features
) -> RungSummary | None:
    """Return nothing where too few of the larger runs have the measure."""
    try:
        larger = column(law.measure, setup.ledger.records("scale", proxy=rung.name))
    except StudyError:
        return None
    if len(larger.values) < _FEWEST:
        return None
    features = features_of(larger.records, setup.space)
    costs = law.sign * larger.values[:, None]
    (carried,) = transfer([law.fitted], features, costs, larger.noise[:, None])
    there = carried.predict(two)
    found = Prediction(mean=law.sign * there.mean, deviation=there.deviation)
    return _summary(setup, rung, law, (len(larger.values), _ranks(setup, law, larger)), found)


def _ranks(setup: StudySetup, law: MeasureLaw, measured: Column) -> LawScore | None:
    """Return how a law ranks runs of another proxy; nothing where there are too few."""
    if len(measured.values) < _FEWEST:
        return None
    found = law.predict(features_of(measured.records, setup.space))
    costs = Prediction(mean=law.sign * found.mean, deviation=found.deviation)
    return score(law.law, costs, law.sign * measured.values)


def _summary(
    setup: StudySetup,
    rung: Rung,
    law: MeasureLaw,
    judged: tuple[int, LawScore | None],
    found: Prediction,
) -> RungSummary:
    trials, ranks = judged
    return RungSummary(
        proxy=rung.name,
        phase=rung.phase,
        parameters=num_parameters(rung.proxy, setup.store),
        lm_tokens=rung.proxy.training.lm_tokens,
        measure=law.measure,
        trials=trials,
        rank_correlation=None if ranks is None else ranks.rank_correlation,
        top_quarter_rank_correlation=None if ranks is None else ranks.top_quarter_rank_correlation,
        recommended=float(found.mean[0]),
        recommended_deviation=float(found.deviation[0]),
        natural=float(found.mean[1]),
        natural_deviation=float(found.deviation[1]),
    )
