"""Content hashes: the same value gives the same short text on every machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

_LENGTH = 16


def digest(value: object) -> str:
    """Return 16 hexadecimal characters that name the content of `value`.

    Mappings hash by sorted key, dataclasses and pydantic models by their fields, floats by `repr`.

    Raises:
        TypeError: for a type that has no canonical form.
    """
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="python")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _plain_scalar(value)


def _plain_scalar(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, PurePath):
        return value.as_posix()
    message = f"no canonical form for {type(value).__name__}"
    raise TypeError(message)
