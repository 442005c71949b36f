"""The values of a plan at the target: stages, pieces, domains, the learning rate and the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixopt.schedule.practice import Practice
from mixopt.schedule.rate import Decay
from mixopt.schedule.schedule import Online, Ordering, Packing, StageKind, TargetRun


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What a target draws a domain from.

    Attributes:
        domain: the domain's name.
        schema: `text` or `conversation`.
        supply_tokens: unique tokens of the domain for the target run.
        sample_tokens: tokens of its train split that the catalog holds.
        document_tokens: mean length of a document in tokens; 0 where the catalog has none.
        shards: paths or URLs of the catalog's files of the domain, of all splits.
        content_hash: names the domain's documents.
    """

    domain: str
    schema: str
    supply_tokens: int
    sample_tokens: int
    document_tokens: float
    shards: tuple[str, ...]
    content_hash: str

    @property
    def rows(self) -> int:
        """Documents that the target run has, at the mean length."""
        return round(self.supply_tokens / self.document_tokens) if self.document_tokens else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One domain in a piece or a stage.

    Attributes:
        domain: the domain's name.
        weight: its share of the tokens.
        tokens: trained on here.
        epochs: passes over its supply made here.
        epochs_before: passes made in everything that comes earlier.
    """

    domain: str
    weight: float
    tokens: int
    epochs: float
    epochs_before: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A run of steps with one mixture.

    Attributes:
        number: position in the stage, from 1.
        steps: optimizer steps.
        tokens: trained on in the piece.
        distance: mean total variation between the stage's curve and the piece's mixture.
        parts: the domains of non-zero weight.
    """

    number: int
    steps: int
    tokens: int
    distance: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """The learning rate over a stage, in absolute terms.

    Attributes:
        start: at the first step; `peak` without a warmup.
        peak: after the warmup.
        end: after the decay.
        warmup_steps: steps of linear warmup.
        decay_steps: last steps of the stage, over which the rate falls.
        shape: how it falls.
    """

    start: float
    peak: float
    end: float
    warmup_steps: int
    decay_steps: int
    shape: Decay


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedGate:
    """Where a stage starts that waits for a measure.

    Attributes:
        condition: what it waits for, as one line.
        share: of the tokens of this stage and the one before, done when this one starts.
        measured: whether runs have shown `share`; else it is what the schedule's tokens say.
    """

    condition: str
    share: float
    measured: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStage:
    """One stage of the target run.

    Attributes:
        number: position in the schedule, from 1.
        name: the stage's name.
        kind: `lm`, `sft`, `dpo` or `rl`.
        context_tokens: length of a sequence.
        batch_sequences: sequences per optimizer step; a pair of `dpo` is two, an answer of `rl` one.
        steps: optimizer steps.
        tokens: steps x sequences per step x length of a sequence.
        sequences: steps x sequences per step.
        rate: the learning rate.
        pieces: the mixture over the stage; none where it trains on the model's own answers.
        parts: the domains of the whole stage.
        packing: how documents fill sequences.
        ordering: of the documents of a domain; None where they are shuffled.
        rope_base: of the rotary positions; None where the schedule changes it nowhere.
        gate: when it takes over from the stage before; None at a fixed point.
        online: the rule that set its mixture while a proxy trained; `pieces` are the prior.
        practice: how it learns from the model's own answers; None where it trains on documents.
    """

    number: int
    name: str
    kind: StageKind
    context_tokens: int
    batch_sequences: int
    steps: int
    tokens: int
    sequences: int
    rate: Rate
    pieces: tuple[Piece, ...]
    parts: tuple[Part, ...]
    packing: Packing = "stream"
    ordering: Ordering | None = None
    rope_base: float | None = None
    gate: PlannedGate | None = None
    online: Online | None = None
    practice: Practice | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportPlan:
    """The whole target run.

    Attributes:
        schedule: the schedule's name.
        digest: its content hash.
        recipe: the schedule as plain data.
        target: the run that it is for.
        catalog: the catalog's name.
        catalog_hash: its content hash.
        tokenizer: the tokenizer that its tokens were counted with.
        sources: what each domain is drawn from, by name.
        stages: in order.
        approximations: where whole steps and pieces differ from the schedule.
    """

    schedule: str
    digest: str
    recipe: Mapping[str, Any]
    target: TargetRun
    catalog: str
    catalog_hash: str
    tokenizer: str
    sources: Mapping[str, Source]
    stages: tuple[PlannedStage, ...]
    approximations: tuple[str, ...]

    def epochs(self) -> dict[str, float]:
        """Return epochs per domain over the whole run."""
        total: dict[str, float] = {}
        for stage in self.stages:
            for part in stage.parts:
                total[part.domain] = total.get(part.domain, 0.0) + part.epochs
        return total
