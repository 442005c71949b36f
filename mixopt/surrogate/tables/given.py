"""Mixtures and supplies that are named beside a table of runs: in words or in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from mixopt.errors import LawError, NotFoundError
from mixopt.recipes.quantity import TokenCount
from mixopt.surrogate.features import Features
from mixopt.surrogate.tables.mixtures import ONE_STAGE, SUM_TOLERANCE, read_mixtures, weight_columns
from mixopt.surrogate.tables.read import RunTable
from mixopt.surrogate.tables.sheets import Faults, Sheet, read_sheet

Matrix = NDArray[np.float64]

_PERCENT_FROM: Final = 10.0
_TOKENS: Final[TypeAdapter[int]] = TypeAdapter(TokenCount)


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """N mixtures with names.

    Attributes:
        names: N of them.
        features: the mixtures, over the domains and stages of a table.
    """

    names: tuple[str, ...]
    features: Features

    def joined(self, other: Named) -> Named:
        """Return the mixtures of both, mine first."""
        features = self.features.joined(other.features)
        return Named(names=(*self.names, *other.names), features=features)


def named(table: RunTable, names: Sequence[str], weights: Matrix) -> Named:
    """Return mixtures [N, S, M] over the stages and domains of a table."""
    like = table.runs.features
    found = Features(
        domains=like.domains,
        stages=like.stages,
        weights=weights,
        tokens=np.tile(like.tokens.mean(axis=0), (len(weights), 1)),
        passes=like.passes,
    )
    return Named(names=tuple(names), features=found)


def read_named(given: str, table: RunTable, rest: str | None = None) -> Named:
    """Return the mixtures that a text stands for.

    Args:
        given: a file with one mixture per row, `code=0.4,web=0.6` (with `;` between stages), or
            the name of a run of the table.
        table: says which domains and stages there are.
        rest: the domain that takes what is missing, as in the table.

    Raises:
        NotFoundError: a domain or file does not exist.
        LawError: weights do not sum to one, or use a domain that no run used.
    """
    if given in table.runs.names:
        row = table.runs.names.index(given)
        return Named(names=(given,), features=table.runs.features.rows(np.array([row])))
    if "=" in given and not Path(given).is_file():
        return _in_words(given, table, rest)
    if not Path(given).is_file():
        message = f"no mixture '{given}'"
        runs = table.runs.names
        why = f"It is no file, and the {len(runs)} runs are named {', '.join(runs[:3])} and so on."
        remedy = "Write a mixture like code=0.4,web=0.6, or say natural, uniform or best."
        raise NotFoundError(message, why=why, remedy=remedy)
    sheet = read_sheet(Path(given))
    faults = Faults()
    labels = [name for name in sheet.columns if sheet.is_label(name)]
    label = next((name for name in labels if name), None)
    columns = weight_columns(sheet, (), ())
    taken = rest if rest is not None and not _mentions(columns, rest) else None
    mixtures = read_mixtures(sheet, columns, taken, label, faults)
    faults.refuse(f"cannot read the mixtures of {given}", "Mend the file.")
    weights = _on_domains(table, mixtures.columns, mixtures.weights, given)
    if mixtures.stages == (ONE_STAGE,):
        weights = np.repeat(weights, len(table.runs.features.stages), axis=1)
    if weights.shape[1] != len(table.runs.features.stages):
        message = f"{given} has stages {', '.join(mixtures.stages)}"
        why = f"The runs have {', '.join(table.runs.features.stages)}."
        raise LawError(message, why=why, remedy="Give every stage of the runs, or one for all.")
    return named(table, _row_names(sheet, label), weights)


def read_weights(given: str, table: RunTable, what: str) -> dict[str, float]:
    """Return domain -> number of a text such as `code=0.1,web=0.2`.

    Raises:
        NotFoundError: a domain does not exist.
        LawError: the text is of another form.
    """
    return {table.domain(name): number for name, number in read_pairs(given, what).items()}


def read_pairs(given: str, what: str) -> dict[str, float]:
    """Return name -> number of a text such as `code=0.1,web=0.2`; `what` names it in faults.

    Raises:
        LawError: lists every part of another form, and every name that stands twice.
    """
    found: dict[str, float] = {}
    faults = Faults()
    for part in given.split(","):
        name, _, text = part.rpartition("=")
        name = name.strip()
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not name or not np.isfinite(number):
            faults.add(f"'{part.strip()}' is not NAME=NUMBER")
        elif name in found:
            faults.add(f"'{name}' stands twice")
        found[name] = number
    faults.refuse(f"cannot read {what} '{given}'", "Write it like code=0.4,web=0.6.")
    return found


def read_supply(given: str, table: RunTable) -> dict[str, int]:
    """Return the unique tokens of every domain for the target run.

    Args:
        given: a file with columns `domain` and `tokens`, or `code=2B,web=1e12`.
        table: says which domains there are; supplies of unused ones are left out.

    Raises:
        NotFoundError: a domain or file does not exist.
        LawError: a number is no count of tokens, or a domain is missing.
    """
    faults = Faults()
    found: dict[str, int] = {}
    for name, text in _supply_texts(given):
        if name in table.unused:
            continue
        try:
            found[table.domain(name)] = read_tokens(text)
        except LawError as error:
            faults.add(f"{name}: {error.what}")
    missing = [name for name in table.runs.features.domains if name not in found]
    if missing and not faults.listed:
        faults.add(f"nothing is said of {', '.join(missing)}")
    faults.refuse(f"cannot read the supply '{given}'", "Give each domain its unique tokens.")
    return found


def read_tokens(text: str) -> int:
    """Return a count of tokens such as `25B`, `1e9` or `250_000`.

    Raises:
        LawError: it is none.
    """
    try:
        return _TOKENS.validate_python(int(float(text)) if "e" in text.lower() else text)
    except (ValidationError, ValueError):
        message = f"'{text}' is no count of tokens above 0"
        raise LawError(message, remedy="Write it like 25B, 1e9 or 250_000.") from None


def _supply_texts(given: str) -> list[tuple[str, str]]:
    if "=" in given and not Path(given).is_file():
        parts = (part.rpartition("=") for part in given.split(","))
        return [(name.strip(), text.strip()) for name, _, text in parts]
    sheet = read_sheet(Path(given))
    if not {"domain", "tokens"} <= {*sheet.columns}:
        message = f"{given} has no columns `domain` and `tokens`"
        why = f"It has {', '.join(sheet.columns)}."
        raise LawError(message, why=why, remedy="Write one row per domain under that header.")
    return list(zip(sheet.texts("domain"), sheet.texts("tokens"), strict=True))


def _in_words(given: str, table: RunTable, rest: str | None) -> Named:
    """Return the one mixture of a text; a text for one stage serves all."""
    stages = table.runs.features.stages
    parts = [read_pairs(part, "the mixture") for part in given.split(";")]
    if len(parts) not in (1, len(stages)):
        message = f"'{given}' has {len(parts)} stages"
        raise LawError(
            message, why=f"The runs have {len(stages)}.", remedy="Put `;` between stages."
        )
    weights = []
    for pairs in parts * (len(stages) // len(parts)):
        total = sum(pairs.values())
        scale = 100.0 if total > _PERCENT_FROM else 1.0
        shares = {name: weight / scale for name, weight in pairs.items()}
        if rest is not None and rest not in shares:
            shares[rest] = max(0.0, 1 - total / scale)
        row = np.array(list(shares.values()))
        if row.min() < 0 or abs(row.sum() - 1) > SUM_TOLERANCE:
            message = f"the weights of '{given}' are no mixture"
            why = f"They sum to {row.sum():.4g}; the least is {row.min():.4g}."
            raise LawError(message, why=why, remedy="Give weights that sum to 1.")
        columns = tuple(shares)
        weights.append(_on_domains(table, columns, row[None, None] / row.sum(), given)[0, 0])
    return named(table, [given], np.array([weights]))


def _on_domains(table: RunTable, columns: Sequence[str], weights: Matrix, given: str) -> Matrix:
    """Return weights [N, S, M] over the domains of the table, zero where nothing is said."""
    domains = table.runs.features.domains
    found = np.zeros((*weights.shape[:2], len(domains)))
    for number, column in enumerate(columns):
        if column in table.unused:
            if weights[:, :, number].any():
                message = f"{given} gives '{column}' a weight, and no run used it"
                remedy = "Set its weight to 0, or run some mixtures that use it."
                raise LawError(message, why="A law cannot know what it does.", remedy=remedy)
            continue
        found[:, :, domains.index(table.domain(column))] += weights[:, :, number]
    return found


def _mentions(columns: Sequence[str], name: str) -> bool:
    return any(column == name or column.endswith(f"_{name}") for column in columns)


def _row_names(sheet: Sheet, label: str | None) -> list[str]:
    if label is not None:
        return sheet.texts(label)
    stem = sheet.path.stem
    return [f"{stem} {row + 1}" for row in range(sheet.num_rows)]


def natural(table: RunTable, supply: Mapping[str, int] | None) -> Named:
    """Return shares in proportion to supply, or the mean of the runs where it is not known."""
    features = table.runs.features
    mean = features.weights.mean(axis=0)
    if supply is None:
        return named(table, ["mean of the runs"], mean[None])
    held = np.array([supply[name] for name in features.domains], float)
    return named(table, ["natural"], np.tile(held / held.sum(), (1, len(features.stages), 1)))


def uniform(table: RunTable) -> Named:
    """Return equal shares of every domain."""
    like = table.runs.features.weights[:1]
    return named(table, ["uniform"], np.full_like(like, 1 / like.shape[2]))
