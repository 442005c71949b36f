"""Every practice: a pupil ends bit for bit as it would alone, whatever the others are and do."""

from __future__ import annotations

import pytest
import torch
from practice_fakes import (
    ABSURD,
    JUDGED,
    PIVOTAL,
    REINFORCEMENT,
    REJECTION,
    bench,
    half_taught,
    pupil,
    untaught,
)

from mixopt.proxy.sampling import Sampling, sample
from mixopt.schedule.practice import Practice
from mixopt.training.sessions import judged, pivotal, reinforcement, rejection
from mixopt.training.sessions.asking import interviews
from mixopt.training.sessions.session import Bench, Ending, Pupil, Session

pytestmark = pytest.mark.usefixtures("one_thread")

SESSIONS: dict[str, Session] = {
    "rejection": rejection.practise,
    "pivotal": pivotal.practise,
    "judged": judged.practise,
    "grpo": reinforcement.practise,
}
PROCESS = REINFORCEMENT.model_copy(update={"process": True})
UNWATCHED = REINFORCEMENT.model_copy(update={"divergence": 0.0})

CASES: dict[str, tuple[Practice, dict[str, object], dict[str, object]]] = {
    "rejection": (REJECTION, {"keep": 1, "temperature": 0.5}, {"problems": 5, "samples": 2}),
    "pivotal": (PIVOTAL, {"gap": 0.6, "temperature": 0.5}, {"pairs": 2, "continuations": 3}),
    "judged": (JUDGED, {"beta": 1.0, "normalized": True}, {"pairs": 5, "samples": 3}),
    "grpo": (REINFORCEMENT, {"divergence": 0.5, "scaled": False}, {"problems": 3}),
    "process": (PROCESS, {"divergence": 0.5, "temperature": 0.5}, {"process": False}),
    "unwatched": (UNWATCHED, {"clip": 0.1}, {"divergence": 0.1}),
}


def _alone(practice: Practice, seed: int) -> tuple[torch.Tensor, Ending]:
    own = bench([half_taught()])
    (ending,) = SESSIONS[practice.method](own, [pupil(0, practice, seed=seed)])
    return own.slots.take(0).parameters, ending


@pytest.mark.parametrize("case", CASES)
def test_a_pupil_ends_as_it_would_alone(case: str) -> None:
    practice, like, unlike = CASES[case]
    others: list[Pupil] = [
        pupil(0, practice.model_copy(update=like), seed=2, steps=2),
        pupil(1, practice.model_copy(update=unlike), seed=3, steps=4),
        pupil(2, practice, seed=4, peak=ABSURD),
    ]
    states = [half_taught(1), half_taught(1), half_taught(), half_taught(), None, untaught()]
    together = bench(states)
    pupils = [*others, pupil(3, practice, seed=5), pupil(5, practice, seed=6)]
    endings = SESSIONS[practice.method](together, pupils)
    parameters, ending = _alone(practice, 5)
    assert torch.equal(together.slots.take(3).parameters, parameters)
    assert endings[3] == ending
    assert [each.diverged for each in endings] == [False, False, True, False, False]
    assert [each.steps for each in endings] == [2, 4, endings[2].steps, 3, 3]
    assert not together.slots.take(4).parameters.any()


@pytest.mark.parametrize("case", CASES)
def test_a_pupil_ends_as_alone_when_others_of_another_shape_trained_before_it(case: str) -> None:
    practice, _, unlike = CASES[case]
    other = practice.model_copy(update=unlike)
    together = bench([half_taught(1), half_taught()])
    pupils = [pupil(0, practice, seed=2, steps=4), pupil(1, other, seed=3)]
    endings = SESSIONS[practice.method](together, pupils)
    parameters, ending = _alone(other, 3)
    assert torch.equal(together.slots.take(1).parameters, parameters)
    assert endings[1] == ending


@pytest.mark.parametrize("case", CASES)
def test_seeds_decide_what_a_pupil_learns(case: str) -> None:
    practice = CASES[case][0]
    first, again, other = (_alone(practice, seed) for seed in (5, 5, 6))
    assert torch.equal(first[0], again[0])
    assert first[1] == again[1]
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], half_taught().parameters)


def test_a_member_samples_alike_in_any_company() -> None:
    questions: list[list[str]] = [["Q: smallest 4 8 9\nA:"] * 9, [], ["Q: a\nA:"] * 3]
    prompts = [[list(text.encode()) for text in own] for own in questions]
    warm = pupil(0, REINFORCEMENT.model_copy(update={"temperature": 0.7}))
    together, single = (
        bench([half_taught(), half_taught(1), half_taught(2)]),
        bench([half_taught()]),
    )
    found, alone = (
        sample(each.slots.stack, prompts[:width], [1, 2, 3][:width], _sampling(each, warm))
        for each, width in ((together, 3), (single, 1))
    )
    assert found[:1] == alone
    assert found[1] == []


def _sampling(table: Bench, asked: Pupil) -> Sampling:
    (interview,) = interviews(table, [asked], lambda _: 0)
    return interview.sampling(4)
