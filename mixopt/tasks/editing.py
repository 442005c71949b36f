"""Owns the family `editing`: one change of a string, as in `replace b x in abcd` = axcd.

The level sets which changes are asked for (level 1 delete, level 2 replace too, then insert and swap
too) and the length of the string: 3 distinct letters in levels 1 to 3, then 4 to 7. The wrong answer
makes the right kind of change one place off, or swaps with a wrong partner; it has the length of the
right one and, but for a letter spared, its letters. The order of the letters of a swap makes no new
problem.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from mixopt.tasks.family import Family, read_question
from mixopt.tasks.letters import draw_letters
from mixopt.tasks.problem import STEP_SEPARATOR, Problem

_FORM = re.compile(
    r"(?:delete [a-z]|replace [a-z] [a-z]|insert [a-z] after [a-z]|swap [a-z] [a-z]) in [a-z]+"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Level:
    """The changes asked for, letters in the string, letters of the alphabet."""

    verbs: tuple[str, ...]
    length: int
    alphabet: int


_ALL = ("delete", "replace", "insert", "swap")
_LEVELS = (
    _Level(verbs=_ALL[:1], length=3, alphabet=8),
    _Level(verbs=_ALL[:2], length=3, alphabet=8),
    _Level(verbs=_ALL, length=3, alphabet=12),
    _Level(verbs=_ALL, length=4, alphabet=12),
    _Level(verbs=_ALL, length=5, alphabet=16),
    _Level(verbs=_ALL, length=6, alphabet=26),
    _Level(verbs=_ALL, length=7, alphabet=26),
)


def _generate(rng: np.random.Generator, level: int) -> Problem:
    shape = _LEVELS[level - 1]
    verb = shape.verbs[int(rng.integers(len(shape.verbs)))]
    letters = draw_letters(rng, shape.length + 1, shape.alphabet)
    text, fresh = letters[:-1], letters[-1]
    place, partner, other = rng.permutation(shape.length)[:3].tolist()
    if verb == "swap":
        answer, wrong = _swapped(text, place, partner), _swapped(text, place, other)
        request, canonical = _spell_swap(text[place], text[partner])
    else:
        answer = _edited(text, verb, place, fresh)
        wrong = _edited(text, verb, _neighbour(rng, place, shape.length), fresh)
        request = canonical = _spell_edit(verb, text[place], fresh)
    return Problem(
        family="editing",
        question=f"{request} in {text}",
        answer=answer,
        wrong=wrong,
        canonical=f"{canonical} in {text}",
    )


def _neighbour(rng: np.random.Generator, place: int, length: int) -> int:
    places = [near for near in (place - 1, place + 1) if 0 <= near < length]
    return places[int(rng.integers(len(places)))]


def _edited(text: str, verb: str, place: int, fresh: str) -> str:
    """Return the text without the letter at a place, with another there, or with one after it."""
    middle = {"delete": "", "replace": fresh, "insert": text[place] + fresh}[verb]
    return text[:place] + middle + text[place + 1 :]


def _swapped(text: str, first: int, second: int) -> str:
    letters = list(text)
    letters[first], letters[second] = letters[second], letters[first]
    return "".join(letters)


def _spell_edit(verb: str, letter: str, fresh: str) -> str:
    return {
        "delete": f"delete {letter}",
        "replace": f"replace {letter} {fresh}",
        "insert": f"insert {fresh} after {letter}",
    }[verb]


def _spell_swap(first: str, second: str) -> tuple[str, str]:
    """Return the request as asked and with its letters in alphabetical order."""
    return f"swap {first} {second}", f"swap {min(first, second)} {max(first, second)}"


def _read(question: str) -> tuple[str, str, str, str]:
    """Return the verb, its first and its last letter (one and the same for delete), the text."""
    words = read_question(_FORM, question)[0].split()
    return words[0], words[1], words[-3], words[-1]


def _solve(question: str) -> str:
    """Change the text by its letters, where the generator goes by places."""
    verb, first, last, text = _read(question)
    if verb == "delete":
        return text.replace(first, "")
    if verb == "replace":
        return text.replace(first, last)
    if verb == "insert":
        return text.replace(last, last + first)
    return text.translate(str.maketrans(first + last, last + first))


def _explain(question: str) -> str:
    """Say where the letters are that the change is about: `b at 2; d at 4`."""
    _, first, last, text = _read(question)
    named = [letter for letter in dict.fromkeys((first, last)) if letter in text]
    return STEP_SEPARATOR.join(f"{letter} at {text.index(letter) + 1}" for letter in named)


def _num_problems(level: int) -> int:
    """Count strings times changes; a fresh letter is one that the string does not have."""
    shape = _LEVELS[level - 1]
    with_fresh = shape.length * (shape.alphabet - shape.length)
    changes = {
        "delete": shape.length,
        "replace": with_fresh,
        "insert": with_fresh,
        "swap": math.comb(shape.length, 2),
    }
    return math.perm(shape.alphabet, shape.length) * sum(changes[verb] for verb in shape.verbs)


FAMILY = Family(
    name="editing",
    levels=range(1, len(_LEVELS) + 1),
    generate=_generate,
    solve=_solve,
    explain=_explain,
    num_problems=_num_problems,
    case_matters=True,
)
