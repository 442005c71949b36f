from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w
from schedule_fakes import SUPPLY, inventory, lm, recipe_data, sft

from mixopt.errors import RecipeError
from mixopt.schedule.mapping import read_mapping, replaced
from mixopt.schedule.recipe import ScheduleRecipe, read_schedule

NAMES = {"crawl": ["web", "code"], "books": "web", "talk": "chat", "sums": "math"}


def recipe(
    tmp_path: Path, *stages: object, domains: object = NAMES, known: bool = True, **rest: object
) -> ScheduleRecipe:
    data: dict[str, Any] = recipe_data() | {"stage": stages, "domains": domains} | rest
    file = tmp_path / "mapped.toml"
    file.write_text(tomli_w.dumps(data))
    return read_schedule(file, inventory() if known else None, ScheduleRecipe)


def test_a_list_shares_by_supply_and_names_of_one_domain_add_up(tmp_path: Path) -> None:
    mixture = {"crawl": 0.6, "books": 0.1, "math": 0.3}
    stage = recipe(tmp_path, lm(mixture=mixture)).stage[0]
    assert stage.mixture == pytest.approx({"web": 0.4 + 0.1, "code": 0.2, "math": 0.3})
    assert SUPPLY["web"] == 2 * SUPPLY["code"]


def test_without_a_catalog_a_list_shares_equally(tmp_path: Path) -> None:
    found = recipe(tmp_path, lm(mixture={"crawl": 0.6, "sums": 0.4}), known=False)
    assert found.stage[0].mixture == pytest.approx({"web": 0.3, "code": 0.3, "math": 0.4})


def test_names_are_replaced_wherever_a_recipe_has_them(tmp_path: Path) -> None:
    knots = [{"at": 0, "mixture": {"books": 1.0}}, {"at": 1, "free": {"prior": {"sums": 1.0}}}]
    gate = {"measure": "bits_per_byte/books", "below": 3}
    online = {"online": "odm", "prior": {"sums": 0.5, "books": 0.5}}
    caps = {"max_epochs_of": {"crawl": 3, "books": 5, "math": 7}}
    stages = [
        lm("a", 0.4, curve={"knots": knots}),
        lm("b", 0.3, mixture={"sums": 1.0}, gate=gate),
        lm("c", "rest", curve=online),
        sft(mixture={"talk": 1.0}),
    ]
    found = recipe(tmp_path, *stages, limits=caps).model_dump()
    assert found["limits"]["max_epochs_of"] == {"web": 5, "code": 3, "math": 7}
    first = found["stage"][0]["curve"]["knots"]
    assert (first[0]["mixture"], first[1]["free"]["prior"]) == ({"web": 1.0}, {"math": 1.0})
    assert found["stage"][1]["gate"]["measure"] == "bits_per_byte/web"
    assert found["stage"][2]["curve"]["prior"] == {"math": 0.5, "web": 0.5}
    assert found["stage"][3]["mixture"] == {"chat": 1.0}


@pytest.mark.parametrize(
    ("domains", "mixture", "key", "nearest"),
    [
        ({"crawl": "wbe"}, {"crawl": 1.0}, "domains.crawl", "web"),
        ({"crawl": []}, {"crawl": 1.0}, "domains.crawl", ""),
        ({"crawl": ["web", "web"]}, {"crawl": 1.0}, "domains.crawl", ""),
        ({"crawl": ["web", "chat"]}, {"crawl": 1.0}, "domains.crawl", ""),
        ({"crawl": "web"}, {"crwl": 1.0}, "stage.0.mixture.crwl", "crawl"),
        ({"crawl": "chat"}, {"crawl": 1.0}, "stage.0.mixture.crawl", ""),
        ({"crawl": "web"}, {"crawl": 0.5}, "stage.0.mixture", ""),
    ],
)
def test_faults_name_what_the_user_wrote(
    tmp_path: Path, domains: object, mixture: dict[str, float], key: str, nearest: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, lm(mixture=mixture), domains=domains)
    assert [(fault.key, fault.nearest) for fault in caught.value.faults] == [(key, nearest)]


def test_a_gate_needs_a_name_of_one_domain(tmp_path: Path) -> None:
    gate = {"measure": "bits_per_byte/crawl", "below": 3}
    stages = [lm("a", 0.5, mixture="natural"), lm("b", "rest", mixture="natural", gate=gate)]
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, *stages)
    assert [fault.key for fault in caught.value.faults] == ["stage.1.gate.measure"]


def test_a_command_overrides_the_table(tmp_path: Path) -> None:
    recipe(
        tmp_path, lm(mixture={"books": 0.5, "more": 0.5}), domains={"books": "web", "more": "web"}
    )
    file = tmp_path / "mapped.toml"
    given = read_mapping(["books=math+code", "more = web"])
    found = read_schedule(file, inventory(), ScheduleRecipe, domains=given)
    assert found.stage[0].mixture == pytest.approx({"math": 0.125, "code": 0.375, "web": 0.5})
    with pytest.raises(RecipeError, match=r"domains\.books"):
        read_schedule(file, inventory(), ScheduleRecipe, domains=read_mapping(["books=mth"]))


@pytest.mark.parametrize("text", ["web", "=prose", "web=", "web=a+", "web=+"])
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="expected name=domain"):
        read_mapping(["good=prose", text])


def test_measures_of_text_are_of_the_domain_that_a_name_stands_for() -> None:
    keys = ["a/bits_per_byte/books", "a/bits_per_byte/crawl", "sft/margin/books"]
    long = {"guardrails": ["a/long_bits_per_byte/books"]}
    data = {"stage": [], "study": {"objective": keys[0], "also": keys[1:], **long}}
    found = replaced(data, {"books": ("web",), "crawl": ("web", "code")}, SUPPLY)
    assert found["study"] == {
        "objective": "a/bits_per_byte/web",
        "also": keys[1:],
        "guardrails": ["a/long_bits_per_byte/web"],
    }


@pytest.mark.parametrize(
    ("texts", "expected"),
    [(["boks=prose"], "did you mean 'books'"), (["books=prose", "books=math"], "'books' once")],
)
def test_what_is_mapped_is_a_name_of_the_recipe_and_named_once(
    texts: list[str], expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "mapped.toml"
    data = recipe_data() | {"stage": [lm(mixture={"books": 1.0})], "domains": {"books": "web"}}
    file.write_text(tomli_w.dumps(data))
    with pytest.raises(RecipeError, match=expected):
        read_schedule(file, inventory(), ScheduleRecipe, domains=read_mapping(texts))
