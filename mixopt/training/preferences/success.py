"""The chance that a member succeeds from a prefix, estimated by letting it go on from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mixopt.corpus.conversations import render_prompt
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.proxy.model import Stack
from mixopt.proxy.sampling import Sampling, sample
from mixopt.seeds import derive
from mixopt.tasks.problem import Problem
from mixopt.training.preferences.pivotal import Prefix
from mixopt.training.rewards import require_training, reward


@dataclass(frozen=True, kw_only=True, slots=True)
class Questions:
    """What the members of a stack are asked."""

    problems: Sequence[Sequence[Problem]]  # [K][n_k], of the training split
    tokenizer: Tokenizer
    seeds: Sequence[int]  # [K]


class Continuations:
    """Estimates of success from continuations of a stack's own members.

    A member's estimates depend on its own seed, prefixes and earlier calls that concerned it, and
    every call draws other continuations.
    """

    def __init__(self, stack: Stack, questions: Questions, sampling: Sampling) -> None:
        """Prepare to estimate.

        Args:
            stack: K members; their present parameters count.
            questions: problems are known by their place in them.
            sampling: how a prefix is continued, and how often.

        Raises:
            ValueError: a problem is none of the training split.
        """
        require_training(problem for own in questions.problems for problem in own)
        self.num_sampled = 0
        """Continuations drawn so far, single next tokens not counted."""
        self._stack, self._questions, self._sampling = stack, questions, sampling
        self._calls = [0] * stack.num_members

    def success(self, prefixes: Sequence[Prefix]) -> list[float]:
        """Return the share of right answers among continuations of each prefix.

        What is ended already is not continued: it is right or not.
        """
        end, sampling = self._questions.tokenizer.end_of_text, self._sampling
        open_ones = [each for each in dict.fromkeys(prefixes) if each.tokens[-1:] != (end,)]
        self.num_sampled += len(open_ones) * sampling.samples
        found = dict(zip(open_ones, self._continue(open_ones, sampling), strict=True))
        return [self._share(prefix, found.get(prefix, [[]])) for prefix in prefixes]

    def alternatives(self, prefixes: Sequence[Prefix]) -> list[list[int]]:
        """Return next tokens of each prefix as its member draws them."""
        drawn = self._continue(prefixes, replace(self._sampling, max_new_tokens=1))
        return [[row[0] for row in rows] for rows in drawn]

    def _share(self, prefix: Prefix, continuations: list[list[int]]) -> float:
        questions = self._questions
        problem = questions.problems[prefix.member][prefix.problem]
        rewards = [
            reward(problem, (*prefix.tokens, *rest), questions.tokenizer) for rest in continuations
        ]
        return sum(rewards) / len(rewards)

    def _continue(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[list[int]]]:
        """Return continuations by prefix and sample; all members work at once."""
        places: list[list[int]] = [[] for _ in self._calls]
        for place, prefix in enumerate(prefixes):
            places[prefix.member].append(place)
        prompts = [[self._prompt(prefixes[place]) for place in own] for own in places]
        keys = [
            derive(seed, "continuations", calls)
            for seed, calls in zip(self._questions.seeds, self._calls, strict=True)
        ]
        drawn = sample(self._stack, prompts, keys, sampling)
        found: list[list[list[int]]] = [[] for _ in prefixes]
        for member, own in enumerate(places):
            self._calls[member] += bool(own)
            for place, rows in zip(own, drawn[member], strict=True):
                found[place] = rows
        return found

    def _prompt(self, prefix: Prefix) -> list[int]:
        questions = self._questions
        question = questions.problems[prefix.member][prefix.problem].question
        return [*questions.tokenizer.encode(render_prompt(question)).tolist(), *prefix.tokens]
