import numpy as np
import pytest
from schedule_fakes import SUPPLY, lm, sft, space

from mixopt.recipes.decode import decode
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.schedule.write import schedule_toml

FREE = {"prior": "natural", "concentration": 3.0}
KNOTS = [{"at": 0, "free": FREE}, {"at": 1, "mixture": "uniform"}]
MOVING = {"shape": "piecewise", "knots": [{"at": at, "free": FREE} for at in (0, 0.3, 1)]}
GATE = {
    "measure": "accuracy/addition",
    "above": {"low": 0.2, "high": 0.9},
    "checks": 3,
    "margin": 0.1,
}
PARTS = {"low": 0.1, "high": 0.9}
PRACTICES: dict[str, dict[str, object]] = {
    "sft": {"method": "rejection", "keep": 3},
    "dpo": {"method": "pivotal", "beta": {"low": 0.1, "high": 1.0, "log": True}},
    "rl": {"method": "grpo", "process": True, "problems": {"low": 4, "high": 40}},
}
ORDER = {"score": "length", "strength": {"low": -1, "high": 1}}
LIFE = space(
    lm("first", 0.3, free=FREE, packing="whole"),
    lm("gated", 0.2, mixture="natural", ordering=ORDER, gate=GATE | {"every": 0.1}, ramp=PARTS),
    lm("longer", "rest", curve={"shape": "cosine", "knots": KNOTS}, recall=PARTS, ramp=PARTS),
    lm("ruled", 0.1, curve={"online": "odm", "updates": 7}, rope_base={"low": 10, "high": 99}),
    sft(mixture={"chat": 1.0}),
    *(
        {"name": f"{kind}-practice", "kind": kind, "tokens": 5_000}
        | {"practice": practice | {"levels": {"addition": 2}}}
        for kind, practice in PRACTICES.items()
    ),
    max_epochs=9.0,
)
SPACE = space(
    lm("early", {"low": 0.1, "high": 0.7}, free=FREE, learning_rate={"warmup": 0.1}),
    lm("middle", 0.2, mixture={"web": 0.123456789, "math": 0.876543211, "code": 0}),
    lm("late", "rest", curve=MOVING, context_tokens=128),
    sft(free=FREE, learning_rate={"peak": {"low": 0.1, "high": 9.0}, "decay": 0.5}),
    max_epochs=2.2,
)


def read_back(made: Schedule) -> Schedule:
    recipe = decode(schedule_toml(made), ScheduleRecipe, file="written.toml")
    return Space(recipe=recipe, inventory=SPACE.inventory).resolve({})


@pytest.mark.parametrize("seed", range(25))
def test_what_is_written_is_read_back_to_the_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    box = SPACE.coordinates()
    made = SPACE.resolve({c.name: c.low + (c.high - c.low) * rng.random() for c in box})
    again = read_back(made)
    assert again == made
    assert again.digest == made.digest
    assert schedule_toml(again) == schedule_toml(made)


@pytest.mark.parametrize("seed", range(10))
def test_every_kind_of_stage_is_read_back_to_the_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    box = LIFE.coordinates()
    made = LIFE.resolve({c.name: c.low + (c.high - c.low) * rng.random() for c in box})
    again = read_back(made)
    assert again == made
    assert again.digest == made.digest
    kept = [stage.curve.shape for stage in made.stages[:4]]
    assert kept == ["constant", "piecewise", "piecewise", "constant"]


def test_a_schedule_at_its_caps_is_read_back() -> None:
    tight = space(lm(free=FREE), max_epochs=10 / 9.1)
    made = tight.resolve(tight.baseline("uniform"))
    assert max(made.epochs(SUPPLY).values()) == pytest.approx(10 / 9.1, rel=1e-5)
    assert read_back(made).digest == made.digest


def test_one_stage_takes_all_and_comments_stand_on_top() -> None:
    made = space(lm(mixture="natural")).resolve({})
    text = schedule_toml(made, comment="found by search\nseed 3")
    assert text.startswith("# found by search\n# seed 3\nname = ")
    assert "share = 1.0" in text
    assert "web = 0.6\n" in text
    assert read_back(made).digest == made.digest
