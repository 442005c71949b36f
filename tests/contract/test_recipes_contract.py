"""What holds for every recipe that ships."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from mixopt.catalog.recipe import CatalogRecipe
from mixopt.errors import RecipeError
from mixopt.proxy.config import ProxyRecipe
from mixopt.recipes.decode import Recipe, decode, read
from mixopt.recipes.locate import KINDS, locate, shipped
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.study.recipe import StudyRecipe

ALL = [(kind, name) for kind in KINDS for name in shipped(kind)]
each_recipe = pytest.mark.parametrize(("kind", "name"), ALL)


def _model(kind: str, path: Path) -> type[Recipe]:
    models: Mapping[str, type[Recipe]] = {"proxies": ProxyRecipe, "catalogs": CatalogRecipe}
    searched = "study" in tomllib.loads(path.read_text())
    return models.get(kind, StudyRecipe if searched else ScheduleRecipe)


def test_there_is_something_to_hold() -> None:
    assert {"proxies", "catalogs"} <= {kind for kind, _ in ALL}


@each_recipe
def test_decodes_and_is_named_like_its_file(kind: str, name: str) -> None:
    path = locate(name, kind)
    found = read(path, _model(kind, path))
    assert found.model_dump()["name"] == name


@each_recipe
def test_opens_with_a_comment_that_says_what_it_is(kind: str, name: str) -> None:
    first = locate(name, kind).read_text().splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith(".")


@each_recipe
def test_a_misspelt_key_is_found(kind: str, name: str) -> None:
    path = locate(name, kind)
    text = path.read_text().replace("name = ", "nmae = ", 1)
    with pytest.raises(RecipeError) as caught:
        decode(text, _model(kind, path), file=str(path))
    assert {("nmae", "name"), ("name", "")} <= {(f.key, f.nearest) for f in caught.value.faults}
