"""Preference training: pupils prefer chosen answers to rejected ones, from where their stage began."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mixopt.proxy.backends.backend import Backend, Batch
from mixopt.training.preferences.guards import Finding, likelihood_collapse
from mixopt.training.preferences.objective import Preference, dpo, sequence_scores
from mixopt.training.preferences.rows import Exchange
from mixopt.training.sessions.asking import Interview
from mixopt.training.sessions.passes import places
from mixopt.training.sessions.session import Bench, Ending, Pupil


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two answers to one prompt, in tokens."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """What one pupil is to prefer, and how it learns it."""

    pairs: Sequence[Pair]
    settings: Preference
    figures: Mapping[str, float] = field(default_factory=dict)  # of how the pairs came about


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scores:
    """Log-probabilities of the answers of N pairs, chosen and rejected, in nats."""

    sums: Tensor  # [N, 2]
    means: Tensor  # [N, 2], per token

    def of(self, settings: Preference) -> Tensor:
        """Return those that a preference is about, [N, 2]."""
        return self.means if settings.normalized else self.sums


def prefer(
    interview: Interview, lessons: Mapping[int, Lesson], num_pairs: int
) -> dict[int, Ending]:
    """Train pupils on their pairs by DPO, and return what became of them by slot.

    The reference is each pupil as it is now. A pupil without pairs rests for the stage. Figures:
    pairs, and, where there are any, the share of them whose chosen answer gained on the rejected
    one, by how much, the log-probability per token of chosen answers at both ends of the stage, and
    whether it collapsed.

    Args:
        interview: the pupils, and room for a prompt with an answer.
        lessons: by slot, of every pupil.
        num_pairs: of a step.
    """
    bench = interview.bench
    learners = [pupil for pupil in interview.pupils if lessons[pupil.slot].pairs]
    class_ = _Class(interview=interview, lessons=lessons, num_pairs=num_pairs)
    start = class_.score(bench.backend, learners)
    while live := bench.live(interview.pupils):
        ready = [pupil for pupil in live if pupil in learners]
        bench.rest([pupil for pupil in live if pupil not in ready])
        class_.step(ready, start)
    kept = [pupil for pupil in learners if not bench.ending(pupil).diverged]
    end = class_.score(bench.backend, kept)
    return {
        pupil.slot: bench.ending(
            pupil, _figures(lessons[pupil.slot], start.get(pupil.slot), end.get(pupil.slot))
        )
        for pupil in interview.pupils
    }


def noted(name: str, found: Sequence[Finding], value: float) -> dict[str, float]:
    """Return a guard's verdict as figures: 1 under its name where it found something, and the value."""
    return {name: float(bool(found)), f"{name}_value": value}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Class:
    """Pupils with their pairs; rows of a call are the chosen answers, then the rejected ones."""

    interview: Interview
    lessons: Mapping[int, Lesson]
    num_pairs: int

    @property
    def bench(self) -> Bench:
        return self.interview.bench

    def score(self, backend: Backend, learners: Sequence[Pupil]) -> dict[int, _Scores]:
        """Return the scores of all pairs under the parameters of a backend, by slot."""
        found: dict[int, list[Tensor]] = {pupil.slot: [] for pupil in learners}
        most = max((len(self.lessons[slot].pairs) for slot in found), default=0)
        for first in range(0, most, self.num_pairs):
            here = range(first, first + self.num_pairs)
            chosen = {
                slot: [each for each in here if each < len(self.lessons[slot].pairs)]
                for slot in found
            }
            tokens, answers = self._lay(chosen)
            losses = backend.token_losses(tokens).cpu()
            for slot, own in chosen.items():
                found[slot].append(_scores(losses[slot], answers[slot])[:, : len(own)])
        return {slot: _joined(parts) for slot, parts in found.items()}

    def step(self, learners: Sequence[Pupil], start: Mapping[int, _Scores]) -> None:
        """Take one step with live pupils that have pairs."""
        if not learners:
            return
        chosen = {
            pupil.slot: places(
                pupil,
                self.bench.steps(pupil),
                self.num_pairs,
                len(self.lessons[pupil.slot].pairs),
            ).tolist()
            for pupil in learners
        }
        tokens, answers = self._lay(chosen)
        losses = self.bench.backend.token_losses(tokens).cpu()
        weights = torch.zeros_like(losses)
        for slot, own in chosen.items():
            settings, part = self.lessons[slot].settings, slice(slot, slot + 1)
            reference = start[slot].of(settings)[own].T.reshape(1, -1)
            weights[part] = dpo(losses[part], reference, answers[part], settings).weights
        self.bench.learn(Batch(tokens=tokens, weights=weights), learners)

    def _lay(self, chosen: Mapping[int, Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return rows of some pairs by slot; those beyond them stay empty, on both sides."""
        exchanges: dict[int, list[Exchange]] = {}
        for slot, numbers in chosen.items():
            own = [self.lessons[slot].pairs[number] for number in numbers]
            spare: list[Exchange] = [((0,), ())] * (self.num_pairs - len(own))
            exchanges[slot] = [
                *_side(own, lambda pair: pair.chosen),
                *spare,
                *_side(own, lambda pair: pair.rejected),
                *spare,
            ]
        return self.interview.lay(exchanges, 2 * self.num_pairs)


def _side(pairs: Sequence[Pair], answer: Callable[[Pair], tuple[int, ...]]) -> list[Exchange]:
    return [(pair.prompt, answer(pair)) for pair in pairs]


def _scores(losses: Tensor, answers: Tensor) -> Tensor:
    """Return sums and means [2, P, 2] of rows [2P, T] of one member."""
    both = [
        sequence_scores(losses[None], answers[None], normalized=normalized)[0].view(2, -1).T
        for normalized in (False, True)
    ]
    return torch.stack(both)


def _joined(parts: Sequence[Tensor]) -> _Scores:
    sums, means = torch.cat(list(parts), dim=1)
    return _Scores(sums=sums, means=means)


def _figures(lesson: Lesson, start: _Scores | None, end: _Scores | None) -> dict[str, float]:
    figures = {**lesson.figures, "pairs": float(len(lesson.pairs))}
    if start is None or end is None:
        return figures
    gains = (end.of(lesson.settings) - start.of(lesson.settings)).double()
    margins = lesson.settings.beta * (gains[:, 0] - gains[:, 1])
    before, after = (float(each.means[:, 0].double().mean()) for each in (start, end))
    return {
        **figures,
        "preference_accuracy": float((margins > 0).double().mean()),
        "reward_margin": float(margins.mean()),
        "chosen_log_probability_start": before,
        "chosen_log_probability": after,
        **noted("likelihood_collapse", likelihood_collapse([before], [after]), before - after),
    }
