"""Reinforcement: pupils are paid for right answers, by groups of answers to one problem.

Shao et al. (2024), "DeepSeekMath", algorithm 1 with one update for every batch of answers; payment
token by token after Kazemnejad et al. (2024), "VinePPO".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from mixopt.proxy.backends.backend import Backend, Batch
from mixopt.schedule.practice import Reinforcement
from mixopt.tasks.problem import Problem
from mixopt.training.preferences import objective
from mixopt.training.preferences.objective import Rollout, group_advantages, grpo
from mixopt.training.preferences.pivotal import (
    Path,
    PivotalSettings,
    Prefix,
    find_pivots,
    token_advantages,
)
from mixopt.training.preferences.rows import Exchange
from mixopt.training.rewards import exact_rewards
from mixopt.training.sessions.asking import Answers, Interview, interviews, settings
from mixopt.training.sessions.session import Bench, Ending, Pupil

_ANYWHERE = PivotalSettings(gap=0.3, low=0.0, high=1.0)
"""Token by token, every answer of a mixed group is searched."""


def practise(bench: Bench, pupils: Sequence[Pupil]) -> list[Ending]:
    """Train pupils by policy gradients; see `Session`.

    Figures: mean rewards in the first and the last quarter of the steps; means over all steps of
    the tokens of an answer and, where it is watched, of the divergence from the stage's start in
    nats per token, and of the share of tokens that were clipped.
    """
    endings: dict[int, Ending] = {}
    for interview in interviews(bench, pupils, _shape):
        class_ = _Class(interview=interview, reference=bench.reference())
        while live := bench.live(interview.pupils):
            class_.step(live)
        for pupil in interview.pupils:
            endings[pupil.slot] = bench.ending(pupil, class_.figures(pupil))
    return [endings[pupil.slot] for pupil in pupils]


def _shape(pupil: Pupil) -> tuple[int, int, bool]:
    own = settings(pupil, Reinforcement)
    return own.problems, own.continuations if own.process else 0, own.divergence > 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Class:
    """Pupils of equal shapes, with what is noted of their steps."""

    interview: Interview
    reference: Backend
    problems: dict[int, list[Problem]] = field(default_factory=dict)  # of all steps, by slot
    notes: defaultdict[tuple[int, str], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def step(self, live: Sequence[Pupil]) -> None:
        """Let live pupils answer, and take one step with all of them."""
        bench = self.interview.bench
        asked = {pupil.slot: self._asked(pupil) for pupil in live}
        written = self.interview.answer(asked)
        tokens, answers = self._lay(asked, written)
        losses, reference = self._losses(tokens, live[0])
        advantages = self._advantages(live, asked, written, answers)
        weights = torch.zeros_like(losses)
        for pupil in live:
            part = slice(pupil.slot, pupil.slot + 1)
            rollout = Rollout(
                answers=answers[part],
                sampled=losses[part],
                reference=reference[part],
                advantages=advantages[pupil.slot],
            )
            own = settings(pupil, Reinforcement)
            rules = objective.Reinforcement(clip=own.clip, divergence=own.divergence)
            found = grpo(losses[part], rollout, rules)
            weights[part] = found.weights
            if own.divergence > 0:
                self._note(pupil, {name: float(each) for name, each in found.figures.items()})
        bench.learn(Batch(tokens=tokens, weights=weights), live)

    def figures(self, pupil: Pupil) -> dict[str, float]:
        """Return what to note of a pupil's stage."""
        own = {name: values for (slot, name), values in self.notes.items() if slot == pupil.slot}
        rewards = own.pop("reward", [0.0])
        quarter = max(1, len(rewards) // 4)
        means = {name: float(np.mean(values)) for name, values in own.items()}
        return {
            "reward_first": float(np.mean(rewards[:quarter])),
            "reward_last": float(np.mean(rewards[-quarter:])),
            **{name: value for name, value in means.items() if np.isfinite(value)},
        }

    def _asked(self, pupil: Pupil) -> list[Problem]:
        """Return the problems of a pupil's present step."""
        count = settings(pupil, Reinforcement).problems
        if pupil.slot not in self.problems:
            total = count * pupil.part.steps
            self.problems[pupil.slot] = self.interview.problems(pupil, total)
        first = self.interview.bench.steps(pupil) * count
        return self.problems[pupil.slot][first : first + count]

    def _lay(
        self, asked: Mapping[int, Sequence[Problem]], written: Mapping[int, Answers]
    ) -> tuple[Tensor, Tensor]:
        """Return the answers as rows [K, P n, T+1], and where they are."""
        exchanges: dict[int, list[Exchange]] = {
            slot: [
                (self.interview.prompt(problem), answer)
                for problem, answers in zip(problems, written[slot], strict=True)
                for answer in answers
            ]
            for slot, problems in asked.items()
        }
        return self.interview.lay(exchanges, max(len(own) for own in exchanges.values()))

    def _losses(self, tokens: Tensor, pupil: Pupil) -> tuple[Tensor, Tensor]:
        """Return token losses of pupils like this one, present and of the reference, [K, B, T].

        With one update for every batch of answers, only their difference counts, and not even that
        where leaving the reference costs nothing.
        """
        if settings(pupil, Reinforcement).divergence == 0:
            nothing = torch.zeros(tokens.shape[0], tokens.shape[1], tokens.shape[2] - 1)
            return nothing, nothing
        backends = self.interview.bench.backend, self.reference
        present, before = (each.token_losses(tokens).cpu() for each in backends)
        return present, before

    def _advantages(
        self,
        live: Sequence[Pupil],
        asked: Mapping[int, Sequence[Problem]],
        written: Mapping[int, Answers],
        answers: Tensor,
    ) -> dict[int, Tensor]:
        """Return advantages by slot, [1, P n] of answers or [1, P n, T] of tokens."""
        rewards = {
            slot: exact_rewards([asked[slot]], [own], self.interview.tokenizer)
            for slot, own in written.items()
        }
        for pupil in live:
            lengths = [len(each) for own in written[pupil.slot] for each in own]
            mean = float(rewards[pupil.slot].mean())
            self._note(pupil, {"reward": mean, "answer_tokens": float(np.mean(lengths))})
        if settings(live[0], Reinforcement).process:
            mixed = _mixed(written, rewards)
            tries = settings(live[0], Reinforcement).continuations
            estimates = self.interview.continuations(asked, tries)
            limits = dict.fromkeys(asked, _ANYWHERE)
            whole = list(dict.fromkeys(prefix for prefix in mixed.values()))
            paths = find_pivots(whole, estimates.success, limits).paths
            return _by_token(mixed, paths, answers, list(asked))
        return {
            pupil.slot: group_advantages(
                rewards[pupil.slot], scaled=settings(pupil, Reinforcement).scaled
            ).flatten(1)
            for pupil in live
        }

    def _note(self, pupil: Pupil, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.notes[pupil.slot, name].append(value)


def _mixed(
    written: Mapping[int, Answers], rewards: Mapping[int, Tensor]
) -> dict[tuple[int, int], Prefix]:
    """Return answers by slot and row, of those problems that were answered rightly and wrongly."""
    found = {}
    for slot, own in written.items():
        for number, group in enumerate(own):
            values = rewards[slot][0, number]
            if values.min() < values.max():
                for sample, answer in enumerate(group):
                    row = number * len(group) + sample
                    found[slot, row] = Prefix(member=slot, problem=number, tokens=tuple(answer))
    return found


def _by_token(
    rows: Mapping[tuple[int, int], Prefix],
    paths: Mapping[Prefix, Path],
    answers: Tensor,
    slots: Sequence[int],
) -> dict[int, Tensor]:
    """Return advantages [1, B, T] by slot; 0 in rows that were not searched.

    Args:
        rows: answers by slot and row.
        paths: the estimates along them.
        answers: bool [K, B, T], where they stand.
        slots: to return.
    """
    found = {slot: torch.zeros(1, *answers.shape[1:]) for slot in slots}
    for (slot, row), answer in rows.items():
        own = token_advantages(paths[answer], len(answer.tokens))
        found[slot][0, row, answers[slot, row]] = torch.from_numpy(own).float()
    return found
