"""Commands whose parameters are records: every field of a record becomes an option."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, get_type_hints


def flattened(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes the fields of its records one by one.

    Commands that share many options name them once. A parameter annotated with a dataclass is a
    record; its fields are annotated as options are. Other parameters stay as they are.
    """
    hints = get_type_hints(command, include_extras=True)
    records = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}
    given = inspect.signature(command).parameters
    options: list[inspect.Parameter] = []
    for name, parameter in given.items():
        if name in records:
            options += _options(records[name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            options.append(parameter.replace(annotation=hints[name], kind=kind))

    @wraps(command)
    def run(**values: Any) -> None:  # noqa: ANN401 - whatever the options are
        made = {name: _made(kind, values) for name, kind in records.items()}
        others = {name: values[name] for name in given if name not in records}
        command(**made, **others)

    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run


def _options(record: Any) -> Iterator[inspect.Parameter]:  # noqa: ANN401 - a dataclass
    hints = get_type_hints(record, include_extras=True)
    for field in dataclasses.fields(record):
        missing = field.default is dataclasses.MISSING
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if missing else field.default,
            annotation=hints[field.name],
        )


def _made(record: Any, values: dict[str, Any]) -> object:  # noqa: ANN401 - a dataclass
    return record(**{field.name: values[field.name] for field in dataclasses.fields(record)})
