"""Every piece of markup escapes the text that it is given."""

from __future__ import annotations

from collections.abc import Callable

import plotly.graph_objects as go
import pytest

from mixopt.report import markup

HOSTILE = "<img src='x' onerror='alert(1)'>&\""
ESCAPED = "&lt;img src=&#x27;x&#x27; onerror=&#x27;alert(1)&#x27;&gt;&amp;&quot;"


@pytest.mark.parametrize(
    ("make", "times"),
    [
        (markup.paragraph, 1),
        (markup.heading, 1),
        (lambda text: markup.items([text, text]), 2),
        (lambda text: markup.table([text, text], [[text, text]]), 4),
        (lambda text: markup.picture("name", text, text, go.Figure(layout={"height": 100})), 2),
    ],
)
def test_texts_are_escaped(make: Callable[[str], str], times: int) -> None:
    found = make(HOSTILE)
    assert found.count(ESCAPED) == times
    assert "<img" not in found


def test_names_in_a_chart_cannot_end_its_script() -> None:
    figure = go.Figure(go.Scatter(x=[1], y=[1], name="</script>"), layout={"height": 100})
    found = markup.picture("name", "title", "caption", figure)
    assert found.count("</script>") == 1


def test_verdicts_are_marked_and_first_columns_are_text() -> None:
    found = markup.table(["against", "verdict", "gain"], [["natural", "worse", "-1"]])
    assert '<td class="text">natural</td>' in found
    assert '<td class="worse">worse</td>' in found
    assert "<td>-1</td>" in found
