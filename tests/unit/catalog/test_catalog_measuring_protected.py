from __future__ import annotations

import pickle

import numpy as np
import pytest
from measuring_texts import random_text

from mixopt import seeds
from mixopt.catalog.generate import task_documents
from mixopt.catalog.made_sources import Style, TasksSource
from mixopt.catalog.measuring.buffer import fill_buffer
from mixopt.catalog.measuring.matching import HashSets, mark, may_hold
from mixopt.catalog.measuring.protected import (
    ProtectedGrams,
    protect,
    protected_names,
    tasks_texts,
)
from mixopt.catalog.measuring.words import read_words
from mixopt.tasks.registry import FAMILIES
from mixopt.tasks.render import conversation, derivation, statement
from mixopt.tasks.sample import sample_problems

LONG = random_text(0, 30)


def _found(protected: ProtectedGrams, *texts: str) -> list[list[str]]:
    buffer = fill_buffer([text.encode() for text in texts])
    words = read_words(buffer.content, buffer.offsets)
    names: list[list[str]] = protected_names(buffer, words, protected).to_pylist()
    return names


def _passage(words: int) -> str:
    return f"Before it. {' '.join(LONG.split()[5 : 5 + words]).upper()}: and after it!"


def test_a_document_that_shares_an_n_gram_is_named_and_one_word_less_is_not() -> None:
    protected = protect({"exam": [random_text(9, 50), LONG]}, 13)
    assert _found(protected, _passage(13), _passage(12)) == [["exam"], []]


def test_each_set_is_named_by_itself() -> None:
    second = random_text(1, 40)
    protected = protect({"one": [LONG], "two": [second], "none": []}, 13)
    found = _found(protected, LONG, second, f"{second}\n{LONG}", random_text(2, 40))
    assert found == [["one"], ["two"], ["one", "two"], []]


def test_short_texts_count_where_they_stand_as_a_line_of_their_own() -> None:
    protected = protect({"exam": ["What is the capital of Peru?"]}, 13)
    line = "  what IS  the capital of Peru? "
    found = _found(protected, line, f"One.\n{line}\nThree.", f"Ask: {line}", "What is the capital")
    assert found == [["exam"], ["exam"], [], []]


def test_what_is_too_short_to_be_found_is_counted() -> None:
    protected = protect({"exam": ["yes", "Two lines\nof few words", LONG], "other": []}, 13)
    assert protected.left_out == (2, 0)
    assert _found(protected, "yes", "Two lines\nof few words") == [[], []]


def test_lookups_find_exactly_what_is_in_a_set() -> None:
    values = seeds.generator(0, "hashes").integers(2**63, size=4000).astype(np.uint64)
    sets = HashSets.of([np.sort(values[:500]), np.sort(values[400:1000])])
    marks = np.zeros((len(values), 2), bool)
    for place, value in enumerate(values):
        if may_hold(sets.bits, value):
            mark(value, sets.hashes, sets.edges, marks[place])
    places = np.arange(len(values))
    assert marks[:, 0].tolist() == (places < 500).tolist()
    assert marks[:, 1].tolist() == ((places >= 400) & (places < 1000)).tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_task_problems_that_are_held_out_are_found_however_they_are_written(family: str) -> None:
    protected = protect({"tasks": tasks_texts()}, 13)
    levels = FAMILIES[family].levels
    problems = sample_problems(
        family, level=levels[len(levels) // 2], split="test", count=40, seed=0
    )
    texts = [f"Some.\n{write(each)}\n" for write in (statement, derivation) for each in problems]
    assert _found(protected, *texts) == [["tasks"]] * len(texts)


@pytest.mark.parametrize("style", ["statement", "derivation", "conversation"])
def test_training_problems_are_never_taken_for_held_out_ones(style: Style) -> None:
    source = TasksSource(reader="tasks", style=style, documents=400, problems_per_document=6)
    texts = ["\n".join(each.contents) for each in task_documents(source, 3)]
    assert _found(protect({"tasks": tasks_texts()}, 13), *texts) == [[]] * 400


def test_long_questions_of_held_out_conversations_are_found() -> None:
    protected = protect({"tasks": tasks_texts()}, 13)
    (problem,) = sample_problems("recall", level=5, split="validation", count=1, seed=0)
    turns = "\n".join(content for _, content in conversation(problem))
    assert _found(protected, turns) == [["tasks"]]


def test_the_digest_names_texts_names_and_length() -> None:
    made = [
        protect(texts, words)
        for texts, words in (({"a": [LONG]}, 13), ({"b": [LONG]}, 13), ({"a": [LONG]}, 12))
    ]
    made += [protect({"a": [LONG, "And here is one more."]}, 13), protect({}, 13)]
    assert len({each.digest for each in made}) == len(made)
    again = pickle.loads(pickle.dumps(made[0]))
    assert again.digest == protect({"a": [LONG]}, 13).digest
    assert _found(again, LONG) == [["a"]]
