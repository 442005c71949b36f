"""The section on compromises: what one measure that was searched for costs another."""

from __future__ import annotations

from collections.abc import Iterator

from mixopt.report import wording
from mixopt.report.data import ReportData
from mixopt.report.markup import heading, paragraph, table


def front_section(data: ReportData) -> Iterator[str]:
    """Yield the section, piece by piece; nothing where one measure alone was searched for."""
    found = data.recommendation
    if found is None or not found.front:
        return
    measures, domains = list(found.front[0].predicted), list(found.front[0].mixture)
    yield heading("What one measure costs the other")
    yield paragraph(
        "Predicted by the laws, not trained: of these schedules none beats another in every "
        "measure. At the knee the largest loss, in parts of a measure's range here, is least. "
        "Shares are means over the lm stages.",
        "note",
    )
    yield table(
        ["", *measures, *domains],
        [
            [
                "knee" if each.knee else "",
                *(wording.with_error(each.predicted[m], each.deviation[m]) for m in measures),
                *(wording.percent(each.mixture.get(name, 0.0)) for name in domains),
            ]
            for each in found.front
        ],
    )
