from __future__ import annotations

import numpy as np
import pytest
from measuring_texts import SCRIPTS, grams_of, random_text, read_texts, words_of

from mixopt.catalog.measuring.grams import SAMPLED, every_gram, sampled_grams
from mixopt.catalog.measuring.repetition import repetition


@pytest.mark.parametrize("text", SCRIPTS)
def test_words_are_those_that_reading_character_by_character_finds(text: str) -> None:
    words = read_texts("before", text, "after")
    assert (np.diff(words.starts) - 1).tolist() == [1, len(words_of(text)), 1]


@pytest.mark.parametrize("length", [1, 2, 13])
def test_runs_of_words_have_equal_hashes_where_they_are_equal(length: int) -> None:
    texts = [*SCRIPTS, random_text(0, 500, vocabulary=3), random_text(1, 500)]
    grams = {gram for text in texts for gram in grams_of(text, length)}
    assert len(every_gram(read_texts(*texts), length)) == len(grams)


def test_case_signs_and_white_space_make_no_difference() -> None:
    first, second = "The cat -- 3 of them -- SAT.", "the\ncat, 3 of  them sat"
    assert every_gram(read_texts(first), 2).tolist() == every_gram(read_texts(second), 2).tolist()
    other = "the cat 3 of sat them"
    assert set(every_gram(read_texts(first), 6)).isdisjoint(every_gram(read_texts(other), 6))


def test_words_of_a_document_do_not_depend_on_its_neighbours() -> None:
    alone = every_gram(read_texts("one two three"), 2).tolist()
    among = every_gram(read_texts("zero", "one two three", "four"), 2).tolist()
    assert among == alone


def test_a_sample_has_the_grams_that_are_chosen_by_their_value() -> None:
    texts = [random_text(number, 3000) for number in range(3)]
    found = sampled_grams(read_texts(*texts), 13)
    for text, hashes in zip(texts, found.to_pylist(), strict=True):
        every = every_gram(read_texts(text), 13)
        assert sorted(hashes) == every[every % np.uint64(SAMPLED) == 0].tolist()
        assert len(every) / SAMPLED == pytest.approx(len(hashes), rel=0.4)


def test_repeated_grams_are_given_once_and_short_texts_have_none() -> None:
    text = random_text(0, 400)
    found = sampled_grams(read_texts(f"{text}. {text}. {text}", "far too short", ""), 13)
    assert len(set(found[0].as_py())) == len(found[0])
    assert set(sampled_grams(read_texts(text), 13)[0].as_py()) < set(found[0].as_py())
    assert found[1:].to_pylist() == [[], []]


def _repetition(text: str) -> float:
    """The share of words in a run of ten that stood before, as plain Python finds it."""
    seen: set[tuple[str, ...]] = set()
    covered: set[int] = set()
    for first, gram in enumerate(grams_of(text, 10)):
        if gram in seen:
            covered.update(range(first, first + 10))
        seen.add(gram)
    return len(covered) / max(len(words_of(text)), 1)


def test_repetition_is_the_share_of_words_in_runs_that_stood_before() -> None:
    text = random_text(0, 60)
    texts = [text, f"{text} {text}", f"{text} x {text[:100]} y {text[40:]}", "again " * 50]
    texts += [random_text(5, 3000, vocabulary=2), "short", ""]
    found = repetition(read_texts(*texts), np.arange(len(texts)))
    assert found.tolist() == pytest.approx([_repetition(each) for each in texts])
    assert found[:2].tolist() == pytest.approx([0, 0.5])


def test_repetition_is_measured_of_the_chosen_documents() -> None:
    words = read_texts("again " * 50, random_text(0, 50), "once more " * 30)
    assert repetition(words, np.array([2, 1])).tolist() == pytest.approx([29 * 2 / 60, 0])
