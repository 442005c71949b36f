"""The course of one pupil through a stage whose mixture an online policy sets, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixopt.corpus.store import TokenStore
from mixopt.schedule import simplex
from mixopt.schedule.layout import StageOutcome, StagePlan, lay_out, most_drawn
from mixopt.schedule.plan import Plan
from mixopt.training.feed import Feed
from mixopt.training.online.policy import Observation
from mixopt.training.online.table import POLICIES
from mixopt.training.sessions.laps import Lap
from mixopt.training.sessions.probe import Probe, Vector, affordable_sequences
from mixopt.training.sessions.session import Bench, Ending, Pupil


class Course:
    """Where one pupil is: what its policy knows, and the mixtures that it has chosen.

    Attributes:
        pupil: who.
        policy: of the pupil's stage.
        probe: what is measured for the policy.
        reference_losses: [M] of the pupil after the stage on the prior, once they are known.
        gradients: what policies read from gradients, [M, M] by need, as last found.
        is_lost: whether the pupil was lost on the way to its reference.
    """

    def __init__(self, pupil: Pupil, store: TokenStore, limits: Mapping[str, float]) -> None:
        """Start on the prior.

        Args:
            pupil: at the beginning of the stage.
            store: of the text.
            limits: most epochs of domains over all stages; domains without a limit lack.
        """
        online, prior = pupil.part.stage.online, pupil.part.stage.curve.mean().as_dict()
        assert online is not None
        self.pupil, self.policy = pupil, POLICIES[online.policy]
        self.domains = tuple(prior)
        self.reference_losses: Vector | None = None
        self.gradients: dict[str, Vector] = {}
        self.is_lost = False
        self._columns = _columns(pupil, self.domains)
        self._rooms = _rooms(pupil, self._columns, limits)
        self._state = self.policy.init(self.domains, list(prior.values()))
        self._mixtures: list[Vector] = []  # [M] each
        self._plan = pupil.plan  # laid by the mixtures so far
        self.probe = Probe(
            pupil=pupil,
            columns=tuple(self._columns),
            sequences=affordable_sequences(len(prior), self.block_rows),
            store=store,
        )

    @property
    def blocks(self) -> int:
        """Blocks of the stage."""
        return len(self.pupil.part.bounds) - 1

    @property
    def block_rows(self) -> float:
        """Rows of a block in the mean."""
        return float(self.pupil.part.bounds[-1]) / self.blocks

    @property
    def outcome(self) -> StageOutcome:
        """What was chosen so far, over the domains of the curve."""
        names = self.pupil.part.stage.curve.domains
        table = np.zeros((len(self._mixtures), len(names)))
        for block, mixture in enumerate(self._mixtures):
            table[block, [names.index(domain) for domain in self.domains]] = mixture
        return StageOutcome(mixtures=tuple(tuple(row) for row in table.tolist()))

    def may_train(self, bench: Bench) -> bool:
        """Return whether there are steps left, and a pupil to take them."""
        return not self.is_lost and bool(bench.live([self.pupil]))

    def lap(self) -> Lap:
        """Fix the mixture of the next block, and return the way through it."""
        self._mixtures.append(self._capped())
        self._plan = _laid(self.pupil, self.outcome)
        known = replace(self._part, steps=self._end)  # so that nothing beyond is read
        plan = _replaced(self._plan, self.pupil.stage, known)
        feed = Feed(plan, self.pupil.stage, self.probe.store)
        return Lap(pupil=self.pupil, feed=feed, end=self._end)

    def update(self, losses: Vector | None) -> None:
        """Show the policy what was found; what is not finite says nothing, and the mixture stays.

        Args:
            losses: [M] in nats per token, where the policy needs them.
        """
        found = {"losses": losses, "reference_losses": self.reference_losses, **self.gradients}
        needed = {name: found[name] for name in self.policy.needs}
        if all(value is not None and np.isfinite(value).all() for value in needed.values()):
            drawn = self._drawn() * self._part.context
            seen = Observation(step=self._end, tokens=drawn.astype(float), **needed)
            self._state = self.policy.update(self._state, seen)

    def ending(self, bench: Bench) -> Ending:
        """Return what became of the pupil, with `updates` and `largest_change` of a weight by one."""
        changes = (
            np.abs(np.diff(self._mixtures, axis=0)) if len(self._mixtures) > 1 else np.zeros(1)
        )
        figures = {"updates": float(self._state.updates), "largest_change": float(changes.max())}
        ending = bench.ending(self.pupil, figures, self.outcome)
        return replace(ending, diverged=ending.diverged or self.is_lost)

    @property
    def _part(self) -> StagePlan:
        return self._plan.stages[self.pupil.stage]

    @property
    def _end(self) -> int:
        """The step with which the last block ends whose mixture is known."""
        return int(self._part.bounds[len(self._mixtures)]) // self._part.sequences

    def _drawn(self) -> NDArray[np.int64]:
        """Return the sequences of each domain in the blocks whose mixtures are known, [M]."""
        drawn: NDArray[np.int64] = self._part.drawn[len(self._mixtures)] - self._part.drawn[0]
        return drawn[self._columns]

    def _capped(self) -> Vector:
        """Return the mixture nearest to the policy's for which there are sequences; [M]."""
        size = float(np.diff(self._part.bounds)[len(self._mixtures)])
        drawn = self._drawn() if self._mixtures else np.zeros(len(self.domains))
        caps = np.clip((self._rooms - drawn) / size, 0.0, 1.0)
        # The rooms together fill the stage; only quotas in whole sequences may lack a little.
        return simplex.cap(self._state.mixture, caps / min(1.0, caps.sum()))


def _columns(pupil: Pupil, domains: Sequence[str]) -> list[int]:
    """Return the source of each domain that the stage draws from, [M]."""
    part = pupil.part
    found = {
        source.domain: index
        for index, source in enumerate(pupil.plan.sources)
        if (source.context, source.packing) == (part.context, part.stage.packing)
    }
    return [found[domain] for domain in domains]


def _rooms(pupil: Pupil, columns: Sequence[int], limits: Mapping[str, float]) -> Vector:
    """Return how many sequences of each domain the stage may draw, [M].

    A limit is on the epochs of all stages; what the others draw is set aside, and of those to come
    the most that they may, wherever their gates open. What the stage's own prior draws it may draw
    in any case, as the plan has been checked.
    """
    plan, part = pupil.plan, pupil.part
    sizes = np.array([pool.num_sequences for pool in plan.pools], float)
    own = part.drawn[-1] - part.drawn[0]
    later = most_drawn(plan.stages[pupil.stage + 1 :], plan.sources)
    others = (part.drawn[0] + later) / sizes  # epochs, by source
    names = np.array([source.domain for source in plan.sources])
    rooms = []
    for column in columns:
        domain = plan.sources[column].domain
        left = limits.get(domain, np.inf) - float(others[names == domain].sum())
        rooms.append(max(left * sizes[column], float(own[column])))
    return np.array(rooms)


def _laid(pupil: Pupil, outcome: StageOutcome) -> Plan:
    """Return the plan with the pupil's stage laid by its mixtures, and all else as it is."""
    part = replace(pupil.part, planned=pupil.part.steps)  # a gate before it has opened already
    (laid,) = lay_out([part], pupil.plan.sources, {0: outcome})
    laid = replace(laid, planned=pupil.part.planned, drawn=laid.drawn + part.drawn[0])
    return _replaced(pupil.plan, pupil.stage, laid)


def _replaced(plan: Plan, stage: int, part: StagePlan) -> Plan:
    stages = (*plan.stages[:stage], part, *plan.stages[stage + 1 :])
    return replace(plan, stages=stages)
