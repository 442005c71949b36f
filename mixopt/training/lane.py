"""A lane: takes members through their stage tree, as many at a time as it has slots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic, process_time
from typing import TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from mixopt.corpus.store import Batch as Rows
from mixopt.corpus.store import TokenStore
from mixopt.errors import DeviceError
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.device_memory import release
from mixopt.proxy.model import padded_vocabulary
from mixopt.proxy.planner import LanePlan, is_out_of_memory, plan_lane
from mixopt.recipes.digest import digest
from mixopt.schedule.layout import Source
from mixopt.schedule.plan import Plan, make_plan
from mixopt.schedule.schedule import StageKind
from mixopt.training.examiner import Examination, Examiner
from mixopt.training.feed import Feed
from mixopt.training.runs import Activity, Reports, Run, Runs, Stop, never
from mixopt.training.sessions.session import Bench, Pupil, base_rate
from mixopt.training.sessions.table import SessionName, find_session
from mixopt.training.slots import Slots
from mixopt.training.states import StateCache, StateSettings
from mixopt.training.tree import Member, grow

_Found = TypeVar("_Found")
_ORDER = get_args(StageKind)


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneJob:
    """Everything a process needs to train a lane."""

    proxy: ProxyRecipe
    store: TokenStore
    members: tuple[Member, ...]
    examination: Examination
    width: int | None = None  # most members trained at once; None for what suits the device
    device: str = "cpu"
    states: StateSettings | None = None  # None to keep nothing on disk
    stop: Stop = never  # asked for every member when a stage ends; goes to another process


def plan_of(member: Member, proxy: ProxyRecipe, store: TokenStore) -> Plan:
    """Return the plan of one member.

    Raises:
        SupplyError: the schedule cannot be run with this catalog and proxy.
        NotFoundError: a stage is ordered by a score that its domains do not have.
    """

    def available(source: Source) -> int:
        return store.domain(source.domain, "train").num_sequences(source.context, source.packing)

    def scores(source: Source, name: str) -> NDArray[np.float64]:
        return store.domain(source.domain, "train").scores(name, source.context, source.packing)

    return make_plan(
        member.schedule, member.seed, store.inventory, proxy.training.budget, available, scores
    )


def arithmetic(proxy: ProxyRecipe, store: TokenStore, device: str) -> str:
    """Return what decides how the numbers of a proxy are rounded on a device."""
    plan = LanePlan(members=1, micro_sequences=proxy.training.sequences, bytes=0)
    return _make_slots(proxy, store, device, plan).backend.fingerprint


def train_lane(job: LaneJob, reports: Reports) -> None:
    """Train and measure all members of a lane; what a member is never depends on the others.

    Members that begin alike are trained together until they part. States that others can use and,
    now and then, all that is in training are kept on disk, so that the same job goes on where it
    was killed.

    Raises:
        SupplyError: a schedule cannot be run with this catalog and proxy.
    """
    if job.members:
        _Lane(job, reports).run()


class _Lane:
    """Slots that are filled from what waits, kind by kind, until nothing is left."""

    def __init__(self, job: LaneJob, reports: Reports) -> None:
        training = job.proxy.training
        plans = [plan_of(member, job.proxy, job.store) for member in job.members]
        self._job = job
        self._plan = _make_plan(job)
        self._slots = self._make_slots(self._plan)
        self._examiner = Examiner(job.examination, job.store, training.context)
        self._runs = Runs(
            roots=grow(job.members, plans, self._ground()),
            reports=reports,
            cache=StateCache(job.states) if job.states else None,
            step_tokens=training.step_tokens,
            scheduled={
                member: sum(part.steps for part in plan.stages) * training.step_tokens
                for member, plan in zip(job.members, plans, strict=True)
            },
        )
        self._running: dict[int, Run] = {}
        self._waiting: list[Run] = []
        self._activity = Activity(kind="lm")
        self._next_save = monotonic() + (job.states.interval_seconds if job.states else 0.0)
        self._last_charge = process_time()

    def run(self) -> None:
        """Activity until every member is reported."""
        self._waiting = self._runs.open(self._slots.initial)
        while self._waiting or self._running:
            self._fill()
            if self._activity.examined is not None:
                self._examine(self._activity.examined)
            elif self._activity.session is not None:
                self._attend(self._activity.session)
            else:
                self._advance()
            self._save_when_due()
        self._runs.tidy()

    def _fill(self) -> None:
        """Give free slots to what waits for the present work, the longest way first.

        A lane does one kind of work at a time, that which fills it best. What runs is put aside
        when enough members wait to be examined, or when it leaves slots idle that others need.
        """
        waiting = Counter(run.activity for run in self._waiting)
        width = self._plan.members
        idle = len(self._running) < width and not waiting[self._activity]
        full = [each for each in waiting if waiting[each] >= width and each != self._activity]
        if self._running and any(idle or each.examined for each in full):
            self._put_aside()
            waiting = Counter(run.activity for run in self._waiting)
        if not self._running:
            self._activity = max(waiting, key=lambda each: (min(waiting[each], width), _rank(each)))
        self._fit(min(width, len(self._running) + waiting[self._activity]))
        self._slots.stack.rope_scale = self._activity.rope_scale
        ready = [run for run in self._waiting if run.activity == self._activity]
        ready.sort(key=lambda run: -run.remaining)
        free = [slot for slot in range(self._slots.width) if slot not in self._running]
        for slot, run in zip(free, ready, strict=False):
            self._waiting.remove(run)
            self._load(slot, run)

    def _fit(self, wanted: int) -> None:
        """Have as many slots as are used, where the width of a lane makes no difference.

        On a CPU a member's numbers do not depend on it, and a slot costs time, used or not. A GPU
        rounds differently at another width and takes as long for few members as for many.
        """
        width = self._slots.width
        if self._job.device == "cpu" and (wanted > width or (not self._running and wanted < width)):
            self._put_aside()
            self._slots = self._make_slots(replace(self._plan, members=wanted))

    def _load(self, slot: int, run: Run) -> None:
        assert run.state is not None
        self._slots.load(slot, run.state)
        self._running[slot] = run
        if run.activity.session is None and not run.is_complete:
            run.feed = run.feed or Feed(run.plan, run.node.stage, self._job.store)
            run.state = None  # it moves on in the slot; a session starts over if it has to

    def _vacate(self, slot: int) -> None:
        del self._running[slot]
        self._slots.clear(slot)

    def _put_aside(self) -> None:
        """Let everything that runs wait, as far as it is."""
        for slot, run in list(self._running.items()):
            run.state = run.state or self._slots.take(slot)
            self._waiting.append(run)
            self._vacate(slot)

    def _advance(self) -> None:
        """Take one step with everything that runs."""
        kind = self._activity.kind
        rows = [self._rows(slot) for slot in range(self._slots.width)]
        losses = self._attempt(lambda: self._slots.gradients(kind, rows))
        if losses is None:
            return
        base = base_rate(self._job.proxy, kind)
        rates = {slot: run.rate * base for slot, run in self._running.items()}
        norms = self._slots.update(rates)
        self._spend()
        for slot, run in list(self._running.items()):
            leg_step = run.node.leg_steps + run.step
            if self._slots.has_diverged(losses[slot], norms[slot], leg_step):
                self._runs.diverge(run)
                self._vacate(slot)
                continue
            self._runs.advance(run)
            if run.is_complete:
                self._complete(slot, run)

    def _attend(self, name: SessionName) -> None:
        """Take everything that runs through its stage."""
        session = find_session(name, self._job.examination, self._job.store)
        running, taken = list(self._running.items()), Counter[int]()

        def count(slot: int) -> None:
            taken[slot] += 1
            self._runs.count(self._running[slot], taken[slot])

        bench = Bench(
            slots=self._slots,
            store=self._job.store,
            proxy=self._job.proxy,
            progress=count,
            leg_steps={slot: run.node.leg_steps for slot, run in running},
        )
        pupils = [
            Pupil(slot=slot, seed=run.node.members[0].seed, plan=run.plan, stage=run.node.stage)
            for slot, run in running
        ]
        endings = self._attempt(lambda: session(bench, pupils))
        if endings is None:
            return
        self._spend()
        for (slot, run), ending in zip(running, endings, strict=True):
            run.note(ending)
            if ending.diverged:
                self._runs.diverge(run)
                self._vacate(slot)
            else:
                self._complete(slot, run)

    def _rows(self, slot: int) -> Rows | None:
        run = self._running.get(slot)
        return run.feed.rows(run.step) if run is not None and run.feed is not None else None

    def _complete(self, slot: int, run: Run) -> None:
        """Take a run that has done its steps out, to be examined."""
        state = self._slots.take(slot)
        self._vacate(slot)
        run.feed = None
        run.state = state.fresh() if run.node.ends_leg else state
        self._waiting.append(run)

    def _examine(self, stage: str) -> None:
        activity = self._activity
        found = self._attempt(
            lambda: self._examiner.measure(
                self._slots.backend,
                answers=activity.answers,
                context=activity.long_context,
                stage=stage,
            )
        )
        if found is None:
            return
        self._spend()
        for slot, run in list(self._running.items()):
            self._vacate(slot)
            run.measures += tuple(found[slot])
            run.saved_step = None
            self._waiting += self._runs.end(run)

    def _spend(self) -> None:
        """Charge what runs with the processor time since the last charge."""
        now = process_time()
        self._runs.spend(self._running.values(), now - self._last_charge)
        self._last_charge = now

    def _save_when_due(self) -> None:
        settings, began = self._job.states, monotonic()
        if settings is None or began < self._next_save:
            return
        running = [
            (run, run.state or self._slots.take(slot)) for slot, run in self._running.items()
        ]
        waiting = [(run, run.state) for run in self._waiting if run.state is not None]
        self._runs.save([*running, *waiting])
        ended = monotonic()
        pause = max(settings.interval_seconds, (ended - began) / settings.largest_share)
        self._next_save = ended + pause

    def _attempt(self, work: Callable[[], _Found]) -> _Found | None:
        """Return what the work gives; where memory runs out, make the lane smaller and nothing else.

        Neither gradients nor measures change a member, so all go on where they were.
        """
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        self._shrink()  # outside of the handler: the error's frames hold what is to be freed
        return None

    def _shrink(self) -> None:
        self._put_aside()
        plan, job = self._plan.smaller(), self._job
        if plan is None:
            what = f"proxy '{job.proxy.name}' does not fit on {job.device}"
            raise DeviceError(
                what,
                why="Memory ran out with one member and one sequence at a time.",
                remedy="Free memory, choose a smaller proxy, or train on another device.",
            )
        self._plan = plan
        del self._slots
        release()
        self._slots = self._make_slots(plan)

    def _make_slots(self, plan: LanePlan) -> Slots:
        return _make_slots(self._job.proxy, self._job.store, self._job.device, plan)

    def _ground(self) -> str:
        """Return the hash of what decides the numbers of all members alike."""
        job = self._job
        return digest(
            [
                job.proxy.content_hash,
                job.store.content_hash,
                job.store.inventory.content_hash,
                self._slots.backend.fingerprint,
                job.examination,
            ]
        )


def _make_slots(proxy: ProxyRecipe, store: TokenStore, device: str, plan: LanePlan) -> Slots:
    vocabulary = padded_vocabulary(store.tokenizer.size)
    return Slots(proxy, vocabulary=vocabulary, plan=plan, device=device)


def _make_plan(job: LaneJob) -> LanePlan:
    members = len(job.members)
    if job.width is not None:
        width = min(job.width, members)
        return LanePlan(members=width, micro_sequences=job.proxy.training.sequences, bytes=0)
    return plan_lane(
        job.proxy,
        vocabulary=padded_vocabulary(job.store.tokenizer.size),
        device=job.device,
        waiting=members,
        trial=job.device != "cpu",  # a lane that runs out of memory gets smaller all the same
    )


def _rank(work: Activity) -> int:
    """Return which work comes first among equals: what ends members, and needs no state kept."""
    return 2 * _ORDER.index(work.kind) + (work.examined is not None)
