from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import tomli_w
from fake_engine import FakeEngine, search
from tiny import PROXY, build_tiny_catalog, make_setup, study_recipe

from mixopt.cli import extend as command
from mixopt.cli.begin import read_settings
from mixopt.cli.extend import extend
from mixopt.cli.paths import StudyNotes, read_notes, write_notes
from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.schedule.write import schedule_toml
from mixopt.study.change import read_change
from mixopt.study.recommendation import SCHEDULE_FILE
from mixopt.study.setup import StudySetup


@pytest.fixture
def earlier(tiny_store: TokenStore, tiny_catalog: Path, quick_path: Path) -> Path:
    """Return a finished study over the tiny catalog."""
    folder = quick_path / "earlier"
    setup = make_setup(tiny_store, folder, trials=9, batch=9, design=9, seeds=1)
    search(setup, FakeEngine())
    best = setup.space.resolve(setup.space.baseline("uniform"))
    (folder / SCHEDULE_FILE).write_text(schedule_toml(best))
    content = setup.recipe.model_dump(mode="json", exclude_none=True)
    (folder / "recipe.toml").write_text(tomli_w.dumps(content))
    notes = StudyNotes(
        recipe="recipe.toml", catalog=str(tiny_catalog), corpus="", proxy="tiny", storage=""
    )
    write_notes(folder, notes)
    return folder


def _new(folder: Path) -> tuple[Path, Path]:
    """Return a recipe, and a catalog with a domain more."""
    folder.mkdir()
    (folder / "proxy.toml").write_text(tomli_w.dumps(PROXY.model_dump(mode="json")))
    table: dict[str, Any] = study_recipe().model_dump(mode="json", exclude_none=True)
    table["study"]["proxy"] = str(folder / "proxy.toml")
    (folder / "new.toml").write_text(tomli_w.dumps(table))
    more = {**tiny._CATALOG["domain"][0], "name": "verse"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiny._CATALOG, "domain", [*tiny._CATALOG["domain"], more])
        return folder / "new.toml", build_tiny_catalog(folder)


def test_a_study_is_extended_around_what_it_found(
    earlier: Path,
    quick_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe, catalog = _new(quick_path / "new")
    begun: list[StudySetup] = []
    monkeypatch.setattr(command, "train", lambda setup, _workers: begun.append(setup))
    extend(earlier, str(recipe), catalog, quick_path / "study")
    said = capsys.readouterr().err
    assert "added: verse" in said
    assert "frozen in late: prose" in said
    assert "searched: all of these together, verse" in said
    assert "coordinates: 3, where a full search has 7" in said
    assert "earlier trials that inform the law: 9" in said
    assert begun[0].settings.warm == (str(earlier),)
    assert read_change(quick_path / "study") is not None


def test_settings_name_the_earlier_studies_of_the_command_line(earlier: Path) -> None:
    write_notes(earlier, replace(read_notes(earlier), warm=("another",)))
    assert read_settings(earlier).study.warm == ("another",)


def test_nothing_changed_is_an_error_and_leaves_no_folder(
    earlier: Path, quick_path: Path, tiny_catalog: Path
) -> None:
    recipe, _ = _new(quick_path / "new")
    with pytest.raises(StudyError, match="no domain of catalog 'tiny' differs"):
        extend(earlier, str(recipe), tiny_catalog, quick_path / "study")
    assert not (quick_path / "study").exists()


@pytest.mark.parametrize("text", ["prose", "prose=", "prose=one", "=one,two"])
def test_options_of_another_form_are_errors(earlier: Path, tiny_catalog: Path, text: str) -> None:
    with pytest.raises(StudyError, match="expected NAME=ONE,OTHER"):
        extend(earlier, str(earlier / "recipe.toml"), tiny_catalog, split=[text])
