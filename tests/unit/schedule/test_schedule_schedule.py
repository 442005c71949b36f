import dataclasses
import math

import pytest
from schedule_fakes import curve, schedule, stage

from mixopt.errors import NotFoundError

LATE = stage("late", curve("constant", {"web": 0.5, "math": 0.5}), tokens=400_000)
EARLY = stage("early", curve("linear", {"web": 1.0}, {"code": 1.0}), tokens=600_000)
CHAT = stage("sft", curve("constant", {"chat": 1.0}), tokens=50_000, kind="sft")
MADE = schedule(EARLY, LATE, CHAT)


def test_doses_add_up_over_stages() -> None:
    assert MADE.dose() == pytest.approx(
        {"web": 500_000, "code": 300_000, "math": 200_000, "chat": 50_000}
    )
    assert MADE.dose("sft") == {"chat": 50_000}
    assert MADE.mean_mixture().as_dict() == pytest.approx({"web": 0.5, "code": 0.3, "math": 0.2})
    assert (MADE.tokens_of("lm"), MADE.tokens_of("sft")) == (1_000_000, 50_000)


def test_epochs_are_tokens_over_supply() -> None:
    supply = {"web": 1_000_000, "code": 100_000, "math": 200_000, "chat": 0}
    expected = {"web": 0.5, "code": 3.0, "math": 1.0, "chat": math.inf}
    assert MADE.epochs(supply) == pytest.approx(expected)


def test_own_caps_go_before_the_common_one() -> None:
    capped = dataclasses.replace(MADE, max_epochs=4.0, max_epochs_of=(("math", 1.5),))
    assert (capped.cap_of("math"), capped.cap_of("web")) == (1.5, 4.0)


def test_a_stage_is_found_by_name() -> None:
    assert MADE.stage("late") is LATE
    with pytest.raises(NotFoundError, match="early, late, sft"):
        MADE.stage("layte")


def test_the_digest_names_all_but_the_name() -> None:
    assert dataclasses.replace(MADE, name="other").digest == MADE.digest
    changes = [
        dataclasses.replace(MADE, stages=(LATE, EARLY, CHAT)),
        dataclasses.replace(MADE, max_epochs=5.0),
        dataclasses.replace(MADE, target=dataclasses.replace(MADE.target, batch_tokens=1)),
        schedule(EARLY, dataclasses.replace(LATE, tokens=400_001), CHAT),
    ]
    assert len({MADE.digest, *(made.digest for made in changes)}) == 5
