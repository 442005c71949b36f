"""The section on stages: what each gave and took, what was forgotten, and how it went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mixopt.evaluation.measure import MEAN
from mixopt.report import accounts, wording
from mixopt.report.accounts import AccountRow, Change, FigureRow, ForgettingRow
from mixopt.report.data import ReportData
from mixopt.report.markup import Cell, details, heading, paragraph, table
from mixopt.study.ledger import TrialRecord


def stages_section(data: ReportData) -> Iterator[str]:
    """Yield the section, piece by piece; nothing where no schedule has measures."""
    records = data.accounted()
    if not records:
        return
    yield heading("What each stage gave and took")
    yield paragraph(
        "Means over seeds with standard errors; below them the change from the nearest stage before "
        "that has the measure, with its 95% interval, paired by seed. A change is called better or "
        "worse in the measure's own direction, and only where the interval excludes zero.",
        "note",
    )
    for record in records:
        yield from _account(record)
    yield from _forgetting(records)
    yield from _figures(data, records)


def _account(record: TrialRecord) -> Iterator[str]:
    rows = accounts.account_rows(record)
    stages = [name for name in accounts.stage_kinds(record) if any(r.stage == name for r in rows)]
    means = [row for row in rows if row.subject == MEAN]
    others = [row for row in rows if row.subject != MEAN]
    yield heading(record.label, 3)
    if means:
        yield _matrix(means, stages)
    if others:
        summary = f"{record.label}: every domain and task family"
        yield details(summary, _matrix(others, stages))


def _matrix(rows: Sequence[AccountRow], stages: Sequence[str]) -> str:
    cells = {(row.measure, row.subject, row.stage): row for row in rows}
    subjects = any(row.subject != MEAN for row in rows)
    body: list[list[str | Cell]] = []
    for measure, subject in accounts.measures_of(rows):
        name = wording.NAMES.get(measure, measure)
        head = [name, subject] if subjects else [name]
        found = [cells.get((measure, subject, stage)) for stage in stages]
        body.append([*head, *("-" if row is None else _cell(row) for row in found)])
    top = ["measure", "of"] if subjects else ["measure"]
    return table([*top, *(f"after {stage}" for stage in stages)], body, text_columns=len(top))


def _cell(row: AccountRow) -> Cell:
    value = wording.with_error(row.value, row.standard_error)
    if row.change is None:
        return Cell(text=value)
    return Cell(text=value, below=_change(row.change), verdict=row.change.verdict)


def _change(change: Change) -> str:
    return f"{wording.signed(change.value)} {wording.interval(change.low, change.high)}"


def _forgetting(records: Sequence[TrialRecord]) -> Iterator[str]:
    found = {
        (row.label, row.domain): row
        for record in records
        for row in accounts.forgetting_rows(record)
    }
    if not found:
        return
    labels = [
        record.label for record in records if any(label == record.label for label, _ in found)
    ]
    domains = list(dict.fromkeys(domain for _, domain in found))
    first = next(iter(found.values()))
    yield heading("What was forgotten", 3)
    yield paragraph(
        f"Bits per byte of held-out text after the last stage, less those after {first.change.since}, "
        "where pretraining ended; more bits are worse.",
        "note",
    )
    yield table(
        ["domain", *labels],
        [
            [domain, *(_forgotten(found.get((label, domain))) for label in labels)]
            for domain in domains
        ],
    )


def _forgotten(row: ForgettingRow | None) -> str | Cell:
    if row is None:
        return "-"
    below = wording.interval(row.change.low, row.change.high)
    return Cell(text=wording.signed(row.change.value), below=below, verdict=row.change.verdict)


def _figures(data: ReportData, records: Sequence[TrialRecord]) -> Iterator[str]:
    rows = [row for record in records for row in accounts.figure_rows(data.figures, record)]
    if not rows:
        return
    labels = list(dict.fromkeys(row.label for row in rows))
    found = {(row.stage, row.name, row.label): row for row in rows}
    yield heading("How the stages went", 3)
    yield paragraph(
        "Means over seeds with standard errors; in brackets least and greatest.", "note"
    )
    yield table(
        ["stage", "figure", *labels],
        [
            [
                stage,
                wording.figure_name(name),
                *(_noted(found.get((stage, name, label))) for label in labels),
            ]
            for stage, name in dict.fromkeys((row.stage, row.name) for row in rows)
        ],
        text_columns=2,
    )


def _noted(row: FigureRow | None) -> str | Cell:
    if row is None:
        return "-"
    text = wording.with_error(row.value, row.standard_error)
    if row.least == row.most:
        return text
    return Cell(text=text, below=f"[{wording.number(row.least, 3)}, {wording.number(row.most, 3)}]")
