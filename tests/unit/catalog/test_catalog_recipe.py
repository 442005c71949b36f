from pathlib import Path

import pytest
from catalog_fakes import domain

from mixopt.catalog.made_sources import TasksSource
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.errors import RecipeError
from mixopt.recipes.decode import decode, read
from mixopt.recipes.locate import shelf
from mixopt.tasks.registry import FAMILIES

FAULTY = """
name = "faulty"
split = { validation = 0.6, test = 0.4 }
[[domain]]
name = "two words"
provenance = "organik"
supply_tokens = "3Q"
sources = [
    { reader = "jsnl", path = "x" },
    { reader = "jsonl", path = "x", text_feild = "body", style = "statement" },
    { path = "x" },
    { reader = "tasks", style = "conversation", documents = 3, families = ["additon"] },
    { reader = "tasks", style = "statement" },
]
[[domain]]
name = "junk"
provenance = "synthetic"
sources = [{ reader = "garbled", domains = ["junc", "junk"], limit_bytes = "1MB" }]
[[domain]]
name = "junk"
provenance = "organic"
schema = "conversation"
sources = [
    { reader = "text", path = "x" },
    { reader = "tasks", style = "conversation", documents = 3, levels = { addition = [0, 99] } },
    { reader = "tasks", style = "statement", documents = 3 },
]
[[domain]]
name = "empty"
provenance = "organic"
sources = []
"""


def decoded(*domains: str, head: str = "") -> CatalogRecipe:
    return decode(f'name = "n"\n{head}\n' + "\n".join(domains), CatalogRecipe, file="n.toml")


def test_all_faults_of_a_recipe_are_reported_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        decode(FAULTY, CatalogRecipe, file="faulty.toml")
    found = {fault.key: fault for fault in caught.value.faults}
    assert found["split"].expected == "validation + test below 1, not 1"
    assert "pattern" in found["domain.0.name"].expected
    assert found["domain.0.provenance"].nearest == "organic"
    assert "1.5T" in found["domain.0.supply_tokens"].expected
    assert found["domain.0.sources.0.reader"].nearest == "jsonl"
    assert found["domain.0.sources.1.jsonl.text_feild"].nearest == "text_field"
    assert found["domain.0.sources.1.jsonl.style"].found == "unknown key 'style'"
    assert "families" not in found["domain.0.sources.1.jsonl.style"].expected
    assert found["domain.0.sources.2.reader"].found == "nothing"
    assert found["domain.0.sources.3.tasks.families.0"].nearest == "addition"
    assert found["domain.0.sources.4.tasks"].expected.startswith("a bound: documents")
    assert found["domain.1.sources.0.garbled.domains.0"].nearest == "junk"
    assert "without garbled" in found["domain.1.sources.0.garbled.domains.1"].expected
    assert found["domain.2.name"].expected == "a name that no domain above has"
    assert found["domain.2.sources.0.reader"].found == "'text'"
    assert found["domain.2.sources.2.style"].found == "'statement'"
    assert "levels of addition between" in found["domain.2.sources.1.tasks"].expected
    assert found["domain.3.sources"].expected.startswith("at least one source, or")
    assert len(caught.value.faults) == 17


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("reader = 'jsonl', path = 'x', scores = { length = 'n' }", "a name other than bytes"),
        ("reader = 'jsonl', path = 'x', scores = { Quality = 'q' }", "pattern"),
        ("reader = 'text', path = 'x', min_document_bytes = 9, max_document_bytes = 8", "9 above"),
        (
            "reader='tasks', style='statement', documents=1, difficulties={addition={99=0.5}}",
            "levels of addition between",
        ),
    ],
)
def test_faults_of_scores_and_lengths(source: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        decoded(domain("a", source))
    assert expected in str(caught.value)


CUT = """
name = "cut"
profile = { sample = 0.5 }
[[collection]]
name = "web"
sources = [{ reader = "jsonl", path = "x", scores = { quality = "q" }, labels = { topic = "t" } }]
[[collection]]
name = "chat"
schema = "conversation"
sources = [{ reader = "parquet", path = "x", labels = { quality = "t" } }]
[[protected]]
name = "exam"
sources = [{ reader = "text", path = "x", where = "lenght > 3" }]
[[domain]]
name = "exam"
provenance = "organic"
from = ["wev"]
[[domain]]
name = "both"
provenance = "organic"
from = ["web", "chat"]
sources = [{ reader = "jsonl", path = "x" }]
[[domain]]
name = "chats"
provenance = "organic"
schema = "text"
from = ["chat"]
where = "qualty > 0.5"
[[domain]]
name = "english"
provenance = "organic"
from = ["web"]
where = "language = 'en'"
[[domain]]
name = "junk"
provenance = "synthetic"
where = "true"
sources = [{ reader = "garbled", domains = ["english"], limit_bytes = "1MB" }]
[[domain]]
name = "pairs"
provenance = "organic"
schema = "preference"
sources = [{ reader = "tasks", style = "statement", documents = 3 }]
[[domain]]
name = "nothing"
provenance = "organic"
"""


def test_all_faults_between_collections_and_domains_are_reported_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        decode(CUT, CatalogRecipe, file="cut.toml")
    found = {fault.key: fault for fault in caught.value.faults}
    assert found["domain.0.name"].expected == "a name that no protected set has"
    assert found["domain.0.from.0"].nearest == "web"
    assert "no score of another" in found["collection.1.sources.0.parquet.labels.quality"].expected
    assert "lenght" in found["protected.0.sources.0.text.where"].expected
    assert found["domain.1.from"].expected in (
        "sources or `from`, not both",
        "collections of one schema",
    )
    assert found["domain.2.schema"].expected.startswith("'conversation'")
    assert "qualty" in found["domain.2.where"].expected
    assert "as long as profile.sample is below 1" in found["domain.3.where"].expected
    assert "each source can have its own" in found["domain.4.where"].expected
    assert found["domain.4.sources.0.garbled.domains.0"].expected.endswith("of its own")
    assert "preferences" in found["domain.5.sources.0.reader"].expected
    assert found["domain.6.sources"].expected.startswith("at least one source, or")
    assert len(caught.value.faults) == 13


def test_a_catalog_without_collections_says_how_to_make_one() -> None:
    with pytest.raises(RecipeError) as caught:
        decoded('[[domain]]\nname = "a"\nprovenance = "organic"\nfrom = ["pool"]')
    (fault,) = caught.value.faults
    assert (fault.key, "see [[collection]]" in fault.expected) == ("domain.0.from.0", True)


@pytest.mark.parametrize(
    "where",
    [
        "true) from shards where (true",
        "1 + 1",
        "exists (from shards)",
        "random() < 0.5",
        "topic = $x",
        "true;",
        "",
    ],
)
def test_conditions_are_single_expressions(where: str) -> None:
    pool = '[[collection]]\nname = "pool"\nsources = [{ reader = "jsonl", path = "x" }]'
    cut = f'[[domain]]\nname = "a"\nprovenance = "organic"\nfrom = ["pool"]\nwhere = "{where}"'
    with pytest.raises(RecipeError) as caught:
        decoded(pool, cut)
    assert [fault.key for fault in caught.value.faults] == ["domain.0.where"]


def test_a_domain_has_the_schema_of_its_collections() -> None:
    pool = '[[collection]]\nname = "pool"\nschema = "preference"\n'
    pool += 'sources = [{ reader = "hub", path = "x/y", labels = { topic = "t" } }]'
    head = '[[domain]]\nname = "a"\nprovenance = "organic"\nfrom = ["pool"]\n'
    recipe = decoded(pool, f"{head}where = \"topic like 'math%' and language = 'en'\"")
    assert recipe.domain[0].document_schema == "preference"
    assert recipe.domain[0].sources == ()


@pytest.mark.parametrize("text", ["domain = 3", "domain = []", "[[domain]]\nsources = [3]", ""])
def test_shapeless_recipes_are_faults_too(text: str) -> None:
    with pytest.raises(RecipeError):
        decode(f'name = "n"\n{text}', CatalogRecipe, file="n.toml")


def test_amounts_are_read_with_units() -> None:
    text = 'reader = "text", path = "x", limit_bytes = "2.5MB"'
    recipe = decoded(domain("a", text, head='provenance = "organic"\nsupply_tokens = "1.5T"'))
    assert recipe.domain[0].supply_tokens == 1_500_000_000_000
    assert recipe.domain[0].sources[0].limit_bytes == 2_500_000
    assert recipe.domain[0].document_schema == "text"


def test_all_families_are_meant_unless_some_are_named() -> None:
    style = 'reader = "tasks", style = "statement", documents = 1'
    some, every = f'{style}, families = ["copying"]', f'{style}, families = "all"'
    sources = decoded(domain("a", some, every, style)).domain[0].sources
    families = [source.families for source in sources if isinstance(source, TasksSource)]
    assert families == [("copying",), tuple(FAMILIES), tuple(FAMILIES)]


def test_no_protected_set_takes_the_place_of_the_tasks() -> None:
    text = """name = "c"
[[protected]]
name = "tasks"
sources = [{ reader = "text", path = "x" }]
[[domain]]
name = "d"
provenance = "organic"
sources = [{ reader = "text", path = "x" }]
"""
    with pytest.raises(RecipeError) as caught:
        decode(text, CatalogRecipe, file="protected.toml")
    assert [fault.key for fault in caught.value.faults] == ["protected.0.name"]


@pytest.mark.parametrize("path", sorted(shelf("catalogs").glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_recipes_are_sound(path: Path) -> None:
    recipe = read(path, CatalogRecipe)
    assert recipe.name == path.stem
    assert all(domain.licence for domain in recipe.domain)
