from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from fake_engine import TASKS, search
from tiny import make_setup

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.study.results import Column, column, features_of, law_of
from mixopt.study.scouts import families_of
from mixopt.study.setup import StudySetup
from mixopt.study.warm import check_warm, warm_laws
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import Law
from mixopt.surrogate.laws.table import LAWS


@pytest.fixture(scope="module")
def earlier(tiny_store: TokenStore, quick_folders: Callable[[], Path]) -> Path:
    folder = quick_folders()
    setup = make_setup(tiny_store, folder, trials=24, design=24, batch=24, seeds=1, seed=1)
    search(setup)
    return folder


def test_an_earlier_study_informs_a_law_of_few_trials(
    tiny_store: TokenStore, quick_path: Path, earlier: Path
) -> None:
    setup = make_setup(tiny_store, quick_path, trials=8, design=8, batch=8, warm=[str(earlier)])
    search(setup)
    informed = warm_laws(setup, TASKS)
    (name,) = informed
    assert name == f"earlier:{earlier.name}"
    assert set(families_of(setup)(TASKS)) == {*LAWS, name}
    test = make_setup(tiny_store, quick_path / "test", trials=30, design=30, batch=30, seed=2)
    search(test)
    judged = column(TASKS, test.ledger.records())
    features = features_of(judged.records, test.space)
    alone = {"gaussian_process": LAWS["gaussian_process"]}
    errors = [_error(setup, laws, judged, features) for laws in (alone, alone | informed)]
    assert errors[1] < errors[0]


def _error(setup: StudySetup, laws: Mapping[str, Law], judged: Column, features: Features) -> float:
    records = setup.ledger.records()
    law = law_of(TASKS, records, setup.space, seed=0, families=lambda _key: laws)
    return float(np.abs(law.predict(features).mean - judged.values).mean())


def test_a_measure_that_it_lacks_is_not_informed(
    tiny_store: TokenStore, quick_path: Path, earlier: Path
) -> None:
    setup = make_setup(tiny_store, quick_path, warm=[str(earlier)])
    assert warm_laws(setup, "sft/answer_probability/mean") == {}
    assert families_of(setup)("sft/answer_probability/mean") is LAWS


def test_what_is_no_study_is_refused_before_anything_is_trained(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    setup = make_setup(tiny_store, quick_path / "new", warm=[str(quick_path / "none")])
    with pytest.raises(StudyError, match="is no study to start from"):
        search(setup)
    assert setup.ledger.records() == []
    empty = make_setup(tiny_store, quick_path / "empty")
    empty.ledger.create(empty.identity())
    with pytest.raises(StudyError, match="no finished trial"):
        check_warm(make_setup(tiny_store, quick_path, warm=[str(empty.folder)]))
