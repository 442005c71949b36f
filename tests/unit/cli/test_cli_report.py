"""The account of stages in the terminal, and the order effect as lines of a conclusion."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fake_engine import drills_are_good, made_up
from tiny import make_setup, schedule_at

from mixopt.cli.recommend import order_lines
from mixopt.cli.report import report
from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.evaluation.measure import Measure
from mixopt.study.ledger import Ledger
from mixopt.study.recommendation import OrderEffect, Recommendation
from mixopt.study.trial import confirm_trial, search_trial
from mixopt.training.tree import Member


@pytest.fixture
def folder(tiny_store: TokenStore, quick_path: Path) -> Path:
    """Return a study whose natural schedule is searched with two seeds and measured twice."""
    setup = make_setup(tiny_store, quick_path)
    trial = search_trial(0, "natural", schedule_at(tiny_store), {})
    setup.ledger.create({})
    setup.ledger.add_trials([trial])
    for seed in range(2):
        made = made_up(
            Member(trial=trial.name, seed=seed, schedule=trial.schedule), drills_are_good
        )
        forgot = [
            Measure(stage="sft", name="bits_per_byte", subject=subject, value=9 + seed / 100, standard_error=0.0)
            for subject in ("mean", "prose")
        ]  # fmt: skip
        setup.ledger.add_results([replace(made, measures=(*made.measures, *forgot))])
    return quick_path


def test_stages_are_told_with_their_changes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report(folder, stages=True, as_json=True)
    rows = {
        (row["measure"], row["of"], row["after"]): row
        for row in json.loads(capsys.readouterr().out)
    }
    taken = rows["bits_per_byte", "mean", "sft"]
    assert (taken["since"], taken["verdict"]) == ("late", "worse")
    assert taken["low"] < taken["change"] < taken["high"]
    assert taken["value"] == pytest.approx(9.005)
    assert ("bits_per_byte", "prose", "sft") in rows
    assert rows["margin", "mean", "sft"]["change"] is None


def test_the_table_has_means_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(folder, stages=True)
    shown = capsys.readouterr().out
    assert "prose" not in shown
    assert "worse" in shown
    assert not (folder / "report.html").exists()


def test_a_confirmation_goes_before_the_search(
    folder: Path, tiny_store: TokenStore, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = confirm_trial(0, "recommended", schedule_at(tiny_store), {})
    ledger = Ledger(folder)
    ledger.add_trials([trial])
    member = Member(trial=trial.name, seed=5000, schedule=trial.schedule)
    ledger.add_results([made_up(member, drills_are_good)])
    report(folder, stages=True, as_json=True)
    assert {row["schedule"] for row in json.loads(capsys.readouterr().out)} == {"recommended"}


def test_a_study_without_results_has_nothing_to_account_for(quick_path: Path) -> None:
    Ledger(quick_path).create({})
    with pytest.raises(StudyError, match="no finished trial"):
        report(quick_path, stages=True)


def test_the_order_effect_is_lines_of_a_conclusion() -> None:
    found = Recommendation(
        study="s", objective="sft/margin/mean", direction="maximize", sentence="", switch=False,
        proposals=(), outcomes=(), comparisons=(), laws=(), signals=(), trials=0, runs=0,
        cpu_seconds=0.0, tokens=0,
    )  # fmt: skip
    assert order_lines(found) == []
    judged = found.model_copy(update={"order_effect": OrderEffect(notes=("kept",))})
    assert order_lines(judged) == ["The schedule is constant: no order to judge."]
