"""The page: one file that loads nothing, escapes every name, and is written whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_fakes import HOSTILE, OBJECTIVE

from mixopt.report import sections
from mixopt.report.data import ReportData
from mixopt.report.page import render, write_report

_MOST_BYTES = 6_000_000


class Outline(HTMLParser):
    """Collects what a browser would load, and the text that it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.shown: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] not in {"script", "style"}:
            self.shown.append(data.strip())


@pytest.fixture(scope="module")
def text(data: ReportData) -> str:
    return render(data)


def test_the_page_is_one_file_that_loads_nothing(text: str) -> None:
    outline = Outline(text)
    assert outline.loads == ["data:,"]
    assert len(text.encode()) < _MOST_BYTES
    assert outline.tags.count("figure") == 7
    assert text.count("plotly.js v") == 1


def test_a_hostile_name_stays_a_name(text: str) -> None:
    outline = Outline(text)
    assert HOSTILE in outline.shown
    assert HOSTILE not in text
    assert "<script src" not in Outline(text).shown
    assert outline.tags.count("script") == 2 + 7
    assert not any("evil" in load for load in outline.loads)


def test_the_study_name_is_escaped(text: str) -> None:
    assert "fake <b>study</b>" not in text
    assert "mixopt study fake <b>study</b>" in unescape(text)


def test_the_page_begins_with_the_sentence(data: ReportData, text: str) -> None:
    assert data.recommendation is not None
    shown = [piece for piece in Outline(text).shown if piece]
    assert data.recommendation.sentence in shown[2]
    order = [shown.index(name) for name in ("What got worse", "How sure", "What it cost")]
    assert order == sorted(order)
    assert "exports/train.yaml" in shown


def test_what_got_worse_is_named_with_both_values(data: ReportData, text: str) -> None:
    worse = text[text.index("What got worse") : text.index("How sure")]
    assert "bits per byte after late, mean" in worse
    assert sections.NOTHING_WORSE not in worse
    assert data.recommendation is not None
    harmless = [c for c in data.recommendation.comparisons if c.verdict != "worse"]
    kind = data.recommendation.model_copy(update={"comparisons": tuple(harmless)})
    assert sections.NOTHING_WORSE in sections.body(replace(data, recommendation=kind))


def test_the_appendix_lists_every_trial(data: ReportData, text: str) -> None:
    appendix = text[text.index("All trials of the search") :]
    assert all(f">{record.trial}<" in appendix for record in data.search)


def test_a_study_without_recommendation_has_a_page(begun: ReportData) -> None:
    outline = Outline(render(begun))
    assert any("No recommendation yet: 6 trials" in piece for piece in outline.shown)
    assert any("There is no law" in piece for piece in outline.shown)
    assert "What got worse" not in outline.shown
    assert outline.tags.count("figure") == 3


def test_a_study_without_contrast_or_values_has_a_page(begun: ReportData) -> None:
    empty = tuple(replace(record, measures={}, seeds=()) for record in begun.search)
    outline = Outline(render(replace(begun, contrast=None, search=empty)))
    assert "figure" not in outline.tags
    assert OBJECTIVE in outline.shown


def test_the_same_data_gives_the_same_page(data: ReportData, text: str) -> None:
    assert render(data) == text


def test_writing_replaces_whole_pages_only(
    data: ReportData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "report.html"
    write_report(path, data)
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mixopt.atomic.os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_report(path, replace(data, study="other"))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_outcomes_show_what_the_study_goes_by_and_fold_the_rest(text: str) -> None:
    section = text.split("Outcomes on fresh seeds", maxsplit=1)[1].split("<h3", maxsplit=1)[0]
    shown, folded = section.split("<details>", maxsplit=1)
    for measure in (OBJECTIVE, "late/bits_per_byte/mean", "sft/accuracy/mean"):
        assert measure in shown
    assert "late/bits_per_byte/web" in folded
    assert "late/bits_per_byte/web" not in shown
