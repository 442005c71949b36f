from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w
from fake_engine import TASKS, drills_are_good, made_up
from tiny import make_setup, schedule_at

from mixopt.cli.begin import check_judges, make_engine
from mixopt.cli.paths import StudyNotes, read_notes, write_notes
from mixopt.cli.study import show
from mixopt.corpus.store import TokenStore
from mixopt.errors import NotFoundError
from mixopt.evaluation.result import MemberResult, TrainedNode
from mixopt.study.engines.local import LocalEngine, processors
from mixopt.study.recipe import StudyRecipe
from mixopt.study.trial import search_trial
from mixopt.training.tree import Member


@pytest.fixture
def folder(tiny_store: TokenStore, quick_path: Path) -> Path:
    """Return a study of two trials that began alike."""
    setup = make_setup(tiny_store, quick_path)
    trials = [search_trial(n, "design", schedule_at(tiny_store), {}) for n in range(2)]
    setup.ledger.create(setup.identity())
    setup.ledger.add_trials(trials)
    for number, trial in enumerate(trials):
        member = Member(trial=trial.name, seed=0, schedule=trial.schedule)
        result = made_up(member, drills_are_good)
        path = (TrainedNode(key="a", tokens=60), TrainedNode(key=f"b{number}", tokens=40))
        setup.ledger.add_results([_with_path(result, path)])
    content = setup.recipe.model_dump(mode="json", exclude_none=True)
    (quick_path / "recipe.toml").write_text(tomli_w.dumps(content))
    notes = StudyNotes(recipe="recipe.toml", catalog="", corpus="", proxy="nano", storage="")
    write_notes(quick_path, notes)
    return quick_path


def _with_path(result: MemberResult, path: tuple[TrainedNode, ...]) -> MemberResult:
    return replace(result, path=path)


def test_show_says_what_sharing_saved(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(folder, None, as_json=True)
    said = capsys.readouterr()
    assert "200 scheduled, 140 trained (1.43 x)" in said.err
    assert [row["trial"] for row in json.loads(said.out)] == ["search-0000", "search-0001"]
    assert TASKS in json.loads(said.out)[0]


def test_notes_without_a_device_are_of_a_processor(folder: Path) -> None:
    notes = json.loads((folder / "run.json").read_text())
    assert notes.pop("device") == "cpu"
    (folder / "run.json").write_text(json.dumps(notes))
    assert read_notes(folder).device == "cpu"


@pytest.mark.parametrize(
    ("workers", "device", "expected"),
    [(None, "cpu", processors()), (3, "cpu", 3), (None, "cuda", 1), (2, "cuda", 2)],
)
def test_a_gpu_has_one_worker_unless_more_are_asked_for(
    workers: int | None, device: str, expected: int
) -> None:
    engine = make_engine(workers, device)
    assert isinstance(engine, LocalEngine)
    assert engine.workers == expected


def test_a_reward_model_that_is_not_there_is_told_before_anything_is_trained(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    practice = {"method": "judged", "levels": {"addition": 1}, "judge": str(quick_path / "none")}
    stage = {"name": "dpo", "kind": "dpo", "tokens": 500, "practice": practice}
    data = make_setup(tiny_store, quick_path).recipe.model_dump(mode="json", exclude_none=True)
    recipe = StudyRecipe.model_validate(data | {"stage": [*data["stage"], stage]})
    with pytest.raises(NotFoundError, match="stage 'dpo': no folder"):
        check_judges(recipe)
    (quick_path / "none").mkdir()
    check_judges(recipe)
