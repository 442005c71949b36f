"""What scouts teach: laws of smaller or shorter proxies, which the trials of the search calibrate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

from mixopt.errors import LawError, StudyError
from mixopt.study.ledger import TrialRecord
from mixopt.study.past import Study
from mixopt.study.results import Families, law_of
from mixopt.study.warm import warm_laws
from mixopt.surrogate.fitting.fit import MeasureLaw
from mixopt.surrogate.laws.law import Law
from mixopt.surrogate.laws.table import LAWS
from mixopt.surrogate.scaling.transfer import Transferred


def scout_laws(setup: Study, key: str) -> dict[str, MeasureLaw]:
    """Return the law of a measure that each scout has taught, by the scout's name.

    Scouts that have taught none are left out: their trials lack the measure, or are too few.
    """
    found: dict[str, MeasureLaw] = {}
    if not setup.settings.scout:
        return found
    of_proxy: dict[str, list[TrialRecord]] = {}
    for record in setup.ledger.records("scout"):
        of_proxy.setdefault(record.proxy or "", []).append(record)
    for name, records in of_proxy.items():
        seed = setup.key("fit", key, name)
        try:
            found[name] = law_of(key, records, setup.space, seed=seed)
        except (LawError, StudyError):
            continue
    return found


def families_of(setup: Study) -> Families:
    """Return the families of laws for measures of the search, scouts and earlier studies among them.

    In a stack these count for as much as they predict the search's own trials: the correlation
    between the proxies is learned, and a scout or study that misleads has no share. What they
    teach about a measure is worked out once, when it is first asked for.
    """
    return cache(partial(_families, setup))


def _families(setup: Study, key: str) -> Mapping[str, Law]:
    carried: dict[str, Law] = {
        name: Transferred(source=law.fitted, name=name)
        for name, law in scout_laws(setup, key).items()
    }
    carried |= warm_laws(setup, key)
    return {**LAWS, **carried} if carried else LAWS
