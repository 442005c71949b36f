"""Texts that measuring is tested on, and their words as plain Python reads them."""

from __future__ import annotations

import unicodedata

from mixopt import seeds
from mixopt.catalog.measuring.buffer import fill_buffer
from mixopt.catalog.measuring.words import Words, read_words

SCRIPTS = (
    "Plain words, in English -- 3 of them 's?",
    "",
    "  \n\t ,;  ",
    "naïve Ärzte “quote”—dash… 100\u00a0000 €5",
    "हिन्दी में एक वाक्य।",
    "漢字かなカナ mixed with ABC漢x",
    "ภาษาไทย no spaces",
    "emoji 🙂 between words; 𠀀 beyond",
    "averyveryverylongwordofmanyletters" * 3 + " end",
    "한국어 문장 입니다",
)


def read_texts(*texts: str) -> Words:
    buffer = fill_buffer([text.encode() for text in texts])
    return read_words(buffer.content, buffer.offsets)


def words_of(text: str) -> list[str]:
    """The words of a text, found character by character."""
    words, current = [], ""
    for character in text + " ":
        name = unicodedata.name(character, "")
        alone = name.startswith(("CJK ", "HIRAGANA LETTER", "KATAKANA LETTER", "THAI CHARACTER"))
        if unicodedata.category(character)[0] in "LNM" and not alone:
            current += character.lower() if character.isascii() else character
            continue
        words += [current] if current else []
        words += [character] if alone else []
        current = ""
    return words


def grams_of(text: str, length: int) -> list[tuple[str, ...]]:
    words = words_of(text)
    return [tuple(words[first : first + length]) for first in range(len(words) - length + 1)]


def random_text(seed: int, count: int, vocabulary: int = 1000) -> str:
    numbers = seeds.generator(seed, "words").integers(vocabulary, size=count)
    return " ".join(f"w{number}" for number in numbers)
