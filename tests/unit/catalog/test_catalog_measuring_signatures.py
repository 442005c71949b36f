from __future__ import annotations

import numpy as np
import pytest
from measuring_texts import grams_of, random_text, read_texts
from numpy.typing import NDArray

from mixopt.catalog.measuring.signatures import signature_column, signatures, similarity


def _jaccard(left: str, right: str) -> float:
    first, second = set(grams_of(left, 5)), set(grams_of(right, 5))
    return len(first & second) / len(first | second)


def _pairs(words: int, kept: float, count: int) -> list[tuple[str, str]]:
    """Texts and their copies with new words from some place on."""
    stays = int(words * kept)
    texts = [random_text(number, words, 10**6) for number in range(count)]
    news = [random_text(count + number, words - stays, 10**6) for number in range(count)]
    kepts = [" ".join(text.split()[:stays]) for text in texts]
    return [(text, f"{old} {new}") for text, old, new in zip(texts, kepts, news, strict=True)]


def _errors(pairs: list[tuple[str, str]]) -> NDArray[np.float64]:
    left, _ = signatures(read_texts(*(left for left, _ in pairs)))
    right, _ = signatures(read_texts(*(right for _, right in pairs)))
    errors = similarity(left, right) - np.array([_jaccard(*pair) for pair in pairs])
    return np.asarray(errors)


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.9, 0.97])
def test_signatures_tell_the_similarity_with_the_error_of_128_draws(kept: float) -> None:
    pairs = _pairs(700, kept, 100)
    errors, exact = _errors(pairs), _jaccard(*pairs[0])
    expected = np.sqrt(exact * (1 - exact) / 128)
    assert np.mean(errors) == pytest.approx(0, abs=4 * expected / np.sqrt(len(pairs)))
    assert np.std(errors) == pytest.approx(expected, rel=0.25)


def test_texts_with_fewer_shingles_than_bytes_are_compared_without_bias() -> None:
    errors = _errors(_pairs(40, 0.8, 200))
    assert np.mean(errors) == pytest.approx(0, abs=0.03)
    assert np.std(errors) < 0.12


def test_unlike_texts_are_unlike_and_equal_ones_equal() -> None:
    found, _ = signatures(read_texts(*(random_text(number, 300) for number in range(60))))
    assert np.mean(similarity(found[:30], found[30:])) < 0.02
    assert similarity(found, found).tolist() == [1.0] * 60


def test_the_order_and_number_of_shingles_make_no_difference() -> None:
    text = random_text(0, 200)
    once, twice = signatures(read_texts(text, f"{text} {text}"))[0]
    assert np.mean(once == twice) > 0.9


def test_short_texts_have_no_signature() -> None:
    column = signature_column(
        read_texts("a b c d e f g h", random_text(0, 9), "", random_text(1, 99))
    )
    assert [each and len(each) for each in column.to_pylist()] == [None, 128, None, 128]
    found, long_enough = signatures(read_texts(random_text(0, 9)))
    assert column[1].as_py() == found[0].tobytes()
    assert long_enough.tolist() == [True]
