from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from schedule_fakes import curve, inventory, schedule, stage

from mixopt.errors import SupplyError
from mixopt.schedule import repetition

HALVES = schedule(stage("pretrain", curve("constant", {"web": 0.5, "math": 0.5})), max_epochs=4.0)


def _all_of(pool: repetition.Pool) -> NDArray[np.int64]:
    positions = np.arange(pool.num_sequences)
    return repetition.sequences_of((pool,), np.zeros_like(positions), positions)


def test_a_schedule_over_its_caps_is_refused_with_the_numbers() -> None:
    repetition.check_supply(HALVES, {"web": 125_000, "math": 125_000})
    with pytest.raises(SupplyError) as caught:
        repetition.check_supply(HALVES, {"web": 125_000, "math": 100_000})
    assert "math: 500,000 tokens of a supply of 100,000 are 5.00 epochs" in caught.value.why
    assert "the cap is 4" in caught.value.why
    assert "web" not in caught.value.why
    assert "max_epochs" in caught.value.remedy


def test_an_empty_domain_is_refused_too() -> None:
    with pytest.raises(SupplyError, match="math: 500,000 tokens of a supply of 0 are inf epochs"):
        repetition.check_supply(HALVES, {"web": 10**6, "math": 0})


def test_room_is_what_earlier_stages_left() -> None:
    supply = {"web": 100, "math": 50, "code": 10}
    limits = {"web": 4.0, "math": 2.0, "code": 1.0}
    found = repetition.room(supply, limits, {"math": 40.0, "code": 30.0}, 200)
    np.testing.assert_allclose(found, [1.0, 0.3, 0.0])


def test_caps_that_leave_no_mixture_are_an_error_with_the_share() -> None:
    with pytest.raises(SupplyError, match=r"stage 'late'(.|\n)*give 70\.0% of its tokens"):
        repetition.capped(np.array([0.5, 0.5]), np.array([0.4, 0.3]), "stage 'late'")


def test_a_pool_is_cut_to_scale() -> None:
    found = repetition.pool(inventory(), "math", scale=0.1, available=1000, seed=3)
    assert (found.num_sequences, found.available) == (100, 1000)
    declared = inventory(sample=0.5)  # half of the supply was found on disk
    assert repetition.pool(declared, "math", scale=0.1, available=1000, seed=3).num_sequences == 200


def test_a_pool_is_part_of_the_sample_without_repeating() -> None:
    for seed in range(30):
        pool = repetition.pool(inventory(), "math", scale=0.6, available=50, seed=seed)
        found = _all_of(pool)
        assert len(set(found.tolist())) == 30
        assert ((found >= 0) & (found < 50)).all()


def test_seeds_choose_other_pools_scattered_over_the_sample() -> None:
    pools = [
        repetition.pool(inventory(), "math", scale=0.1, available=1000, seed=seed)
        for seed in range(40)
    ]
    members = [set(_all_of(pool).tolist()) for pool in pools]
    assert len(set(map(frozenset, members))) == 40
    overlaps = [len(one & two) / len(one) for one, two in pairwise(members)]
    assert np.mean(overlaps) == pytest.approx(pools[0].num_sequences / 1000, abs=0.03)
    thirds = np.histogram([i for each in members for i in each], bins=3, range=(0, 1000))[0]
    assert thirds / thirds.sum() == pytest.approx(np.full(3, 1 / 3), abs=0.03)


@pytest.mark.parametrize(
    ("available", "text"),
    [
        (0, "no whole sequence(.|\n)*80,000 tokens"),
        (1000, "needs 1,125 sequences(.|\n)*holds 1,000"),
    ],
)
def test_a_small_sample_is_an_error_with_the_numbers(available: int, text: str) -> None:
    held = inventory(sample=0.8)
    with pytest.raises(SupplyError, match=text):
        repetition.pool(held, "math", scale=0.9, available=available, seed=0)


def test_conversations_that_fit_no_row_ask_for_a_longer_context() -> None:
    with pytest.raises(SupplyError) as caught:
        repetition.pool(inventory(), "chat", scale=0.9, available=0, seed=0)
    assert "longer context" in caught.value.remedy
