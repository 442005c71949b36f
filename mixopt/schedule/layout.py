"""The layout of stages at proxy scale: their steps, contexts, and how much each block draws."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mixopt.errors import SupplyError
from mixopt.schedule import simplex
from mixopt.schedule.gate import Gate
from mixopt.schedule.schedule import Packing, Schedule, Stage, StageKind

_MAX_BLOCKS = 64
_NO_ROWS = np.zeros(0, np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What sequences are drawn from: a domain, cut into sequences in one way."""

    domain: str
    context: int  # inputs per sequence
    packing: Packing


@dataclass(frozen=True, kw_only=True, slots=True)
class StageOutcome:
    """What training decided about one stage."""

    steps: int | None = None  # after which the next stage's gate opened; None without one
    mixtures: tuple[tuple[float, ...], ...] = ()
    """[blocks so far][domains of the curve] shares that an online policy chose."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StagePlan:
    """One stage at proxy scale: its steps, and how many sequences of each source each block has."""

    stage: Stage
    planned: int  # steps by its tokens alone, before any gate
    steps: int
    span: int  # steps that the curve and the learning rate are laid over
    context: int  # inputs per sequence
    sequences: int  # per step
    rope_scale: float  # multiple of the proxy's own rotary base
    checks: tuple[int, ...] = ()
    """Steps after which the gate of the next stage is looked at, ascending; the last opens it."""
    bounds: NDArray[np.int64] = field(default_factory=lambda: _NO_ROWS)
    """[blocks + 1] first row of each block, in rows of the stage."""
    drawn: NDArray[np.int64] = field(default_factory=lambda: _NO_ROWS)
    """[blocks + 1, M] sequences drawn before each block, earlier stages too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What one proxy trains on; the target's stages are scaled to it, kind by kind."""

    tokens: Mapping[StageKind, int]  # of `lm` and `sft`
    context_tokens: int
    sequences: int  # rows per step
    practice_steps: Mapping[StageKind, int] = field(default_factory=dict)  # of `dpo` and `rl`

    def steps(self, kind: StageKind) -> int:
        """Return the optimizer steps of all stages of one kind."""
        if kind in ("dpo", "rl"):
            return self.practice_steps.get(kind, 0)
        return self.tokens[kind] // (self.context_tokens * self.sequences)

    def stages(self, schedule: Schedule) -> tuple[StagePlan, ...]:
        """Return the stages of a schedule with their steps, contexts and rotary bases.

        Gates and blocks are left to `lay_out`.

        Raises:
            SupplyError: a stage gets no step, or one sequence is longer than a step.
        """
        steps, rope_base, found = self._steps(schedule), schedule.target.rope_base, []
        for stage, count in zip(schedule.stages, steps, strict=True):
            rope_base = stage.rope_base or rope_base
            context = self._context(stage, schedule)
            found.append(
                StagePlan(
                    stage=stage,
                    planned=count,
                    steps=count,
                    span=count,
                    context=context,
                    sequences=self.context_tokens * self.sequences // context,
                    rope_scale=rope_base / schedule.target.rope_base,
                )
            )
        return tuple(found)

    def _context(self, stage: Stage, schedule: Schedule) -> int:
        """Return the context at proxy scale; conversations are packed for the proxy's own."""
        if stage.kind != "lm":
            return self.context_tokens
        context = round(self.context_tokens * stage.context_tokens / schedule.target.context_tokens)
        if not 2 <= context <= self.context_tokens * self.sequences:
            message = f"the context of stage '{stage.name}' does not fit the proxy"
            raise SupplyError(
                message,
                why=f"{stage.context_tokens:,} of the target's {schedule.target.context_tokens:,} "
                f"tokens are {context:,} of the proxy's {self.context_tokens:,}; a step has "
                f"{self.context_tokens * self.sequences:,} tokens.",
                remedy="Choose a context nearer to the target's, or a proxy with larger steps.",
            )
        return context

    def _steps(self, schedule: Schedule) -> list[int]:
        """Return the steps of every stage: each kind's budget in proportion to the target's tokens."""
        steps: dict[str, int] = {}
        for kind in dict.fromkeys(stage.kind for stage in schedule.stages):
            stages = [stage for stage in schedule.stages if stage.kind == kind]
            counts = simplex.apportion([stage.tokens for stage in stages], self.steps(kind))
            steps |= {stage.name: int(count) for stage, count in zip(stages, counts, strict=True)}
        empty = [name for name, count in steps.items() if count == 0]
        if empty:
            message = f"the proxy has no step for stage '{empty[0]}'"
            raise SupplyError(
                message,
                why=f"A step is {self.context_tokens * self.sequences:,} tokens; the budget is "
                f"{dict(self.tokens)} tokens and {dict(self.practice_steps)} steps of practice.",
                remedy="Give the proxy more tokens or the stage a larger share.",
            )
        return [steps[stage.name] for stage in schedule.stages]


def lay_out(
    stages: Sequence[StagePlan], sources: Sequence[Source], outcomes: Mapping[int, StageOutcome]
) -> tuple[StagePlan, ...]:
    """Return the stages with their blocks, by what is known of how training went.

    A gate whose outcome is not known opens at its latest point. Rows that were drawn before an
    outcome are the same after it, and laying out again what was laid out changes nothing.

    Args:
        stages: with their planned steps; all else about time is laid anew.
        sources: the M columns.
        outcomes: by position of the stage, as far as they are known.
    """
    drawn = np.zeros(len(sources), np.int64)
    found, spare = [], 0
    for position, part in enumerate(stages):
        outcome = outcomes.get(position, StageOutcome())
        following = stages[position + 1] if position + 1 < len(stages) else None
        whole, ahead = _timed(part, following, spare)
        steps = whole.span if outcome.steps is None or not whole.checks else outcome.steps
        spare = ahead + whole.span - steps
        bounds = _bounds(whole)
        table = _quotas(whole, bounds, sources, outcome.mixtures) + drawn
        kept = bounds <= steps * part.sequences
        found.append(replace(whole, steps=steps, bounds=bounds[kept], drawn=table[kept]))
        drawn = found[-1].drawn[-1]
    return tuple(found)


def most_drawn(stages: Sequence[StagePlan], sources: Sequence[Source]) -> NDArray[np.int64]:
    """Return the most sequences that stages draw of each source, wherever their gates open; [M].

    A gate opens as early or as late as it may: between these, draws are linear in each point. No
    gate may stand on the first of the stages.

    Args:
        stages: as laid out, the last ones of a plan.
        sources: the M columns.
    """
    gated = [position for position, part in enumerate(stages) if part.checks]
    most = np.zeros(len(sources), np.int64)
    for ends in itertools.product((False, True), repeat=len(gated)):
        laid, outcomes = lay_out(stages, sources, {}), {}
        for position, is_late in zip(gated, ends, strict=True):
            steps = laid[position].checks[-1] if is_late else _earliest(laid, position)
            outcomes[position] = StageOutcome(steps=steps)
            laid = lay_out(stages, sources, outcomes)
        most = np.maximum(most, laid[-1].drawn[-1]) if laid else most
    return most


def _earliest(stages: Sequence[StagePlan], position: int) -> int:
    """Return the first check at which the gate after a stage may open, to a step."""
    gate, checks = stages[position + 1].stage.gate, stages[position].checks
    assert gate is not None
    share = gate.earliest / gate.latest if gate.latest else 0.0
    return next(each for each in checks if each + 1 >= share * checks[-1])


def _timed(part: StagePlan, following: StagePlan | None, spare: int) -> tuple[StagePlan, int]:
    """Return a stage up to the latest point of the gate after it, and the steps it leaves the next.

    Those come on top of the next stage's planned steps, or off them where they are negative.

    Args:
        part: the stage.
        following: the stage after it.
        spare: steps that the stage before left to this one; negative where it took some.
    """
    steps = part.planned + spare
    gate = following.stage.gate if following is not None else None
    if following is None or gate is None:
        return replace(part, steps=steps, span=steps, checks=()), 0
    checks = _checks(gate, steps + following.planned)
    last = checks[-1]
    return replace(part, steps=last, span=last, checks=checks), steps - last


def _checks(gate: Gate, total: int) -> tuple[int, ...]:
    """Return the steps after which a gate is looked at; both stages keep at least one step."""
    last = min(max(round(gate.latest * total), 1), total - 1)
    points = np.round(np.arange(gate.every, gate.latest, gate.every) * total).astype(int)
    return tuple(sorted({int(each) for each in points if 0 < each < last} | {last}))


def _bounds(part: StagePlan) -> NDArray[np.int64]:
    """Return the first row of each block: as many as keep up with what moves inside the stage."""
    stage, blocks = part.stage, 1
    if stage.online is not None:
        blocks = min(stage.online.updates, part.steps)
    elif stage.curve.shape != "constant" or stage.ordering is not None:
        blocks = min(_MAX_BLOCKS, part.steps)
    steps = np.linspace(0, part.steps, blocks + 1).round().astype(np.int64)
    return np.unique(np.concatenate([steps, np.array(part.checks, np.int64)])) * part.sequences


def _quotas(
    part: StagePlan,
    bounds: NDArray[np.int64],
    sources: Sequence[Source],
    mixtures: Sequence[Sequence[float]],
) -> NDArray[np.int64]:
    """Return [blocks + 1, M] sequences drawn before each block of the stage, exact in every block."""
    middle = (bounds[:-1] + bounds[1:]) / 2 / max(bounds[-1], 1)
    domains = part.stage.curve.domains
    weights = part.stage.curve.weights_at(middle, domains)  # [blocks, domains]
    for block, chosen in enumerate(mixtures):
        weights[block] = chosen
    columns = {
        source.domain: index
        for index, source in enumerate(sources)
        if (source.context, source.packing) == (part.context, part.stage.packing)
    }
    sizes = np.diff(bounds)
    shares = np.zeros((len(sizes), len(sources)))
    for index, domain in enumerate(domains):
        if domain in columns:
            shares[:, columns[domain]] = weights[:, index]
    wanted = np.cumsum(shares * sizes[:, None], axis=0)
    table = np.zeros((len(bounds), len(sources)), np.int64)
    for block, size in enumerate(sizes):
        need = np.clip(wanted[block] - table[block], 0.0, None)
        if need.any():
            table[block + 1] = table[block] + simplex.apportion(need, int(size))
    return table
