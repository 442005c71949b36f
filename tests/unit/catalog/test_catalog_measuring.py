from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from measuring_texts import random_text
from numpy.typing import NDArray

from mixopt.catalog.counting import Counting
from mixopt.catalog.documents import Document
from mixopt.catalog.measuring.columns import document_schema
from mixopt.catalog.measuring.compressibility import compressibility
from mixopt.catalog.measuring.language import language_of
from mixopt.catalog.measuring.measure import Measuring, measure_batch
from mixopt.catalog.measuring.protected import protect
from mixopt.catalog.recipe import ProfileRecipe


@dataclass(frozen=True)
class Counter:
    """Counts characters of one kind, which stands for a tokenizer."""

    name: str
    end_of_text: int = 0
    size: int = 256

    @property
    def digest(self) -> str:
        return f"digest of {self.name}"

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        return [text.count(self.name) + 1 for text in texts]

    def decode(self, ids: NDArray[np.integer]) -> str:
        return self.name * len(ids)


def _render(document: Document) -> str:
    return document.text or " | ".join(content for _, content in document.messages)


def _measuring(*counters: str, **profile: object) -> Measuring:
    return Measuring(
        counting=Counting(
            counters=tuple(Counter(name) for name in counters or (" ",)),
            render=_render,
            load=Counter,
        ),
        profile=ProfileRecipe.model_validate(profile),
        protected=protect({"exam": [random_text(100, 20)]}, 13),
    )


TEXTS = [Document(text=f"Document {number}. {random_text(number, 60)}") for number in range(40)]
TALK = Document(messages=(("user", "Grüße!"), ("assistant", "Hello, you\ttoo.")))


def test_a_table_has_the_columns_of_the_contract_with_scores_and_labels() -> None:
    scored = Document(text="one", scores=(("quality", 0.5),), labels=(("topic", "law"),))
    table = measure_batch([scored, TALK], _measuring(), first=7)
    assert table.schema == document_schema(["quality"], ["topic"])
    assert table["document"].to_pylist() == [7, 8]
    assert table["quality"].to_pylist() == [0.5, None]
    assert table["topic"].to_pylist() == ["law", None]


def test_hashes_bytes_and_beginnings_are_those_of_the_document() -> None:
    choice = Document(messages=TALK.messages, rejected=(("assistant", "No."),))
    scored = Document(text="one", scores=(("quality", 0.5),))
    documents = [TALK, choice, scored, *TEXTS]
    table = measure_batch(documents, _measuring(), first=0).to_pydict()
    assert table["identity"] == [int(each.identity[:16], 16) for each in documents]
    assert table["fingerprint"] == [int(each.fingerprint[:16], 16) for each in documents]
    assert table["bytes"] == [each.num_bytes for each in documents]
    assert table["excerpt"][3:] == [each.text[:160] for each in TEXTS]


def test_excerpts_have_no_control_characters() -> None:
    table = measure_batch([TALK], _measuring(), first=0)
    assert table["excerpt"].to_pylist() == ["Grüße! Hello, you too."]


def test_excerpts_are_left_out_where_no_document_is_kept() -> None:
    none = _measuring(kept_documents=0)
    table = measure_batch([Document(text="Hello"), Document(text="you")], none, first=0)
    assert table["excerpt"].null_count == 2
    assert none.digest != _measuring().digest
    assert _measuring(kept_documents=1).digest == _measuring().digest


def test_tokens_are_counted_in_what_is_rendered_unless_they_came_with_it() -> None:
    stored = Document(text="a b", tokens=np.arange(9, dtype=np.uint16), tokenizer="digest of a")
    table = measure_batch([TALK, stored, *TEXTS], _measuring("a", " "), first=0).to_pydict()
    assert table["tokens"][:2] == [_render(TALK).count("a") + 1, 10]
    assert table["further_tokens"][:2] == [[_render(TALK).count(" ") + 1], [2]]
    assert table["tokens"][2:] == [each.text.count("a") + 1 for each in TEXTS]
    assert measure_batch([TALK], _measuring(), first=0)["further_tokens"].to_pylist() == [None]


def test_only_a_sample_is_measured_and_the_same_one_always() -> None:
    columns = ("language", "compressibility", "repetition")
    documents = [Document(text=f"The number of this sentence is {n}.") for n in range(2000)]
    table = measure_batch(documents, _measuring(sample=0.1), first=0)
    there = [np.array(table[name].is_valid()) for name in columns]
    assert there[0].mean() == pytest.approx(0.1, abs=0.03)
    assert all((each == there[0]).all() for each in there)
    part = measure_batch(documents[500:700], _measuring(sample=0.1), first=500)
    assert part.select(columns).equals(table.select(columns).slice(500, 200))


def test_what_is_not_looked_for_is_null() -> None:
    leak = Document(text=random_text(100, 20))
    columns = ("signature", "grams", "protected")
    table = measure_batch([leak], _measuring(), first=0).select(columns)
    assert table.to_pylist()[0]["protected"] == ["exam"]
    assert not any(table[name].null_count for name in columns)
    off = measure_batch([leak], _measuring(near_duplicates=None, contamination=None), first=0)
    assert [off[name].null_count for name in columns] == [1, 1, 1]


def test_measuring_is_the_same_after_it_was_pickled() -> None:
    measuring = _measuring()
    again = pickle.loads(pickle.dumps(measuring))
    assert again.digest == measuring.digest
    first = measure_batch(TEXTS, measuring, first=0)
    assert measure_batch(TEXTS, again, first=0).equals(first)


def test_the_digest_names_what_decides_the_numbers_and_nothing_else() -> None:
    plain = _measuring().digest
    for same in ({"kept_documents": 3}, {"supply": "effective"}, {"near_duplicates": 0.7}):
        assert _measuring(**same).digest == plain
    for other in ({"sample": 0.5}, {"near_duplicates": None}, {"contamination": 8}):
        assert _measuring(**other).digest != plain
    assert _measuring("a").digest != plain


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "It was a bright cold day in April, and the clocks were striking thirteen."),
        ("de", "Jemand musste ihn verleumdet haben, denn er wurde eines Morgens verhaftet."),
        ("fr", "Longtemps, je me suis couché de bonne heure, et je n'avais pas le temps."),
        ("ru", "Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему."),  # noqa: RUF001 - Russian
        ("zh", "道可道，非常道。名可名，非常名。无名天地之始，有名万物之母。"),  # noqa: RUF001 - Chinese
        ("hi", "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।"),
    ],
)
def test_languages_are_told_whatever_stands_around_the_words(language: str, text: str) -> None:
    assert language_of(text.encode()) == language
    assert language_of(f"\n\n  12345 -- {text}\n{text}".encode()) == language


@pytest.mark.parametrize("text", ["", "   ", "0x7f 0x80", "7 3 9 1 4"])
def test_texts_without_words_have_no_language(text: str) -> None:
    assert language_of(text.encode()) == "und"


def test_repetitive_text_can_be_packed_more() -> None:
    noise = np.random.default_rng(0).bytes(3000)
    assert compressibility(b"the same again " * 200) < 0.05
    assert compressibility(noise) > 0.99
    assert 0.3 < compressibility(random_text(0, 1000).encode()) < 0.6
    assert compressibility(b"") == pytest.approx(9)


def test_of_a_long_text_the_first_million_bytes_are_packed() -> None:
    start = np.random.default_rng(0).bytes(1_000_000)
    assert compressibility(start + b"a" * 4_000_000) == compressibility(start)
