import itertools
from dataclasses import replace

import numpy as np
import pytest
from schedule_fakes import CHAT, SUPPLY, inventory, lm, sft, space

from mixopt.errors import RecipeError, SupplyError
from mixopt.schedule.mixture import BASELINES
from mixopt.schedule.schedule import Online
from mixopt.schedule.space import Space, fixed_kind

FREE = {"prior": "natural", "concentration": 4.0}
KNOTS = [{"at": 0, "free": FREE}, {"at": 0.5, "mixture": "uniform"}, {"at": 1, "free": FREE}]
OPEN = (
    lm("early", {"low": 0.2, "high": 0.8}, free=FREE),
    lm("late", "rest", curve={"shape": "piecewise", "knots": KNOTS}),
    sft(free=FREE, learning_rate={"peak": {"low": 0.1, "high": 10.0, "log": True}}),
)


def points(found: Space, count: int, seed: int = 0) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    box = found.coordinates()
    return [{c.name: c.low + (c.high - c.low) * rng.random() for c in box} for _ in range(count)]


def test_coordinates_are_the_open_numbers_in_order() -> None:
    found = space(*OPEN).coordinates()
    assert [c.name for c in found] == [
        "early.share",
        "early.mixture.0",
        "early.mixture.1",
        "late.knot0.mixture.0",
        "late.knot0.mixture.1",
        "late.knot2.mixture.0",
        "late.knot2.mixture.1",
        "sft.learning_rate",
        "sft.mixture.0",
    ]
    assert (found[0].low, found[0].high, found[7].log) == (0.2, 0.8, True)


def test_the_prefix_is_all_but_the_last_open_stage() -> None:
    late = lm("late", {"low": 0.1, "high": 0.5}, free=FREE)
    found = space(lm("early", "rest", free=FREE), late, sft(mixture={"chat": 1.0}))
    assert found.prefix_coordinates() == {"early.mixture.0", "early.mixture.1", "late.share"}
    assert "sft.mixture.0" not in space(*OPEN).prefix_coordinates()
    assert "late.knot2.mixture.1" in space(*OPEN).prefix_coordinates()


def test_points_with_one_prefix_resolve_to_one_beginning() -> None:
    found = space(OPEN[0], lm("late", "rest", free=FREE), sft(mixture={"chat": 1.0}))
    one, other = points(found, 2)
    mixed = {name: (one if name in found.prefix_coordinates() else other)[name] for name in one}
    assert found.resolve(mixed).stages[0] == found.resolve(one).stages[0]
    assert found.resolve(mixed).stages[1] != found.resolve(one).stages[1]


@pytest.mark.parametrize("max_epochs", [1.05, 2.0, 50.0])
def test_every_point_is_a_schedule_that_keeps_the_caps(max_epochs: float) -> None:
    plain = (OPEN[0], lm("late", "rest", free=FREE), sft(free=FREE))
    found = space(*plain, max_epochs=max_epochs)
    for point in points(found, 150):
        made = found.resolve(point)
        assert made.tokens_of("lm") == 1_000_000
        assert made.tokens_of("sft") == 50_000
        epochs = made.epochs({**SUPPLY, **CHAT})
        assert max(epochs.values()) <= max_epochs * (1 + 1e-5)
        assert set(made.dose("lm")) <= set(SUPPLY)
        assert set(made.dose("sft")) <= set(CHAT)


@pytest.mark.parametrize("corner", list(itertools.product([0.0, 1.0], repeat=3)))
def test_corners_of_the_box_are_schedules(corner: tuple[float, ...]) -> None:
    found = space(OPEN[0], lm("late", "rest", mixture="natural"), max_epochs=3.0)
    box = zip(found.coordinates(), corner, strict=True)
    made = found.resolve({c.name: c.low + (c.high - c.low) * where for c, where in box})
    assert max(made.epochs(SUPPLY).values()) <= 3.0 * (1 + 1e-5)


def test_free_stages_leave_room_for_given_ones_after_them() -> None:
    given = lm("late", "rest", mixture={"math": 1.0})
    found = space(lm("early", 0.8, free={"prior": {"math": 1.0}}), given, max_epochs=2.5)
    for point in points(found, 50):
        assert found.resolve(point).epochs(SUPPLY)["math"] <= 2.5 * (1 + 1e-5)


@pytest.mark.parametrize("name", list(BASELINES))
def test_baseline_points_resolve_to_the_baselines(name: str) -> None:
    found = space(*OPEN, max_epochs=50.0)
    made = found.resolve(found.baseline(name))
    for stage, supply in (("early", SUPPLY), ("late", SUPPLY), ("sft", CHAT)):
        tokens = 50_000 if stage == "sft" else 1_000_000
        expected = BASELINES[name](supply, tokens, 50.0).on(tuple(supply))
        knot = made.stage(stage).curve.knots[0]
        np.testing.assert_allclose(knot.mixture.on(tuple(supply)), expected, atol=1e-5)
    assert made.stage("early").tokens == 500_000
    assert made.stage("sft").learning_rate.peak == pytest.approx(1.0)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_baselines_leave_preferences_out(name: str) -> None:
    held = inventory()
    pairs = replace(held.domains[0], name="pairs", schema="preference")
    held = replace(held, domains=(pairs, *held.domains))
    found = space(*OPEN, held=held)
    for stage, domains in zip(found.recipe.stage, (SUPPLY, SUPPLY, CHAT), strict=True):
        assert set(found.named(name, stage).domains) == set(domains)


def test_baselines_are_capped() -> None:
    found = space(lm(free=FREE), max_epochs=2.0)
    weights = found.resolve(found.baseline("uniform")).stages[0].curve.mean().on(tuple(SUPPLY))
    np.testing.assert_allclose(weights, [0.4, 0.4, 0.2], atol=1e-5)


def test_uniform_points_have_the_prior_as_their_mean() -> None:
    found = space(lm(free={"prior": {"web": 0.5, "math": 0.5}, "least": 0.05}), max_epochs=50)
    made = [found.resolve(point) for point in points(found, 1500)]
    weights = np.array([one.stages[0].curve.mean().on(tuple(SUPPLY)) for one in made])
    prior = np.array([0.5 * 0.85 + 0.05, 0.05, 0.5 * 0.85 + 0.05])
    np.testing.assert_allclose(weights.mean(axis=0), prior * 0.85 + 0.05, atol=0.02)
    assert weights.min() >= 0.05 - 1e-7


def test_free_knots_move_and_given_ones_stay() -> None:
    found = space(*OPEN, max_epochs=50.0)
    one, two = (found.resolve(point).stage("late").curve for point in points(found, 2))
    assert one.knots[1] == two.knots[1]
    assert one.knots[1].mixture.weights == pytest.approx((1 / 3,) * 3)
    assert one.knots[0] != two.knots[0]
    assert one.knots[2] != two.knots[2]


def test_a_fixed_recipe_has_no_coordinates() -> None:
    fixed = space(lm("a", 0.3, mixture="natural"), lm("b", "rest", mixture={"web": 1.0}))
    assert fixed.coordinates() == ()
    assert (fixed_kind(fixed.recipe), fixed_kind(space(*OPEN).recipe)) == ("schedule", "space")
    assert [stage.tokens for stage in fixed.resolve({}).stages] == [300_000, 700_000]


def test_stages_fill_the_target_to_the_token() -> None:
    stages = [lm(f"s{n}", 0.3333, mixture="natural") for n in range(3)]
    assert [s.tokens for s in space(*stages).resolve({}).stages] == [333_300, 333_300, 333_400]


@pytest.mark.parametrize(
    ("stage", "max_epochs", "text"),
    [
        (lm(mixture={"math": 1.0}), 4.0, "math: 1,000,000 tokens(.|\n)*10.00 epochs"),
        (lm(free=FREE), 0.5, "stage 'pretrain'(.|\n)*50.0% of its tokens"),
    ],
)
def test_what_the_supply_cannot_give_is_refused(
    stage: dict[str, object], max_epochs: float, text: str
) -> None:
    found = space(stage, max_epochs=max_epochs)
    with pytest.raises(SupplyError, match=text):
        found.resolve(found.baseline("natural"))


SPAN = {"low": 0.2, "high": 0.8}
PRACTICE = {"method": "pivotal", "levels": {"addition": 2}, "pairs": {"low": 2, "high": 32}}
GATE = {"measure": "bits_per_byte/web", "below": {"low": 2.0, "high": 3.0}, "latest": 0.7}
LIFE = (
    lm("early", 0.4, free=FREE),
    lm("late", "rest", free=FREE, gate=GATE | {"earliest": 0.2}, ramp=SPAN),
    lm("last", 0.2, free=FREE, recall=SPAN, rope_base={"low": 1e4, "high": 1e6, "log": True}),
    sft(mixture={"chat": 1.0}),
    {"name": "dpo", "kind": "dpo", "tokens": 900, "practice": PRACTICE},
)


def test_open_numbers_of_every_kind_are_coordinates() -> None:
    found = {c.name: (c.low, c.high, c.log) for c in space(*LIFE).coordinates()}
    assert {name: box for name, box in found.items() if ".mixture." not in name} == {
        "late.ramp": (0.2, 0.8, False),
        "late.gate.below": (2.0, 3.0, False),
        "last.rope_base": (1e4, 1e6, True),
        "last.recall": (0.2, 0.8, False),
        "dpo.practice.pairs": (2.0, 32.0, False),
    }
    strict = {"score": "length", "strength": {"low": -1, "high": 1}}
    (only,) = space(lm(mixture="natural", ordering=strict)).coordinates()
    assert (only.name, only.low, only.high) == ("pretrain.ordering.strength", -1.0, 1.0)


def test_a_point_decides_all_of_a_stage() -> None:
    found = space(*LIFE, max_epochs=50.0)
    values = found.baseline("natural") | {"late.gate.below": 2.25, "dpo.practice.pairs": 6.7}
    made = found.resolve(values | {"last.rope_base": 2e5, "late.ramp": 0.5})
    gate, practice = made.stage("late").gate, made.stage("dpo").practice
    assert gate is not None
    assert (gate.below, gate.earliest, gate.latest) == (2.25, 0.2, 0.7)
    assert practice is not None
    assert practice.model_dump()["pairs"] == 7
    assert (made.stage("last").rope_base, made.stage("dpo").dose()) == (2e5, {})
    assert found.baseline("uniform")["last.rope_base"] == pytest.approx(1e5)
    np.testing.assert_allclose([k.at for k in made.stage("late").curve.knots], [0, 0.5, 1])


def test_numbers_of_the_last_open_stage_are_its_own_but_for_what_moves_its_start() -> None:
    late = lm("late", {"low": 0.2, "high": 0.5}, mixture="natural", gate=GATE, recall=SPAN)
    found = space(lm("early", "rest", free=FREE), late, sft(mixture={"chat": 1.0}))
    assert found.prefix_coordinates() == {
        "early.mixture.0",
        "early.mixture.1",
        "late.share",
        "late.gate.below",
    }
    rest = {**LIFE[4], "practice": PRACTICE | {"beta": SPAN}}
    own = {"dpo.practice.pairs", "dpo.practice.beta"}
    other = space(*LIFE[:4], rest)
    assert {c.name for c in other.coordinates()} - other.prefix_coordinates() == own


@pytest.mark.parametrize("max_epochs", [1.3, 2.0, 5.0])
def test_caps_hold_with_recall_ramps_and_wherever_a_gate_opens(max_epochs: float) -> None:
    found = space(*LIFE, max_epochs=max_epochs)
    for point in points(found, 60, seed=3):
        made = found.resolve(point)
        for share in (0.2, 0.45, 0.7):
            both = made.stages[0].tokens + made.stages[1].tokens
            tokens = (round(both * share), both - round(both * share))
            pairs = zip(made.stages[:2], tokens, strict=True)
            moved = tuple(replace(stage, tokens=count) for stage, count in pairs)
            epochs = replace(made, stages=(*moved, *made.stages[2:])).epochs({**SUPPLY, **CHAT})
            assert max(epochs.values()) <= max_epochs * (1 + 1e-4)


@pytest.mark.parametrize("max_epochs", [1.3, 2.0])
def test_every_point_is_valid_where_gates_follow_each_other_and_stages_repeat(
    max_epochs: float,
) -> None:
    gate = {"measure": "bits_per_byte/web", "below": 3, "earliest": 0.2, "latest": 0.9}
    again = {"free": FREE, "gate": gate, "recall": {"low": 0.0, "high": 0.9}}
    last = lm("last", "rest", ramp=SPAN, **again)
    found = space(lm("a", 0.5, free=FREE), lm("b", 0.3, **again), last, max_epochs=max_epochs)
    for point in points(found, 60, seed=4):
        assert sum(stage.tokens for stage in found.resolve(point).stages) == 1_000_000


@pytest.mark.parametrize(
    "later", [lm("late", 0.5, mixture={"code": 1.0}), lm("late", 0.5, free=FREE)]
)
def test_a_recall_does_not_change_the_stages_before_it(later: dict[str, object]) -> None:
    found = space(lm("early", "rest", free=FREE), later | {"recall": SPAN}, max_epochs=1.8)
    point = found.baseline("uniform") | {"late.mixture.0": 0.9}
    low, high = (found.resolve(point | {"late.recall": value}) for value in (0.2, 0.8))
    assert low.stages[0] == high.stages[0]
    assert low.stages[1] != high.stages[1]


def test_a_given_mixture_has_to_keep_the_caps_wherever_the_gate_opens() -> None:
    gate = {"measure": "bits_per_byte/web", "below": 3, "earliest": 0.2, "latest": 0.9}
    stages = (lm("a", 0.8, mixture={"web": 1.0}), lm("b", "rest", mixture={"math": 1.0}))
    assert space(*stages, max_epochs=2.5).resolve({}).stages[1].tokens == 200_000
    with pytest.raises(SupplyError, match=r"math: 800,000 tokens(.|\n)*8.00 epochs"):
        space(stages[0], stages[1] | {"gate": gate}, max_epochs=2.5).resolve({})


def test_caps_hold_where_one_gate_opens_early_and_the_next_late() -> None:
    gate = {"measure": "bits_per_byte/web", "below": 3, "earliest": 0.2, "latest": 0.9}
    stages = (
        lm("a", 0.2, mixture={"web": 1.0}),
        lm("b", 0.4, mixture={"math": 0.1, "web": 0.9}, gate=gate),
        lm("c", "rest", mixture={"web": 1.0}, gate=gate),
    )
    held = inventory({"web": 10_000_000, "math": 60_000})  # b has from 92,000 to 792,000 tokens
    assert len(space(*stages, held=held, max_epochs=1.33).resolve({}).stages) == 3
    with pytest.raises(SupplyError, match=r"math: 79,200 tokens(.|\n)*1.32 epochs"):
        space(*stages, held=held, max_epochs=1.31).resolve({})


def test_a_rule_has_its_prior_as_the_curve() -> None:
    online = {"online": "ado", "updates": 9, "prior": "uniform"}
    made = space(lm(curve=online), max_epochs=50).resolve({}).stages[0]
    assert made.online == Online(policy="ado", updates=9)
    assert (made.curve.shape, len(made.curve.knots)) == ("constant", 1)
    assert made.curve.mean().weights == pytest.approx((1 / 3,) * 3)


def test_open_numbers_alone_make_a_space() -> None:
    closed = (lm(mixture="natural", ordering={"score": "length", "strength": 0.5}),)
    opened = (*closed, {"name": "dpo", "kind": "dpo", "tokens": 9, "practice": PRACTICE})
    assert [fixed_kind(space(*each).recipe) for each in (closed, opened)] == ["schedule", "space"]


def test_a_catalog_without_the_schema_is_an_error() -> None:
    found = space(lm(mixture="natural"), sft(free=FREE), held=inventory(chat={}))
    with pytest.raises(SupplyError, match=r"'sft' has no domain(.|\n)*schema 'conversation'"):
        found.coordinates()


def test_least_weights_have_to_fit() -> None:
    found = space(lm(free={"least": 0.4}))
    with pytest.raises(RecipeError, match=r"pretrain\.free\.least: expected below 1/3"):
        found.baseline("natural")
