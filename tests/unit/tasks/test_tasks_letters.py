"""Random letters and misspellings."""

from __future__ import annotations

from collections import Counter

from mixopt import seeds
from mixopt.tasks.letters import draw_letters, swap_neighbours


def test_letters_are_distinct_and_from_the_alphabet() -> None:
    rng = seeds.generator(0, "letters")
    drawn = [draw_letters(rng, 3, 5) for _ in range(500)]
    assert {len(set(text)) for text in drawn} == {3}
    assert set("".join(drawn)) == set("abcde")
    assert len(set(drawn)) == 5 * 4 * 3


def test_letters_are_equally_frequent_in_every_place() -> None:
    rng = seeds.generator(1, "letters")
    firsts = Counter(draw_letters(rng, 2, 4)[1] for _ in range(4000))
    assert all(abs(times - 1000) < 120 for times in firsts.values())


def test_swap_moves_exactly_one_neighbouring_pair() -> None:
    rng = seeds.generator(0, "swap")
    swapped = {swap_neighbours(rng, "abcd") for _ in range(100)}
    assert swapped == {"bacd", "acbd", "abdc"}
    assert swap_neighbours(rng, "ab") == "ba"
