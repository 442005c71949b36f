from pathlib import Path
from typing import Any

import pytest
from schedule_fakes import inventory, lm, recipe_data, sft

from mixopt.errors import Fault, RecipeError
from mixopt.recipes.decode import decode, validate
from mixopt.schedule.open import Range
from mixopt.schedule.recipe import ScheduleRecipe, read_schedule, schema_of

SCHEMAS = {domain.name: domain.schema for domain in inventory().domains}

FAULTY = """
name = "faulty"
nmae = "twice"
[target]
parameters = "7Q"
tokens = -5
context_tokens = 64
batch_tokens = 0
learning_rate = nan
[limits]
max_epochs = -1
max_epochs_of = { wbe = 3 }
[[stage]]
name = "a"
kind = "lm"
share = "rset"
tokens = 3
mixture = { web = -0.1, code = 1.1 }
learning_rate = { peak = "high", shpae = "linear", decay = 1.5 }
[[stage]]
name = "a"
kind = "ml"
share = { low = 0.5, high = 0.1 }
mixture = 3
[[stage]]
name = "c"
kind = "sft"
tokens = "1.5 tonnes"
mixture = { chta = 0.5, web = 0.6 }
[[stage]]
name = "d"
kind = "lm"
share = 0.2
mixture = "naturall"
free = { prior = "uniform" }
[[stage]]
name = "e"
kind = "lm"
curve = { shape = "liner", knots = [{ at = 0 }, { at = 1, mixture = { web = nan } }] }
"""


def faults_of(data: dict[str, Any]) -> dict[str, Fault]:
    with pytest.raises(RecipeError) as caught:
        validate(data, ScheduleRecipe, file="made-up.toml", context={"schemas": SCHEMAS})
    return {fault.key: fault for fault in caught.value.faults}


@pytest.mark.parametrize("kind", ["lm", "sft"])
def test_no_stage_takes_a_domain_of_preferences(kind: str) -> None:
    pairs = {"pairs": 1.0}
    stages = [lm(mixture=pairs)] if kind == "lm" else [lm(mixture="natural"), sft(mixture=pairs)]
    schemas = {"schemas": {**SCHEMAS, "pairs": "preference"}}
    with pytest.raises(RecipeError) as caught:
        validate(recipe_data(*stages), ScheduleRecipe, file="made-up", context=schemas)
    (fault,) = caught.value.faults
    assert fault.key.endswith("mixture.pairs")
    assert "pairs, of schema 'preference'" in fault.found


def test_all_faults_of_a_recipe_are_reported_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        decode(FAULTY, ScheduleRecipe, file="faulty.toml", context={"schemas": SCHEMAS})
    found = {fault.key: fault for fault in caught.value.faults}
    assert found["nmae"].nearest == "name"
    assert "'124M'" in found["target.parameters"].expected
    assert found["target.tokens"].found == "-5"
    assert found["target.batch_tokens"].expected == "greater than 0"
    assert found["target.learning_rate"].expected == "a finite number"
    assert found["limits.max_epochs"].found == "-1"
    assert found["limits.max_epochs_of.wbe"].nearest == "web"
    assert found["stage.0.share"].nearest == "rest"
    assert found["stage.0.tokens"].expected == "no tokens in a stage of kind 'lm'"
    assert found["stage.0.mixture.web"].expected == "a weight of at least 0"
    assert found["stage.0.learning_rate.peak"].found == "'high'"
    assert found["stage.0.learning_rate.shpae"].nearest == "shape"
    assert found["stage.0.learning_rate.decay"].found == "1.5"
    assert found["stage.1.name"].expected == "a name that no stage above has"
    assert found["stage.1.kind"].expected == "'lm', 'sft', 'dpo' or 'rl'"
    assert found["stage.1.share"].expected.startswith("low < high")
    assert found["stage.1.mixture"].expected.startswith("a table of weights, or one of 'natural'")
    assert "'1.5T'" in found["stage.2.tokens"].expected
    assert found["stage.2.mixture.chta"].nearest == "chat"
    assert found["stage.2.mixture.web"].expected.startswith("a domain of schema 'conversation'")
    assert (found["stage.2.mixture"].expected, found["stage.2.mixture"].found) == (
        "weights that sum to 1",
        "1.1",
    )
    assert found["stage.3.mixture"].nearest == "natural"
    assert found["stage.3"].found == "'mixture and free'"
    assert found["stage.4.share"].found == "None"
    assert found["stage.4.curve.shape"].nearest == "linear"
    assert found["stage.4.curve.knots.0"].found == "'none of them'"
    assert found["stage.4.curve.knots.1.mixture.web"].expected == "a finite number"
    assert len(caught.value.faults) == 27


JUDGED = {"method": "judged", "levels": {"addition": 2}}
GATE = {"measure": "bits_per_byte/web", "below": 3.0}
ONLINE = {"online": "doremi", "prior": "uniform"}


def practising(kind: str, **rest: object) -> dict[str, object]:
    return {"name": "practice", "kind": kind, "tokens": 5, **rest}


@pytest.mark.parametrize(
    ("stage", "key", "expected"),
    [
        (practising("dpo"), "practice", "a practice by pivotal or judged in a stage of kind 'dpo'"),
        (practising("rl", practice=JUDGED), "practice.method", "a practice by grpo"),
        (practising("sft", practice=JUDGED), "practice.method", "a practice by rejection"),
        (practising("dpo", practice=JUDGED, mixture="natural"), "mixture", "no data in a stage"),
        (practising("dpo", practice=JUDGED, share=0.5), "share", "no share in a stage of kind"),
        (practising("dpo", practice=JUDGED, tokens=None), "tokens", "a value in a stage of kind"),
        (practising("dpo", practice=JUDGED, gate=GATE), "gate", "no gate in a stage of kind 'dpo'"),
        (
            practising("sft", mixture="natural", ramp=0.1),
            "ramp",
            "no ramp in a stage of kind 'sft'",
        ),
        (practising("sft", curve=ONLINE), "curve.online", "no online curve in a stage of kind"),
        (practising("dpo", practice=JUDGED | {"bta": 1}), "practice.bta", "one of anchor, beta"),
    ],
)
def test_a_stage_has_what_its_kind_trains_on(
    stage: dict[str, object], key: str, expected: str
) -> None:
    found = faults_of(recipe_data(lm(mixture="natural"), stage))
    assert list(found) == [f"stage.1.{key}"]
    assert expected in found[f"stage.1.{key}"].expected


@pytest.mark.parametrize(
    ("first", "second", "key", "expected"),
    [
        ({}, {"ramp": 1.5}, "ramp", "from 0 to 1"),
        ({}, {"recall": {"low": -0.5, "high": 0.5}}, "recall", "from 0 to 1"),
        ({}, {"ordering": {"score": "length", "strength": 2}}, "ordering.strength", "from -1 to 1"),
        ({}, {"ordering": {"strength": 0.5}}, "ordering.score", "a value"),
        ({}, {"packing": "hole"}, "packing", "'stream' or 'whole'"),
        ({}, {"rope_base": -1}, "rope_base", "greater than 0"),
        ({}, {"practice": JUDGED}, "practice", "no practice in a stage of kind 'lm'"),
        ({"curve": ONLINE}, {"ramp": 0.1}, "ramp", "no ramp after a stage whose curve is online"),
        ({"curve": ONLINE}, {"gate": GATE}, "gate", "no gate after a stage whose curve is online"),
        ({"ordering": {"score": "length", "strength": 1}}, {"gate": GATE}, "gate", "ordered stage"),
        ({}, {"curve": ONLINE | {"online": "doremy"}}, "curve.online", "'doremi', 'doge'"),
        ({}, {"curve": ONLINE | {"online": "ado", "updates": 8}}, "curve.updates", "at least 9"),
        ({}, {"curve": ONLINE, "recall": 0.2}, "recall", "no recall where the curve is online"),
        ({}, {"curve": {"shape": "linear"}}, "curve.knots", "a value"),
        ({}, {"gate": GATE | {"above": 2}}, "gate", "exactly one of above, below"),
        ({}, {"gate": GATE | {"earliest": 0.5, "latest": 0.2}}, "gate.earliest", "at most latest"),
        ({}, {"gate": GATE | {"every": 0}}, "gate.every", "greater than 0"),
    ],
)
def test_a_language_model_stage_hangs_together_with_the_one_before(
    first: dict[str, object], second: dict[str, object], key: str, expected: str
) -> None:
    data: dict[str, object] = {"mixture": "natural"}
    stages = [lm("a", 0.5) | _only(data, first), lm("b", "rest") | _only(data, second)]
    found = faults_of(recipe_data(*stages))
    assert list(found) == [f"stage.1.{key}"]
    assert expected in found[f"stage.1.{key}"].expected


def _only(data: dict[str, object], more: dict[str, object]) -> dict[str, object]:
    return more if "curve" in more else data | more


@pytest.mark.parametrize(
    ("measure", "nearest"),
    [
        ("bits_per_bite/web", "bits_per_byte/web"),
        ("bits_per_byte", "bits_per_byte/mean"),
        ("bits_per_byte/wbe", "bits_per_byte/web"),
        ("bits_per_byte/chat", ""),
        ("accuracy/additoin", "accuracy/addition"),
    ],
)
def test_a_gate_is_on_a_measure_that_there_is(measure: str, nearest: str) -> None:
    stages = [lm("a", 0.5, mixture="natural"), lm("b", "rest", mixture="natural")]
    stages[1]["gate"] = {"measure": measure, "below": 3}
    found = faults_of(recipe_data(*stages))
    assert [(key, fault.nearest) for key, fault in found.items()] == [
        ("stage.1.gate.measure", nearest)
    ]


@pytest.mark.parametrize("key", ["gate", "ramp", "recall"])
def test_a_first_stage_carries_nothing_on(key: str) -> None:
    value = {"gate": GATE, "ramp": 0.2, "recall": 0.2}[key]
    found = faults_of(recipe_data(lm(mixture="natural") | {key: value}))
    assert list(found) == [f"stage.0.{key}"]
    assert f"no {key} but" in found[f"stage.0.{key}"].expected


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.5, 0.4], "sum to 1"),
        (["rest", "rest"], "one stage at most"),
        ([0.7, {"low": 0.1, "high": 0.3}, "rest"], "leave something"),
        ([0.5, {"low": 0.1, "high": 0.5}], "sum to 1"),
    ],
)
def test_shares_have_to_fill_the_target(shares: list[object], expected: str) -> None:
    stages = [lm(f"s{n}", share, mixture="natural") for n, share in enumerate(shares)]
    found = faults_of(recipe_data(*stages))
    assert list(found) == ["stage"]
    assert expected in found["stage"].expected


def test_a_schedule_has_a_language_model_stage() -> None:
    assert "kind 'lm'" in faults_of(recipe_data(sft(mixture="natural")))["stage"].expected


@pytest.mark.parametrize(
    ("shape", "at"), [("piecewise", [0, 0.5]), ("linear", [0, 0.5, 1]), ("piecewise", [0, 0, 1])]
)
def test_knots_go_from_start_to_end(shape: str, at: list[float]) -> None:
    knots = [{"at": where, "mixture": "natural"} for where in at]
    found = faults_of(recipe_data(lm(curve={"shape": shape, "knots": knots})))
    assert "knots" in found["stage.0.curve"].expected


@pytest.mark.parametrize("stages", [3, [], [3], [{"name": "x"}], [{"share": ["a"]}], {"a": 1}])
def test_shapeless_recipes_are_faults_too(stages: object) -> None:
    assert any(key.startswith("stage") for key in faults_of(recipe_data() | {"stage": stages}))


def test_an_open_recipe_is_read_with_its_units_and_ranges() -> None:
    free = {"prior": {"web": 0.9, "math": 0.1}, "concentration": 4}
    stages = [lm("a", {"low": 0.2, "high": 0.8}, free=free), lm("b", "rest", mixture="unimax")]
    recipe = validate(recipe_data(*stages), ScheduleRecipe, file="x", context={"schemas": SCHEMAS})
    assert recipe.target.parameters == 1_000_000
    assert recipe.stage[0].share == Range(low=0.2, high=0.8)
    assert recipe.stage[0].free is not None
    assert recipe.stage[0].free.prior == {"web": 0.9, "math": 0.1}
    assert recipe.stage[1].mixture == "unimax"
    assert (schema_of("lm"), schema_of("sft")) == ("text", "conversation")


def test_domains_are_checked_against_the_inventory_when_there_is_one(tmp_path: Path) -> None:
    text = FAULTY[: FAULTY.index("nmae")] + (
        '[target]\nparameters = 1\ntokens = "1B"\ncontext_tokens = 8\nbatch_tokens = 8\n'
        'learning_rate = 0.1\n[[stage]]\nname = "a"\nkind = "lm"\nshare = 1\nmixture.wbe = 1\n'
    )
    file = tmp_path / "one.toml"
    file.write_text(text)
    assert read_schedule(file, None, ScheduleRecipe).target.tokens == 10**9
    with pytest.raises(RecipeError, match="did you mean 'web'"):
        read_schedule(file, inventory(), ScheduleRecipe)
