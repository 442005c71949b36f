"""Which charts a page has, under which title, and how each is to be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from mixopt.report import tables, wording
from mixopt.report.accounts import stage_kinds
from mixopt.report.charts import doses, gains, law, stream, trajectory, trials
from mixopt.report.data import ReportData
from mixopt.study.recommendation import RECOMMENDED


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One chart of a page."""

    name: str  # unique on the page
    title: str
    caption: str  # how to read it
    figure: go.Figure


def pictures(data: ReportData) -> list[Picture]:
    """Return the charts that a study has the data for, in the order of the page."""
    return [
        *_schedule(data),
        *_chosen(data),
        *_gains(data),
        *_search(data),
        *_law(data),
        *_doses(data),
    ]


def _schedule(data: ReportData) -> Iterator[Picture]:
    records = [data.confirmed(label) for label in (RECOMMENDED, "natural")]
    chosen = [(found.label, data.schedule(found)) for found in records if found is not None]
    if chosen:
        yield Picture(
            name="schedule",
            title="The mixture over time",
            caption="The height of a band is the share of tokens that its domain gives at that "
            "point of the target run; dashed lines are stage boundaries; stages after pretraining "
            "stand on the right, on a scale of their own.",
            figure=stream.stream_chart(chosen, data.inventory.names()),
        )


def _chosen(data: ReportData) -> Iterator[Picture]:
    rows = [
        trajectory.Trajectory(title=f"{record.label}, {stage}", choices=choices)
        for record in data.accounted()
        for stage, choices in data.trajectories.get(record.trial, {}).items()
    ]
    if rows:
        yield Picture(
            name="chosen",
            title="What the online policies chose",
            caption="The height of a band is the share of tokens that the policy gave its domain at "
            "that point of the stage, the mean over seeds; `mixopt schedule freeze` writes it as an "
            "ordinary schedule.",
            figure=trajectory.trajectory_chart(rows, data.inventory.names()),
        )


def _gains(data: ReportData) -> Iterator[Picture]:
    rows = tables.comparison_rows(data.recommendation)
    stages = list(stage_kinds(data.confirm[0])) if data.confirm else []
    compared = gains.means_of(rows, (data.objective, data.contrast), stages)
    if compared:
        yield Picture(
            name="gains",
            title="Gains of the recommended schedule on fresh seeds",
            caption="Right of the line the recommended schedule is better, whatever the measure's "
            "direction; bars are 95% intervals, paired by seed, in units of the measure; filled "
            "circles are better, crosses worse, open circles cannot be told apart.",
            figure=gains.forest_chart(compared),
        )
    outcomes = gains.by_subject(tables.outcome_rows(data), data.objective)
    if outcomes:
        yield Picture(
            name="subjects",
            title="Outcome by subject",
            caption="One bar per confirmed schedule, with standard errors over fresh seeds; bars "
            "whose errors overlap widely should not be read as different.",
            figure=gains.subject_chart(outcomes, tables.outcome_labels(data)),
        )


def _search(data: ReportData) -> Iterator[Picture]:
    rows = tables.trial_rows(data)
    if not any(row.objective is not None for row in rows):
        return
    yield Picture(
        name="progress",
        title="The search, trial by trial",
        caption="Each point is a trial, with the standard error of its mean over seeds; the dotted "
        "line is the best so far, which flatters: the luckiest of many noisy trials.",
        figure=trials.progress_chart(rows, data.objective),
    )
    if data.contrast is not None and any(row.contrast is not None for row in rows):
        yield Picture(
            name="contrast",
            title="The objective against "
            + wording.measure_name(data.contrast).replace(", mean", ""),
            caption="If both measures chose the same mixtures, the points would lie on one rising "
            "or falling line; a scattered cloud means that the one cannot stand in for the other.",
            figure=trials.contrast_chart(rows, data.objective, data.contrast),
        )


def _law(data: ReportData) -> Iterator[Picture]:
    if data.law is not None:
        yield Picture(
            name="law",
            title="What the law predicts of trials that it has not seen",
            caption="Points on the dotted line are predicted exactly; the rank correlation within "
            "the best quarter is the one that matters for choosing, as a wide design inflates the "
            "other; regret@1 is what is lost by trusting the law's first choice.",
            figure=law.law_chart(data.law),
        )


def _doses(data: ReportData) -> Iterator[Picture]:
    rows = tables.trial_rows(data)
    having = [
        (record, row.objective)
        for record, row in zip(data.search, rows, strict=True)
        if row.objective is not None
    ]
    if not having:
        return
    features = data.features([record for record, _ in having])
    values = np.array([value for _, value in having], float)
    marked = [data.confirmed(label) for label in (RECOMMENDED, "natural")]
    found = [record for record in marked if record is not None]
    yield Picture(
        name="doses",
        title="What the best trials trained on",
        caption="Each mark is one trial's share of pretraining tokens from a domain; where the "
        "best quarter crowds together, away from the others, the domain mattered.",
        figure=doses.dose_chart(
            features.doses,
            tables.best_quarter(values, data.objective),
            features.domains,
            [(record.label, data.features([record]).doses[0]) for record in found],
        ),
    )
