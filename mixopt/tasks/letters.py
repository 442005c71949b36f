"""Owns random strings of distinct letters, and their most likely misspelling."""

from __future__ import annotations

import string

import numpy as np


def draw_letters(rng: np.random.Generator, count: int, alphabet: int) -> str:
    """Return `count` distinct letters out of the first `alphabet` letters, in random order."""
    places = rng.permutation(alphabet)[:count].tolist()
    return "".join(string.ascii_lowercase[place] for place in places)


def swap_neighbours(rng: np.random.Generator, text: str) -> str:
    """Return the text with one random pair of neighbouring characters in the other order.

    No character is lost or added, so that only their order gives the mistake away.
    """
    place = int(rng.integers(len(text) - 1))
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
