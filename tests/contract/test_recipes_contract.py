"""What holds for every recipe that ships."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from mixopt.catalog.recipe import CatalogRecipe
from mixopt.errors import RecipeError
from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.proxy.huggingface import write_member
from mixopt.proxy.ladder import LADDER, LadderRecipe, proxy_names
from mixopt.proxy.model import Stack
from mixopt.recipes.decode import Recipe, decode, read
from mixopt.recipes.locate import KINDS, locate, shipped
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.seeds import generator
from mixopt.study.recipe import StudyRecipe

ALL = [(kind, name) for kind in KINDS for name in shipped(kind)]
each_recipe = pytest.mark.parametrize(("kind", "name"), ALL)
each_proxy = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n == "base" else []) for n in proxy_names()],
)


def _model(kind: str, path: Path) -> type[Recipe]:
    if path.stem == LADDER:
        return LadderRecipe
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


@each_proxy
def test_transformers_gives_the_logits_of_a_proxy(tmp_path: Path, name: str) -> None:
    llama: Any = pytest.importorskip("transformers").LlamaForCausalLM
    stack = Stack.initialize(read_proxy(name), vocabulary=64, seeds=[3])
    with torch.no_grad():  # what writes to the stream starts at zero, and would not be tested
        for weight in (w for key, w in stack.weights().items() if not w.any() or "norm" in key):
            noise = torch.from_numpy(generator(3, name).standard_normal(weight.shape)).float()
            weight.add_(noise, alpha=0.1 * weight.shape[1] ** -0.5)
    tokens = torch.arange(48).remainder(64).view(1, 2, 24)
    write_member(stack, 0, tmp_path)
    with torch.no_grad():
        theirs = llama.from_pretrained(tmp_path)(tokens[0]).logits
        ours = stack.forward(tokens)[0]
    assert ours.std() > 1e-3
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-4 * float(ours.abs().max()))
