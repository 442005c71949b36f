"""Asking: training problems put to pupils, and the answers that they write, in rows of fixed size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from torch import Tensor

from mixopt.corpus.conversations import render_answer, render_prompt
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.errors import SupplyError
from mixopt.proxy.sampling import Sampling, sample
from mixopt.schedule.practice import Asking
from mixopt.seeds import derive
from mixopt.tasks.problem import Problem
from mixopt.tasks.sample import sample_problems
from mixopt.training.preferences.rows import Exchange, lay_rows
from mixopt.training.preferences.success import Continuations, Questions
from mixopt.training.rewards import require_training
from mixopt.training.sessions.session import Bench, Pupil

Answers = list[list[list[int]]]
"""Token ids by problem and sample, [n][samples]; end_of_text last where an answer was ended."""

_PROBED = 64
"""Problems of a family that are looked at to find how long its prompts and answers are."""

_SPARE = 2
"""Tokens by which an answer may be longer than the longest right one."""

_MULTIPLE = 16
"""Rows have a multiple of so many inputs, so that few shapes occur."""

_Setting = TypeVar("_Setting", bound=Asking)


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """How long prompts and answers may be: a function of levels and context, not of a member."""

    prompt_tokens: int
    answer_tokens: int  # end_of_text included
    context: int  # most inputs of a row

    @property
    def row_tokens(self) -> int:
        """Tokens of a row that holds any prompt with any answer, T+1."""
        inputs = self.prompt_tokens + self.answer_tokens - 1
        return min(-(-inputs // _MULTIPLE) * _MULTIPLE, self.context) + 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Interview:
    """Pupils who are asked together: as many answers of each, with as much room for them.

    What decides rounding or randomness is the same for all of them or a pupil's own, so that a
    pupil writes what it would write alone.
    """

    bench: Bench
    pupils: Sequence[Pupil]
    room: Room
    samples: int

    @property
    def tokenizer(self) -> Tokenizer:
        """What the answers are written in."""
        return self.bench.store.tokenizer

    def problems(self, pupil: Pupil, count: int) -> list[Problem]:
        """Return training problems for a pupil, families in turn; again from the first if few.

        Raises:
            SupplyError: no problem of a family fits into a row.
        """
        levels = settings(pupil, Asking).levels
        seed = derive(pupil.seed, "problems", pupil.part.stage.name)
        each = -(-count // len(levels))
        own = [self._fitting(name, levels[name], each, seed) for name in sorted(levels)]
        turns = [divmod(place, len(own)) for place in range(count)]
        return [own[family][turn % len(own[family])] for turn, family in turns]

    def answer(self, asked: Mapping[int, Sequence[Problem]]) -> dict[int, Answers]:
        """Return what pupils write at their present step when they are asked, by slot.

        Args:
            asked: problems of the training split, by slot.

        Raises:
            ValueError: a problem is none of the training split.
        """
        require_training(problem for own in asked.values() for problem in own)
        prompts = [[self.prompt(each) for each in asked.get(slot, ())] for slot in self._slots()]
        sampling = self.sampling(self.samples)
        found = sample(self.bench.backend.stack, prompts, self._keys("answers"), sampling)
        return {slot: found[slot] for slot in asked}

    def continuations(self, asked: Mapping[int, Sequence[Problem]], samples: int) -> Continuations:
        """Return estimates of success from so many continuations, for problems by slot."""
        questions = Questions(
            problems=[list(asked.get(slot, ())) for slot in self._slots()],
            tokenizer=self.tokenizer,
            seeds=self._keys("continuations"),
        )
        return Continuations(self.bench.backend.stack, questions, self.sampling(samples))

    def sampling(self, samples: int) -> Sampling:
        """Return how answers are drawn, each pupil's at its own temperature."""
        heat = {pupil.slot: settings(pupil, Asking).temperature for pupil in self.pupils}
        return Sampling(
            samples=samples,
            max_new_tokens=self.room.answer_tokens,
            stop=self.tokenizer.end_of_text,
            vocabulary=self.tokenizer.size,
            temperature=tuple(heat.get(slot, 1.0) for slot in self._slots()),
        )

    def prompt(self, problem: Problem) -> list[int]:
        """Return the tokens of a problem's prompt."""
        return _prompt(problem, self.tokenizer)

    def text(self, answer: Sequence[int]) -> str:
        """Return what was written, without its end."""
        ended = self.has_ended(answer)
        return self.tokenizer.decode(list(answer[:-1] if ended else answer))

    def has_ended(self, answer: Sequence[int]) -> bool:
        """Return whether an answer was ended and not cut off."""
        return list(answer[-1:]) == [self.tokenizer.end_of_text]

    def lay(
        self, exchanges: Mapping[int, Sequence[Exchange]], num_rows: int
    ) -> tuple[Tensor, Tensor]:
        """Return the exchanges of slots as rows; see `lay_rows`."""
        own = [exchanges.get(slot, ()) for slot in self._slots()]
        padding = self.tokenizer.end_of_text
        return lay_rows(own, num_rows=num_rows, length=self.room.row_tokens, padding=padding)

    def _fitting(self, family: str, level: int, count: int, seed: int) -> list[Problem]:
        found = sample_problems(
            family, level=level, split="train", count=count, seed=seed, at_most=True
        )
        most = self.room.prompt_tokens
        fitting = [each for each in found if len(self.prompt(each)) <= most]
        if not fitting:
            message = f"no problem of '{family}' at level {level} fits into the proxy's context"
            raise SupplyError(
                message,
                why=f"A prompt has room for {most} of {self.room.context} tokens.",
                remedy="Choose a lower level, or a proxy with a longer context.",
            )
        return fitting

    def _slots(self) -> range:
        return range(self.bench.slots.width)

    def _keys(self, name: str) -> list[int]:
        """Return what names the randomness of each slot at its present step."""
        keys = [0] * self.bench.slots.width
        for pupil in self.pupils:
            step = self.bench.steps(pupil)
            keys[pupil.slot] = derive(pupil.seed, name, pupil.part.stage.name, step)
        return keys


def interviews(
    bench: Bench, pupils: Sequence[Pupil], alike: Callable[[Pupil], Hashable]
) -> list[Interview]:
    """Return the pupils in groups that can be asked together.

    Args:
        bench: holds them.
        pupils: of stages that practise.
        alike: what else must be equal within a group.
    """
    groups: defaultdict[tuple[Room, int, Hashable], list[Pupil]] = defaultdict(list)
    for pupil in pupils:
        asking = settings(pupil, Asking)
        levels = tuple(sorted(asking.levels.items()))
        room = _make_room(levels, bench.store.tokenizer, pupil.part.context)
        groups[room, asking.samples, alike(pupil)].append(pupil)
    return [
        Interview(bench=bench, pupils=group, room=room, samples=samples)
        for (room, samples, _), group in groups.items()
    ]


def settings(pupil: Pupil, kind: type[_Setting]) -> _Setting:
    """Return the settings of a pupil's practice.

    Raises:
        TypeError: its stage practises something else.
    """
    practice = pupil.part.stage.practice
    if not isinstance(practice, kind):
        message = f"stage '{pupil.part.stage.name}' does not practise by {kind.__name__}"
        raise TypeError(message)
    return practice


@lru_cache(maxsize=64)
def _make_room(levels: tuple[tuple[str, int], ...], tokenizer: Tokenizer, context: int) -> Room:
    """Return room for nearly all problems; the few with longer prompts are left out."""
    probed = [
        problem
        for family, level in levels
        for problem in sample_problems(
            family, level=level, split="train", count=_PROBED, seed=0, at_most=True
        )
    ]
    answers = tokenizer.encode_batch([render_answer(each.response) for each in probed])
    answer_tokens = max(len(answer) for answer in answers) + 1 + _SPARE
    prompt_tokens = max(len(_prompt(each, tokenizer)) for each in probed)
    prompt_tokens = min(prompt_tokens, context + 1 - answer_tokens)
    return Room(prompt_tokens=prompt_tokens, answer_tokens=answer_tokens, context=context)


def _prompt(problem: Problem, tokenizer: Tokenizer) -> list[int]:
    prompt: list[int] = tokenizer.encode(render_prompt(problem.question)).tolist()
    return prompt
