"""Gathering a study: defaults, the catalog it belongs to, and which confirmation is meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import report_fakes
from report_fakes import CONTRAST, INVENTORY, OBJECTIVE

from mixopt.errors import NotFoundError, StudyError
from mixopt.report.data import (
    ReportChoices,
    ReportData,
    gather,
    one_of_each,
    read_report_data,
)
from mixopt.study.ledger import Ledger
from mixopt.study.recipe import StudyRecipe


def test_a_concluded_study_names_its_own_measures(data: ReportData) -> None:
    assert (data.objective, data.contrast) == (OBJECTIVE, CONTRAST)
    assert [record.label for record in data.confirm] == list(report_fakes.schedules())
    assert len(data.search) == report_fakes.SEARCH_TRIALS
    assert data.law is not None
    assert data.law.measure == OBJECTIVE


def test_a_study_that_has_just_begun_takes_margin_against_bits_per_byte(begun: ReportData) -> None:
    assert (begun.objective, begun.contrast) == (OBJECTIVE, CONTRAST)
    assert begun.recommendation is None
    assert begun.law is None
    assert "at least 8" in begun.law_missing


def test_choices_override_the_defaults(concluded: Path) -> None:
    choices = ReportChoices(objective=CONTRAST, contrast="sft/accuracy/mean")
    found = gather(concluded, INVENTORY, choices)
    assert (found.objective, found.contrast) == (CONTRAST, "sft/accuracy/mean")
    assert found.law is not None
    assert found.law.direction == "minimize"


def test_the_law_is_the_same_each_time(concluded: Path, data: ReportData) -> None:
    again = gather(concluded, INVENTORY, ReportChoices())
    assert again.law is not None
    assert data.law is not None
    np.testing.assert_array_equal(again.law.out_of_fold, data.law.out_of_fold)


def _warmed(folder: Path) -> ReportChoices:
    recipe = report_fakes.SPACE.recipe.model_dump()
    study = {"objective": CONTRAST, "warm": (str(folder),)}
    return ReportChoices(recipe=StudyRecipe.model_validate({**recipe, "study": study}))


def test_the_law_is_taught_what_the_study_was_taught(concluded: Path) -> None:
    found = gather(concluded, INVENTORY, _warmed(concluded))
    assert found.law is not None
    assert f"earlier:{concluded.name}" in found.law.weights


def test_a_report_does_without_the_law_where_an_earlier_study_is_gone(concluded: Path) -> None:
    found = gather(concluded, INVENTORY, _warmed(concluded / "gone"))
    assert found.law is None
    assert "is no study to start from" in found.law_missing


def test_schedules_come_back_from_the_ledger(data: ReportData) -> None:
    expected = report_fakes.schedules()["recommended"]
    record = data.confirmed("recommended")
    assert record is not None
    found = data.schedule(record)
    assert [stage.tokens for stage in found.stages] == [stage.tokens for stage in expected.stages]
    mixture = found.stage("late").curve.mean()
    assert mixture.share("math") == pytest.approx(
        expected.stage("late").curve.mean().share("math"), abs=1e-5
    )


def test_another_catalog_is_refused(concluded: Path) -> None:
    other = replace(INVENTORY, content_hash="d" * 64)
    with pytest.raises(StudyError, match="another catalog"):
        gather(concluded, other, ReportChoices())


def test_a_study_without_results_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path).create({})
    with pytest.raises(StudyError, match="no finished trial"):
        gather(tmp_path, INVENTORY, ReportChoices())


def test_a_missing_catalog_is_refused(concluded: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.duckdb"):
        read_report_data(concluded, tmp_path / "none.duckdb")


@pytest.mark.parametrize("late", [False, True])
def test_of_two_confirmations_the_concluded_one_is_shown(data: ReportData, *, late: bool) -> None:
    good = data.confirm[0]
    stale = replace(good, trial="confirm-recommended-old", measures={OBJECTIVE: (0.0, 0.1)})
    records = [good, stale] if late else [stale, good]
    assert one_of_each(records, data.recommendation) == (good,)
