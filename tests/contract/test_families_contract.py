"""One suite over every task family: solver, verifier, splits and difficulty hold for all of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from statistics import fmean

import pytest

from mixopt import seeds
from mixopt.tasks.problem import Problem
from mixopt.tasks.registry import FAMILIES
from mixopt.tasks.render import derivation, statement
from mixopt.tasks.sample import Split, sample_problems, split_of

_EVERY_LEVEL = [(name, level) for name, family in FAMILIES.items() for level in family.levels]
_SMALL_LEVELS = [
    (name, level) for name, level in _EVERY_LEVEL if FAMILIES[name].num_problems(level) <= 700
]


def _sorted(words: str) -> tuple[str, ...]:
    return tuple(sorted(words.split()))


_WHAT_IS_ASKED: dict[str, Callable[[str], object]] = {
    "addition": lambda question: _sorted(question[4:]),
    "arithmetic": lambda question: _sorted(re.sub(r"([+-])", r" \1", f"+{question[5:]}")),
    "comparison": _sorted,
    "copying": str,
    "counting": lambda question: (
        question[: question.index(" in ")],
        _sorted(" ".join(question.split()[-1])),
    ),
    "editing": lambda question: (
        (_sorted(question[5:8]), question[12:]) if question[:4] == "swap" else question
    ),
    "recall": lambda question: (_sorted(question[:-4]), question[-1]),
    "sorting": lambda question: _sorted(" ".join(question[5:])),
}


def _draw(name: str, level: int, count: int, seed: int = 0) -> list[Problem]:
    rng = seeds.generator(seed, "families contract", name, level)
    return [FAMILIES[name].generate(rng, level) for _ in range(count)]


@pytest.mark.parametrize(("name", "level"), _EVERY_LEVEL)
def test_solver_agrees_with_generator(name: str, level: int) -> None:
    for seed in range(4):
        for problem in _draw(name, level, 100, seed):
            assert FAMILIES[name].solve(problem.question) == problem.answer, problem


@pytest.mark.parametrize(("name", "level"), _EVERY_LEVEL)
def test_wrong_answer_is_wrong_but_looks_right(name: str, level: int) -> None:
    for problem in _draw(name, level, 300):
        form = re.sub(r"\d", "0", problem.answer)
        assert problem.wrong != problem.answer
        if {problem.wrong, problem.answer} == {"yes", "no"}:
            continue
        assert len(problem.wrong) == len(problem.answer), problem
        assert problem.answer.isdigit() == problem.wrong.isdigit(), problem
        assert form.isalpha() or re.sub(r"\d", "0", problem.wrong) == form, problem


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "sorting"])
def test_wrong_answers_are_answers_of_other_problems(name: str) -> None:
    """An answer that never is right at a level could be told apart without reading the question."""
    problems = _draw(name, 1, 3000)
    assert {problem.wrong for problem in problems} <= {problem.answer for problem in problems}


@pytest.mark.parametrize(("name", "level"), _EVERY_LEVEL)
def test_texts_are_short_lower_case_single_lines(name: str, level: int) -> None:
    longest = 42 if level > 5 else 30
    for problem in _draw(name, level, 100):
        texts = (problem.question, problem.response, problem.wrong_response, derivation(problem))
        assert len(problem.question) <= longest
        assert 1 <= len(problem.answer) <= 8
        for text in texts:
            assert re.fullmatch(r"[ -@\[-~]+", text), f"not one line of lower-case ASCII: {text!r}"
            assert text == " ".join(text.split())


@pytest.mark.parametrize(("name", "level"), _EVERY_LEVEL)
def test_verifier_accepts_every_spelling_of_the_response(name: str, level: int) -> None:
    for problem in _draw(name, level, 30):
        verify = FAMILIES[name].verify
        loose = problem.response.replace(" ", "  ").replace(";", " ;")
        spellings = (problem.response, f"  {loose} \t\r\n", f"{problem.response}\nadd 1 1 = 3")
        assert all(verify(problem, text) for text in (*spellings, f"\n{problem.answer}\n\n"))
        assert verify(problem, problem.response.upper()) == (
            not FAMILIES[name].case_matters or problem.response.upper() == problem.response
        )


@pytest.mark.parametrize(("name", "level"), _EVERY_LEVEL)
def test_verifier_rejects_what_does_not_end_in_the_answer(name: str, level: int) -> None:
    for problem in _draw(name, level, 30):
        steps = FAMILIES[name].explain(problem.question)
        texts = (problem.wrong_response, f"{steps}; {problem.wrong}", f"{problem.answer};")
        doubled = f"{problem.answer}{problem.answer}"
        late = f"{problem.wrong}\n{problem.answer}"
        for text in (*texts, doubled, late, f"{problem.answer} {problem.wrong}"):
            assert not FAMILIES[name].verify(problem, text), text


@pytest.mark.parametrize("name", FAMILIES)
def test_verifier_never_raises(name: str) -> None:
    (problem,) = _draw(name, 1, 1)
    rng = seeds.generator(0, "noise", name)
    strange = ["", " ", "\n\n", ";", ";;\n;", "\ud800", "\x00", "\x1c\x85\u2028", "9" * 10_000]
    noise = [bytes(rng.integers(256, size=12).tolist()).decode("latin-1") for _ in range(200)]
    assert not any(FAMILIES[name].verify(problem, text) for text in strange + noise)


@pytest.mark.parametrize(("name", "level"), _EVERY_LEVEL)
def test_explanation_leads_to_the_answer(name: str, level: int) -> None:
    for problem in _draw(name, level, 50):
        question, _, text = derivation(problem).partition(": ")
        assert question == problem.question
        assert FAMILIES[name].verify(problem, text)
        assert len(text) > len(problem.answer) + 2
        assert statement(problem) == f"{question} = {problem.answer}"
        assert problem.steps in ("", FAMILIES[name].explain(question))


@pytest.mark.parametrize(("name", "level"), _SMALL_LEVELS)
def test_number_of_problems_is_exact(name: str, level: int) -> None:
    expected = FAMILIES[name].num_problems(level)
    found = {problem.identity: problem for problem in _draw(name, level, 100 * expected)}
    assert len(found) == expected
    assert {split_of(problem) for problem in found.values()} == {"train", "validation", "test"}


@pytest.mark.parametrize("name", FAMILIES)
def test_splits_are_disjoint(name: str) -> None:
    family = FAMILIES[name]
    level = next(each for each in family.levels if family.num_problems(each) >= 200)
    counts: dict[Split, int] = {"train": 100, "validation": 10, "test": 10}
    drawn = {
        split: sample_problems(name, level=level, split=split, count=count, seed=3)
        for split, count in counts.items()
    }
    everything = [problem for problems in drawn.values() for problem in problems]
    assert len({problem.identity for problem in everything}) == len(everything)
    for split, problems in drawn.items():
        assert {split_of(problem) for problem in problems} == {split}


@pytest.mark.parametrize("name", FAMILIES)
def test_questions_share_an_identity_exactly_if_they_ask_the_same(name: str) -> None:
    """The keys are written here once more, from the questions alone."""
    identities = defaultdict(set)
    for level in FAMILIES[name].levels[:3]:
        for problem in _draw(name, level, 2000):
            key = _WHAT_IS_ASKED[name](problem.question)
            identities[key].add(problem.identity)
    assert {len(shared) for shared in identities.values()} == {1}
    assert len(set.union(*identities.values())) == len(identities)


@pytest.mark.parametrize("name", FAMILIES)
def test_same_arguments_give_the_same_problems(name: str) -> None:
    first = sample_problems(name, level=5, split="train", count=200, seed=7)
    assert sample_problems(name, level=5, split="train", count=200, seed=7) == first
    assert sample_problems(name, level=5, split="train", count=50, seed=7) == first[:50]
    other = sample_problems(name, level=5, split="train", count=200, seed=8)
    assert {problem.question for problem in other} != {problem.question for problem in first}


@pytest.mark.parametrize("name", FAMILIES)
def test_levels_get_harder(name: str) -> None:
    """More distinct problems at each level, and longer derivations from the first to the last."""
    family = FAMILIES[name]
    sizes = [family.num_problems(level) for level in family.levels]
    assert len(sizes) >= 5
    assert all(smaller < larger for smaller, larger in pairwise(sizes))
    first, last = family.levels[0], family.levels[-1]
    lengths = [fmean(len(derivation(each)) for each in _draw(name, at, 50)) for at in (first, last)]
    assert lengths[1] > 1.3 * lengths[0]
