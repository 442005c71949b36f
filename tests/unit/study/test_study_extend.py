from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine, search
from tiny import make_setup, schedule_at, space_of, study_recipe

from mixopt.catalog.inventory import Inventory
from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.schedule.space import Space
from mixopt.schedule.write import schedule_toml
from mixopt.study import recommendation
from mixopt.study.change import find_change
from mixopt.study.extend import (
    BLOCK,
    Earlier,
    best_schedule,
    check_catalog,
    check_stages,
    extended,
)
from mixopt.study.recipe import StudyRecipe


def _with_more(old: Inventory) -> Inventory:
    """Return a catalog with a domain more, and another content of one."""
    notes, prose = old.domain("notes"), old.domain("prose")
    domains = [replace(prose, name="law", content_hash="new"), replace(notes, content_hash="other")]
    rest = [each for each in old.domains if each.name != "notes"]
    return replace(old, domains=(*domains, *rest), content_hash="more")


def _data() -> dict[str, Any]:
    return study_recipe().model_dump(mode="json", exclude_unset=True)


def test_ratios_of_kept_domains_are_frozen_stage_by_stage(tiny_store: TokenStore) -> None:
    new = _with_more(tiny_store.inventory)
    change = find_change(tiny_store.inventory, new)
    best = schedule_at(tiny_store, late={"prose": 0.2, "notes": 0.5, "drills": 0.3})
    data, frozen = extended(_data(), best, change, new)
    early, late = (stage["free"]["blocks"][BLOCK] for stage in data["stage"][:2])
    assert early == pytest.approx({"prose": 2 / 3, "drills": 1 / 3})
    assert late == pytest.approx({"prose": 0.4, "drills": 0.6})
    assert [each.stage for each in frozen] == ["early", "late"]
    assert "blocks" not in _data()["stage"][0]["free"]


def test_the_search_is_over_the_block_and_what_changed(tiny_store: TokenStore) -> None:
    new = _with_more(tiny_store.inventory)
    change = find_change(tiny_store.inventory, new)
    data, _ = extended(_data(), schedule_at(tiny_store), change, new)
    small = Space(recipe=StudyRecipe.model_validate(data), inventory=new)
    whole = Space(recipe=StudyRecipe.model_validate(_data()), inventory=new)
    assert len(whole.coordinates()) - len(small.coordinates()) == 2
    rng = np.random.default_rng(0)
    for _ in range(5):
        point = {each.name: each.outward(rng.random()) for each in small.coordinates()}
        mixture = small.resolve(point).stage("late").curve.mean()
        assert mixture.share("drills") / mixture.share("prose") == pytest.approx(3.0, rel=1e-5)


def test_domains_of_a_block_that_is_there_are_left_in_it(tiny_store: TokenStore) -> None:
    new = _with_more(tiny_store.inventory)
    change = find_change(tiny_store.inventory, new)
    data = _data()
    data["stage"][0]["free"]["blocks"] = {"mine": {"prose": 0.5, "law": 0.5}}
    found, frozen = extended(data, schedule_at(tiny_store), change, new)
    assert set(found["stage"][0]["free"]["blocks"]) == {"mine"}
    assert [each.stage for each in frozen] == ["late"]


def test_a_domain_without_weight_stays_in_the_block(tiny_store: TokenStore) -> None:
    new = _with_more(tiny_store.inventory)
    change = find_change(tiny_store.inventory, new)
    best = schedule_at(tiny_store, late={"drills": 1.0})
    block = extended(_data(), best, change, new)[0]["stage"][1]["free"]["blocks"][BLOCK]
    assert set(block) == {"prose", "drills"}
    assert 0 < block["prose"] < 1e-5


def _earlier(store: TokenStore, folder: Path) -> Earlier:
    setup = make_setup(store, folder)
    setup.ledger.create(setup.identity())
    return Earlier(folder=folder, recipe=setup.recipe, inventory=store.inventory)


def test_the_recommended_schedule_is_taken(tiny_store: TokenStore, quick_path: Path) -> None:
    chosen = space_of(tiny_store).resolve(space_of(tiny_store).baseline("uniform"))
    (quick_path / recommendation.SCHEDULE_FILE).write_text(schedule_toml(chosen))
    assert best_schedule(_earlier(tiny_store, quick_path)).digest == chosen.digest


def test_old_trials_count_where_they_have_the_objective(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    setup = make_setup(tiny_store, quick_path, trials=3, seeds=1)
    search(setup, FakeEngine())
    earlier = Earlier(folder=quick_path, recipe=setup.recipe, inventory=tiny_store.inventory)
    assert earlier.num_trials == 3


def test_a_catalog_that_was_built_again_is_an_error(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    earlier = _earlier(tiny_store, quick_path)
    check_catalog(earlier)
    with pytest.raises(StudyError, match="was built again since"):
        check_catalog(replace(earlier, inventory=_with_more(tiny_store.inventory)))


def test_studies_of_other_stages_are_not_extended() -> None:
    old, data = study_recipe(), _data()
    check_stages(old, StudyRecipe.model_validate(data))
    data["stage"][1]["name"] = "later"
    with pytest.raises(StudyError, match="has other stages") as caught:
        check_stages(old, StudyRecipe.model_validate(data))
    assert "early (lm), late (lm), sft (sft)" in caught.value.why
