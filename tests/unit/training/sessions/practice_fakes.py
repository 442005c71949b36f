"""Tiny members who half know their tasks, and stages in which they practise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import cast

import numpy as np
from tiny import PROXY

from mixopt.corpus.conversations import encode_conversations
from mixopt.corpus.packing import pack
from mixopt.corpus.store import Batch as Rows
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import ByteTokenizer
from mixopt.proxy.model import padded_vocabulary
from mixopt.proxy.planner import LanePlan
from mixopt.schedule.curve import constant
from mixopt.schedule.layout import StagePlan
from mixopt.schedule.mixture import Mixture
from mixopt.schedule.plan import Plan
from mixopt.schedule.practice import Judged, Pivotal, Practice, Reinforcement, Rejection
from mixopt.schedule.rate import RateShape
from mixopt.schedule.schedule import Stage, StageKind
from mixopt.seeds import generator
from mixopt.tasks.render import conversation
from mixopt.tasks.sample import sample_problems
from mixopt.training.feed import stack_rows
from mixopt.training.sessions.session import Bench, Pupil
from mixopt.training.slots import Slots
from mixopt.training.stages import sft
from mixopt.training.states import State

TOKENIZER = ByteTokenizer()
LEVELS = {"comparison": 2, "counting": 1}
CONTEXT = 48
ABSURD = 1e30

REJECTION = Rejection(method="rejection", levels=LEVELS, problems=12, samples=4)
PIVOTAL = Pivotal(method="pivotal", levels=LEVELS, problems=12, samples=4, pairs=3, continuations=4)
JUDGED = Judged(method="judged", levels=LEVELS, problems=12, samples=4, pairs=3)
REINFORCEMENT = Reinforcement(method="grpo", levels=LEVELS, problems=4, samples=4, continuations=4)

_KINDS: dict[str, StageKind] = {
    "rejection": "sft",
    "pivotal": "dpo",
    "judged": "dpo",
    "grpo": "rl",
}


def pupil(
    slot: int,
    practice: Practice,
    *,
    seed: int = 1,
    steps: int = 3,
    peak: float = 1.0,
    context: int = CONTEXT,
) -> Pupil:
    """Return a pupil whose plan is this stage alone."""
    stage = Stage(
        name="practice",
        kind=_KINDS[practice.method],
        tokens=1_000,
        curve=constant(Mixture(domains=(), weights=())),
        context_tokens=context,
        learning_rate=RateShape(peak=peak),
        practice=practice,
    )
    part = StagePlan(
        stage=stage,
        steps=steps,
        planned=steps,
        span=steps,
        context=context,
        sequences=2,
        rope_scale=1.0,
    )
    plan = Plan(seed=seed, sources=(), pools=(), stages=(part,))
    return Pupil(slot=slot, seed=seed, plan=plan, stage=0)


def bench(states: Sequence[State | None]) -> Bench:
    """Return a bench with a slot for every state; None is one that nobody uses."""
    slots = _slots(len(states))
    for slot, state in enumerate(states):
        if state is not None:
            slots.load(slot, state.fresh())
    store = cast("TokenStore", SimpleNamespace(tokenizer=TOKENIZER))
    return Bench(slots=slots, store=store, proxy=PROXY)


@cache
def half_taught(seed: int = 0) -> State:
    """Return a member that answers about half of its problems rightly."""
    slots = _slots(1)
    slots.load(0, slots.initial(seed))
    problems = [
        problem
        for family, level in LEVELS.items()
        for problem in sample_problems(
            family, level=level, split="train", count=100, seed=seed, at_most=True
        )
    ]
    examples = encode_conversations([conversation(each) for each in problems], TOKENIZER)
    packed = pack([each for each in examples if each], row_length=CONTEXT + 1, padding=0)
    stream = generator(seed, "half taught")
    for _ in range(160):
        here = stream.integers(0, len(packed.tokens), 4)
        rows = Rows(
            tokens=packed.tokens[here].astype(np.int64),
            answers=packed.answers[here],
            segments=packed.segments[here],
        )
        slots.train(sft.batch(stack_rows([rows])), [0])
        slots.update({0: 1e-2})
    return slots.take(0).fresh()


def untaught(seed: int = 0) -> State:
    """Return a member that knows nothing."""
    return _slots(1).initial(seed)


def _slots(width: int) -> Slots:
    plan = LanePlan(members=width, micro_sequences=2, bytes=0)
    size = padded_vocabulary(TOKENIZER.size)
    return Slots(PROXY, vocabulary=size, plan=plan, device="cpu")
