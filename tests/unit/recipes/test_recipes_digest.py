import hashlib
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath, PureWindowsPath

import numpy as np
import pytest
from pydantic import BaseModel

from mixopt.recipes.digest import digest


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: float
    tags: tuple[str, ...]


class Model(BaseModel):
    x: float
    tags: tuple[str, ...]


def test_the_digest_is_a_hash_of_canonical_json() -> None:
    text = '{"a":"0.1","b":[1,"ü",null,true]}'
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert digest({"b": [1, "ü", None, True], "a": 0.1}) == expected


def test_the_same_content_has_the_same_digest() -> None:
    fields = {"tags": ["a", "b"], "x": 0.5}
    forms: list[object] = [Point(0.5, ("a", "b")), Model(x=0.5, tags=("a", "b")), fields]
    assert len({digest(form) for form in forms}) == 1
    assert digest(np.float64(0.1)) == digest(0.1)
    assert digest(Colour.RED) == digest("red")
    assert digest(PurePosixPath("a/b")) == digest(PureWindowsPath("a\\b")) == digest("a/b")


def test_other_content_has_another_digest() -> None:
    values = [[1, 2], [2, 1], [1.0, 2], ["1", 2], [[1], 2], {"1": 2}, 0.1, 0.1 + 2e-17 + 1e-16, ""]
    assert len({digest(value) for value in values}) == len(values)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), np.zeros(2), Point])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no canonical form"):
        digest([value])
