import numpy as np
import pytest
from schedule_fakes import SUPPLY, lm, sft, space

from mixopt.recipes.decode import decode
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.schedule.write import schedule_toml

FREE = {"prior": "natural", "concentration": 3.0}
MOVING = {"shape": "piecewise", "knots": [{"at": at, "free": FREE} for at in (0, 0.3, 1)]}
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
