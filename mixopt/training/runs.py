"""The runs of a lane: which nodes wait, what their states and measures are, and what becomes of members."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mixopt.evaluation.measure import Measure
from mixopt.evaluation.result import ChosenMixture, Figure, MemberResult, TrainedNode
from mixopt.schedule.layout import StagePlan
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.plan import Plan
from mixopt.schedule.schedule import Packing, StageKind
from mixopt.training.feed import Feed
from mixopt.training.sessions.session import Ending
from mixopt.training.sessions.table import SessionName, session_of
from mixopt.training.states import Notes, Saved, State, StateCache
from mixopt.training.tree import Member, Node, walk

OnProgress = Callable[[int], None]
OnResults = Callable[[list[MemberResult]], None]
Stop = Callable[[str, int, Sequence[Measure]], bool]


def never(_trial: str, _seed: int, _measures: Sequence[Measure]) -> bool:
    """Give no member up."""
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reports:
    """Who hears of a lane."""

    progress: OnProgress  # member-steps done since the last call
    results: OnResults  # of members, as soon as they end
    stop: Stop = never  # asked for every member when a node ends whether to give it up


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """What a lane does at one time: members of a stack train on one kind of rows together."""

    kind: StageKind
    context: int = 0  # inputs per sequence of the stage
    rope_scale: float = 1.0
    packing: Packing = "stream"
    session: SessionName | None = None  # None for stages that are fed by the plan
    examined: str | None = None  # the stage after which members are measured; None to train
    answers: bool = False  # whether members have been taught how to answer
    long_context: int = 0  # at which long bits per byte are taken


@dataclass(kw_only=True, slots=True, eq=False)
class Run:
    """One node in training, or waiting to be."""

    path: tuple[Node, ...]  # from the root to the node
    state: State | None  # None while the run trains in a slot
    step: int = 0  # of the node
    counted: int = 0  # steps of the node that were reported as progress
    measures: tuple[Measure, ...] = ()
    notes: Notes = field(default_factory=Notes)
    feed: Feed | None = None  # None until the node is begun here
    saved_step: int | None = None  # the step that a killed process would go on from
    _resolved: tuple[Notes, Plan] | None = None

    @property
    def node(self) -> Node:
        """What is trained."""
        return self.path[-1]

    @property
    def plan(self) -> Plan:
        """The plan, as far as training has decided what it leaves open."""
        if self._resolved is None or self._resolved[0] is not self.notes:
            self._resolved = self.notes, self.node.plan.resolve(self.notes.outcomes)
        return self._resolved[1]

    @property
    def part(self) -> StagePlan:
        """The stage at proxy scale."""
        return self.plan.stages[self.node.stage]

    @property
    def is_complete(self) -> bool:
        """Whether all steps of the node are done."""
        return self.step == self.part.steps

    def note(self, ending: Ending) -> None:
        """Take over what a session says of the run."""
        self.step = ending.steps
        figures = [
            Figure(stage=self.node.name, name=name, value=value)
            for name, value in ending.figures.items()
            if math.isfinite(value)
        ]
        outcomes = dict(self.notes.outcomes)
        if ending.outcome is not None:
            outcomes[self.node.stage] = ending.outcome
        self.notes = Notes(outcomes=outcomes, figures=(*self.notes.figures, *figures))

    @property
    def rate(self) -> float:
        """Multiple of the base learning rate at the step."""
        return 0.0 if self.feed is None else float(self.feed.rates[self.step])

    @property
    def steps(self) -> list[int]:
        """Steps that were done of every node of the path, wherever gates opened."""
        stages = self.plan.stages
        return [*(stages[node.stage].steps for node in self.path[:-1]), self.step]

    @property
    def remaining(self) -> int:
        """Steps to the farthest end of the subtree."""
        return self.node.longest - self.step

    @property
    def activity(self) -> Activity:
        """What is to be done next."""
        part = self.part
        return Activity(
            kind=self.node.kind,
            context=part.context,
            rope_scale=part.rope_scale,
            packing=part.stage.packing,
            session=None if self.is_complete else session_of(part),
            examined=self.node.name if self.is_complete else None,
            answers=self.node.has_answered,
            long_context=self.node.long_context,
        )


@dataclass(kw_only=True, slots=True)
class Runs:
    """Takes members through their nodes: opens runs, ends them, keeps their states, reports."""

    roots: tuple[Node, ...]
    reports: Reports
    cache: StateCache | None
    step_tokens: int  # of one member
    scheduled: Mapping[Member, int]  # tokens of each member's whole plan
    _seconds: dict[str, float] = field(default_factory=dict)  # spent on each node
    _saved: dict[str, Saved] = field(default_factory=dict)  # from earlier runs, not used yet
    _needless: list[str] = field(default_factory=list)  # keys whose checkpoints may go
    _reported: set[Member] = field(default_factory=set)

    def open(self, initial: Callable[[int], State]) -> list[Run]:
        """Return what is to be trained first: the roots, or what the cache has of their subtrees.

        Args:
            initial: makes the state of a fresh member of a seed.
        """
        if self.cache is not None:
            found = {node.key: self.cache.load(node.key) for node in walk(self.roots)}
            self._saved = {key: saved for key, saved in found.items() if saved is not None}
        runs = []
        for root in self.roots:
            if self._is_covered(root):
                runs += self._open(Run(path=(root,), state=None))
            else:
                runs.append(Run(path=(root,), state=initial(root.members[0].seed), saved_step=0))
        return runs

    def spend(self, runs: Iterable[Run], seconds: float) -> None:
        """Note processor time that was spent on some runs together."""
        nodes = [run.node.key for run in runs]
        for key in nodes:
            self._seconds[key] = self._seconds.get(key, 0.0) + seconds / len(nodes)

    def advance(self, run: Run) -> None:
        """Note that a run has done a step."""
        run.step += 1
        self.count(run, run.step)

    def count(self, run: Run, step: int) -> None:
        """Report a step of a run as progress of its members; once, however often it is begun anew."""
        if step > run.counted:
            run.counted = step
            self.reports.progress(len(run.node.members))

    def end(self, run: Run) -> list[Run]:
        """Report the members that end with a node's end, and return the runs that follow it.

        The run's state is that at the end, and the measures after it are taken.
        """
        node = run.node
        durable = self.cache is not None and self._is_shared(node)
        if durable and run.state is not None and run.saved_step != run.step:
            self._save(run, run.state, shared=True)
        self._report(node.ending, run)
        given_up = [
            member
            for member in self._alive(node)
            if self.reports.stop(member.trial, member.seed, run.measures)
        ]
        self._report(given_up, run, stopped_after=node.name)
        self._skip(given_up, run)
        if durable or not node.children:
            self._needless += [each.key for each in run.path]
        alive = [child for child in node.children if self._alive(child)]
        return [each for child in alive for each in self._follow(run, child, durable=durable)]

    def diverge(self, run: Run) -> None:
        """Report all members of a node whose next step cannot be taken."""
        node, at = run.node, run.node.leg_steps + run.step
        if self.cache is not None and (len(node.members) > 1 or self.cache.settings.keep_stages):
            lost = Saved(
                step=run.step, state=None, measures=run.measures, diverged_at=at, notes=run.notes
            )
            self.cache.save(node.key, lost, "shared")
        self._lose(run, at)

    def save(self, states: Iterable[tuple[Run, State]]) -> None:
        """Write checkpoints of runs that are further than their last ones."""
        if self.cache is None:
            return
        for run, state in states:
            if run.saved_step != run.step:
                self._save(run, state, shared=False)
                self._needless += [each.key for each in run.path[:-1]]
        self.tidy()

    def tidy(self) -> None:
        """Remove the checkpoints of nodes that nobody would go on from."""
        if self.cache is not None:
            self.cache.drop_running(self._needless)
        self._needless = []

    def _open(self, run: Run, known: int = 0) -> list[Run]:
        """Return what is to be trained of a subtree that the cache covers.

        Args:
            run: at the top of the subtree.
            known: nodes of its path whose steps were reported as progress.
        """
        node = run.node
        saved = self._saved.pop(node.key, None)
        if saved is None:  # what follows is further than this node
            below = [Run(path=(*run.path, child), state=None) for child in node.children]
            return [each for child in below for each in self._open(child, known)]
        run.step = run.saved_step = run.counted = saved.step
        run.state, run.measures, run.notes = saved.state, saved.measures, saved.notes
        self.reports.progress(sum(run.steps[known:]) * len(node.members))
        if saved.diverged_at is not None:
            self._lose(run, saved.diverged_at)
            return []
        if run.is_complete and saved.examined:
            return self.end(run)
        return [run]

    def _follow(self, run: Run, child: Node, *, durable: bool) -> list[Run]:
        path = (*run.path, child)
        if self._is_covered(child):
            return self._open(Run(path=path, state=None), len(run.path))
        return [
            Run(
                path=path,
                state=run.state,
                measures=run.measures,
                notes=run.notes,
                saved_step=0 if durable else None,
            )
        ]

    def _is_covered(self, node: Node) -> bool:
        """Return whether the cache has all that is needed to go on without training the node."""
        if node.key in self._saved:
            return True
        return not node.ending and all(self._is_covered(child) for child in node.children)

    def _is_shared(self, node: Node) -> bool:
        """Return whether more than one run goes on, or may go on, from the node's end."""
        if len(node.children) > 1:
            return True
        keeps = self.cache is not None and self.cache.settings.keep_stages
        return keeps and node.kind == "lm"

    def _save(self, run: Run, state: State, *, shared: bool) -> None:
        assert self.cache is not None
        saved = Saved(
            step=run.step, state=state, measures=run.measures, examined=shared, notes=run.notes
        )
        self.cache.save(run.node.key, saved, "shared" if shared else "running")
        run.saved_step = run.step

    def _lose(self, run: Run, diverged_at: int) -> None:
        self._report(run.node.members, run, diverged_at=diverged_at)
        self._needless += [each.key for each in run.path]
        self._skip(run.node.members, run)

    def _skip(self, members: Sequence[Member], run: Run) -> None:
        """Report the steps that members will not be trained for."""
        steps = sum(self.scheduled[each] for each in members) // self.step_tokens
        if members:
            self.reports.progress(steps - sum(run.steps) * len(members))

    def _alive(self, node: Node) -> list[Member]:
        return [member for member in node.members if member not in self._reported]

    def _report(
        self,
        members: Sequence[Member],
        run: Run,
        *,
        diverged_at: int | None = None,
        stopped_after: str | None = None,
    ) -> None:
        fresh = [member for member in members if member not in self._reported]
        self._reported.update(fresh)
        results = [self._result(member, run) for member in fresh]
        if results:
            self.reports.results(
                [
                    replace(each, diverged_at=diverged_at, stopped_after=stopped_after)
                    for each in results
                ]
            )

    def _result(self, member: Member, run: Run) -> MemberResult:
        """Return what became of a member so far; a stage that several share costs each a share."""
        seconds = [self._seconds.get(node.key, 0.0) / len(node.members) for node in run.path]
        path = [
            TrainedNode(
                key=node.key,
                tokens=count * self.step_tokens,
                stage=node.name,
                cpu_seconds=self._seconds.get(node.key, 0.0),
            )
            for node, count in zip(run.path, run.steps, strict=True)
        ]
        return MemberResult(
            trial=member.trial,
            seed=member.seed,
            measures=run.measures,
            diverged_at=None,
            cpu_seconds=sum(seconds),
            tokens=self.scheduled[member],
            path=tuple(path),
            figures=run.notes.figures,
            chosen=tuple(_chosen(run)),
        )


def _chosen(run: Run) -> Iterator[ChosenMixture]:
    """Yield the mixtures that online policies chose on the way of a run."""
    for position, outcome in run.notes.outcomes.items():
        part = run.plan.stages[position]
        domains = part.stage.curve.domains
        for first, shares in zip(part.bounds, outcome.mixtures, strict=False):
            yield ChosenMixture(
                stage=part.stage.name,
                since=float(first / part.bounds[-1]),
                mixture=mixture_of(dict(zip(domains, shares, strict=True))),
            )
