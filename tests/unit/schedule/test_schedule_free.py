import pytest
from schedule_fakes import lm, recipe_data, space

from mixopt.errors import RecipeError
from mixopt.recipes.decode import validate
from mixopt.recipes.digest import digest
from mixopt.schedule.free import FreeMixture
from mixopt.schedule.mapping import replaced
from mixopt.schedule.recipe import ScheduleRecipe

SCHEMAS = {"schemas": {"web": "text", "code": "text", "math": "text", "chat": "conversation"}}


def faults(**free: object) -> str:
    with pytest.raises(RecipeError) as caught:
        validate(recipe_data(lm(free=free)), ScheduleRecipe, file="made-up", context=SCHEMAS)
    return str(caught.value)


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        ({"floors": {"coed": 0.1}}, "code"),
        ({"floors": {"chat": 0.1}}, "schema 'text'"),
        ({"floors": {"web": 0.5}, "ceilings": {"web": 0.4}}, "at most the ceiling of 'web'"),
        ({"floors": {"web": 0.6, "code": 0.6}}, "sum to at most 1"),
        ({"groups": [{"floor": 0.1}]}, "exactly one of of, provenance"),
        ({"groups": [{"of": ["web"], "provenance": "synthetic"}]}, "exactly one of of"),
        ({"groups": [{"of": ["web"], "floor": 0.5, "ceiling": 0.4}]}, "the group's ceiling"),
        ({"groups": [{"of": ["wbe"]}]}, "web"),
        ({"groups": [{"of": ["chat"]}]}, "schema 'text'"),
        ({"blocks": {"old": {"web": 0.5, "code": 0.4}}}, "weights that sum to 1"),
        ({"blocks": {"a": {"web": 1.0}, "b": {"web": 1.0}}}, "'web' is in 'a'"),
        ({"lattice": 0.3}, "a whole part of 1"),
    ],
)
def test_faulty_bounds_are_refused(free: dict[str, object], expected: str) -> None:
    assert expected in faults(**free)


def test_all_faults_are_told_at_once() -> None:
    text = faults(floors={"web": 2.0}, groups=[{"floor": 0.1}], lattice=0.3)
    assert all(part in text for part in ("floors.web", "groups.0", "lattice"))


def test_bounds_that_are_not_given_leave_the_hash_alone() -> None:
    found = FreeMixture(prior="natural", concentration=8.0).model_dump()
    assert found == {"prior": "natural", "concentration": 8.0, "least": 0.002}
    assert digest(FreeMixture(lattice=0.01)) != digest(FreeMixture())


def test_bounds_no_mixture_keeps_name_the_numbers() -> None:
    free = {"floors": {"web": 0.5}, "groups": [{"of": ["web", "code"], "ceiling": 0.3}]}
    with pytest.raises(RecipeError, match=r"web, code: together 0 to 0\.3"):
        space(lm(free=free)).baseline("natural")


def test_bounds_follow_the_names_of_the_domains() -> None:
    free = {
        "floors": {"text": 0.2, "a": 0.1, "b": 0.05},
        "ceilings": {"a": 0.3, "text": 0.9},
        "groups": [{"of": ["text", "a"], "ceiling": 0.5}],
        "blocks": {"old": {"text": 0.5, "a": 0.5}},
    }
    table = {"text": ("web", "books"), "a": ("code",), "b": ("code",)}
    supply = {"web": 3, "books": 1, "code": 1}
    found = replaced(recipe_data(lm(free=free)), table, supply)["stage"][0]["free"]
    assert found["floors"] == {"code": pytest.approx(0.15)}
    assert found["ceilings"] == {}
    assert found["groups"][0] == {"of": ["web", "books", "code"], "ceiling": 0.5}
    assert {"of": ["web", "books"], "floor": 0.2} in found["groups"]
    assert {"of": ["web", "books"], "ceiling": 0.9} in found["groups"]
    assert found["blocks"]["old"] == pytest.approx({"web": 0.375, "books": 0.125, "code": 0.5})
