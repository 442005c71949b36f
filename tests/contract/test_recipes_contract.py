"""What holds for every recipe that ships."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mixopt.catalog.inventory import DomainSupply, Inventory
from mixopt.catalog.recipe import CatalogRecipe, Schema
from mixopt.errors import RecipeError
from mixopt.evaluation.measure import DIRECTIONS
from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.proxy.huggingface import write_member
from mixopt.proxy.ladder import LADDER, LadderRecipe, proxy_names
from mixopt.proxy.model import Stack
from mixopt.recipes.decode import Recipe, decode, read
from mixopt.recipes.locate import KINDS, locate, shipped
from mixopt.schedule.checks import LEAST_UPDATES, POLICY_NAMES, TASK_MEASURES, TEXT_MEASURES
from mixopt.schedule.layout import Source
from mixopt.schedule.mixture import BASELINES
from mixopt.schedule.open import PRACTICES
from mixopt.schedule.plan import make_plan
from mixopt.schedule.practice import METHODS_OF
from mixopt.schedule.recipe import ScheduleRecipe, read_schedule
from mixopt.schedule.space import Space
from mixopt.schedule.write import schedule_toml
from mixopt.seeds import generator
from mixopt.study.recipe import StudyRecipe
from mixopt.training.online.ado import AdaptiveDataOptimization
from mixopt.training.online.table import POLICIES

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


# Tokens of the demo's domains, as its catalog recipe builds them; they differ a little by machine.
DEMO = {"code": 7.9, "prose": 7.0, "licences": 0.55, "drills": 3.7, "worked": 2.3, "junk": 3.7}
each_schedule = pytest.mark.parametrize("name", shipped("schedules"))


def _demo() -> Inventory:
    domains = tuple(
        DomainSupply(
            name=name,
            provenance="organic",
            schema=schema,
            licence="",
            supply_tokens=round(millions * 1e6),
            sample_tokens=round(millions * 1e6),
            documents=10,
            num_bytes=round(millions * 1e6),
            content_hash="0" * 16,
        )
        for schema, found in _SCHEMAS.items()
        for name, millions in found.items()
    )
    return Inventory(catalog="demo", tokenizer="bytes", content_hash="0" * 16, domains=domains)


_SCHEMAS: dict[Schema, dict[str, float]] = {"text": DEMO, "conversation": {"instructions": 1.0}}


def _space(name: str) -> Space:
    held = _demo()
    recipe = read_schedule(locate(name, "schedules"), held, StudyRecipe)
    return Space(recipe=recipe, inventory=held)


def test_the_demo_catalog_has_the_domains_that_schedules_are_tried_on() -> None:
    found = read(locate("demo", "catalogs"), CatalogRecipe)
    assert [domain.name for domain in found.domain] == list(_demo().names())


@each_schedule
def test_a_schedule_runs_on_the_demo_catalog_at_any_point(name: str) -> None:
    space, rng = _space(name), generator(5, name)
    box = space.coordinates()
    points = [{c.name: c.low + (c.high - c.low) * rng.random() for c in box} for _ in range(20)]
    made = [space.resolve(point) for point in points]
    text = schedule_toml(made[-1])
    again = Space(recipe=decode(text, ScheduleRecipe, file=name), inventory=space.inventory)
    assert again.resolve({}).digest == made[-1].digest


@each_schedule
def test_every_stage_of_a_schedule_has_steps_at_its_proxy(name: str) -> None:
    space = _space(name)
    assert isinstance(space.recipe, StudyRecipe)
    budget = read_proxy(space.recipe.study.proxy).training.budget

    def available(source: Source) -> int:
        return space.inventory.domain(source.domain).sample_tokens // source.context

    def scores(source: Source, _: str) -> NDArray[np.float64]:
        return np.arange(float(available(source)))

    for baseline in BASELINES:
        made = space.resolve(space.baseline(baseline))
        plan = make_plan(made, 0, space.inventory, budget, available, scores)
        assert min(part.steps for part in plan.stages) >= 5


@each_schedule
def test_a_schedule_is_open_for_search(name: str) -> None:
    assert len(_space(name).coordinates()) >= 5


def test_names_that_two_floors_know_are_the_same() -> None:
    assert set(POLICY_NAMES) == set(POLICIES)
    assert LEAST_UPDATES["ado"] == AdaptiveDataOptimization().first + 1
    assert {*TEXT_MEASURES, *TASK_MEASURES} <= set(DIRECTIONS)
    assert set(PRACTICES) == {method for methods in METHODS_OF.values() for method in methods}


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
