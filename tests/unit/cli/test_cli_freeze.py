"""Freezing what a trial decided: a recipe that reads back, of one seed or of the mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_engine import drills_are_good, made_up
from tiny import make_setup, schedule_at

from mixopt.catalog.inventory import read_inventory
from mixopt.cli.freeze import find_trial, freeze
from mixopt.cli.paths import StudyNotes, write_notes
from mixopt.corpus.store import TokenStore
from mixopt.errors import NotFoundError, StudyError
from mixopt.recipes.decode import decode
from mixopt.schedule.gate import Gate
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Online, Schedule
from mixopt.schedule.space import Space
from mixopt.study.ledger import Ledger
from mixopt.study.trial import confirm_trial
from mixopt.training.tree import Member


@pytest.fixture
def folder(tiny_store: TokenStore, tiny_catalog: Path, quick_path: Path) -> Path:
    """Return a study of a trial with a policy, one with a gate, and one with neither."""
    setup = make_setup(tiny_store, quick_path)
    plain = schedule_at(tiny_store, share=0.5)
    early, late, sft = plain.stages
    chosen = replace(late, online=Online(policy="odm", updates=4))
    gated = replace(late, gate=Gate(measure="bits_per_byte/prose", below=3.0))
    stages = {"recommended": chosen, "gated": gated, "natural": late}
    trials = [
        confirm_trial(n, label, replace(plain, stages=(early, stage, sft)), {})
        for n, (label, stage) in enumerate(stages.items())
    ]
    setup.ledger.create({})
    setup.ledger.add_trials(trials)
    for trial in trials:
        members = [Member(trial=trial.name, seed=n, schedule=trial.schedule) for n in range(2)]
        setup.ledger.add_results([made_up(member, drills_are_good) for member in members])
    notes = StudyNotes(recipe="", catalog=str(tiny_catalog), corpus="", proxy="", storage="")
    write_notes(quick_path, notes)
    return quick_path


def _read(text: str, catalog: Path) -> Schedule:
    recipe = decode(text, ScheduleRecipe, file="frozen")
    return Space(recipe=recipe, inventory=read_inventory(catalog)).resolve({})


def test_the_mean_over_seeds_is_printed_as_a_recipe(
    folder: Path, tiny_catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    freeze(folder, tolerance=0.0)
    text = capsys.readouterr().out
    late = _read(text, tiny_catalog).stage("late")
    made = Ledger(folder).choices(find_trial(folder, "recommended").trial)
    wanted = np.mean([[each.mixture.share("prose") for each in seed] for seed in made.values()])
    assert late.online is None
    assert late.curve.mean().share("prose") == pytest.approx(wanted, abs=1e-6)
    assert "the mean over 2 seeds" in text


def test_one_seed_is_written_to_a_file(folder: Path, tiny_catalog: Path, tmp_path: Path) -> None:
    out = tmp_path / "frozen.toml"
    freeze(folder, seed=1, out=out)
    late = _read(out.read_text(), tiny_catalog).stage("late")
    made = Ledger(folder).choices(find_trial(folder, "recommended").trial)[1]
    wanted = np.mean([each.mixture.share("prose") for each in made])
    assert late.curve.mean().share("prose") == pytest.approx(wanted, abs=0.01)
    with pytest.raises(StudyError, match="no seed 5"):
        freeze(folder, seed=5)


def test_a_gate_is_frozen_where_it_opened(
    folder: Path, tiny_catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    freeze(folder, trial="gated", seed=0)
    early, late, _ = _read(capsys.readouterr().out, tiny_catalog).stages
    (opened,) = [f.value for f in Ledger(folder).figures() if f.seed == 0]
    assert early.tokens / (early.tokens + late.tokens) == pytest.approx(opened, abs=1e-4)
    assert late.gate is None


def test_what_is_not_there_or_decided_nothing_is_told(folder: Path) -> None:
    with pytest.raises(StudyError, match="nothing to freeze"):
        freeze(folder, trial="natural")
    with pytest.raises(NotFoundError, match="no trial 'best'") as caught:
        freeze(folder, trial="best")
    assert "recommended, gated, natural" in caught.value.why
