"""Pupils of the tiny proxy on a bench, as a lane would seat them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from tiny import CONTEXT, PROXY, TEXT_DOMAINS, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.proxy.model import padded_vocabulary
from mixopt.proxy.planner import LanePlan
from mixopt.schedule.curve import constant
from mixopt.schedule.gate import Gate
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.plan import Plan, make_plan
from mixopt.schedule.schedule import Online
from mixopt.training.sessions.session import Bench, Ending, Pupil, Session
from mixopt.training.slots import Slots
from mixopt.training.states import State

STEPS = 24  # of the two stages of text together


def _uncounted(_slot: int) -> None:
    pass


def plan_with(
    store: TokenStore,
    seed: int = 0,
    *,
    share: float = 0.5,
    weights: Mapping[str, float] | None = None,
    online: Online | None = None,
    gate: Gate | None = None,
) -> Plan:
    """Return a plan whose first two stages have a mixture and a policy, and whose second has a gate."""
    first, second, *rest = schedule_at(store, share).stages
    curve = constant(mixture_of(weights or dict.fromkeys(TEXT_DOMAINS, 1.0)))
    first = replace(first, curve=curve, online=online)
    second = replace(second, curve=curve, online=online, gate=gate)
    schedule = replace(schedule_at(store, share), stages=(first, second, *rest))
    changed = PROXY.training.model_copy(update={"lm_tokens": STEPS * 2 * CONTEXT})
    return make_plan(
        schedule,
        seed,
        store.inventory,
        changed.budget,
        lambda source: store.domain(source.domain, "train").num_sequences(
            source.context, source.packing
        ),
    )


def attend(
    session: Session,
    store: TokenStore,
    plans: Sequence[Plan],
    *,
    stage: int = 0,
    progress: Callable[[int], None] = _uncounted,
) -> list[tuple[Ending, State]]:
    """Take fresh pupils through a stage of their plans; what became of them, and of their slots."""
    slots = Slots(
        PROXY,
        vocabulary=padded_vocabulary(store.tokenizer.size),
        plan=LanePlan(members=len(plans), micro_sequences=2, bytes=0),
        device="cpu",
    )
    pupils = [
        Pupil(slot=slot, seed=plan.seed, plan=plan, stage=stage) for slot, plan in enumerate(plans)
    ]
    for pupil in pupils:
        slots.load(pupil.slot, slots.initial(pupil.seed))
    endings = session(Bench(slots=slots, store=store, proxy=PROXY, progress=progress), pupils)
    return [(ending, slots.take(slot)) for slot, ending in enumerate(endings)]


def is_same(left: State, right: State) -> bool:
    """Return whether two states are one to the bit."""
    assert left.first_moments is not None
    assert right.first_moments is not None
    assert left.second_moments is not None
    assert right.second_moments is not None
    return (
        torch.equal(left.parameters, right.parameters)
        and torch.equal(left.first_moments, right.first_moments)
        and torch.equal(left.second_moments, right.second_moments)
        and left.steps == right.steps
    )
