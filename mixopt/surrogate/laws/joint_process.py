"""The joint law of several measures: processes that borrow from those of correlated measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import starmap

import numpy as np
from numpy.typing import NDArray

from mixopt.errors import LawError
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.evidence import Evidence, Prior, likeliest, prior_of
from mixopt.surrogate.laws.kernel import Kernel
from mixopt.surrogate.laws.law import Matrix, Prediction, Vector, single_thread
from mixopt.surrogate.laws.posterior import Posterior, condition
from mixopt.surrogate.laws.process_columns import Frame, frame_of
from mixopt.surrogate.laws.warp import Given, LogUnits, costs_of

_MOST_ROWS = 192  # that the parameters of one of many processes are found on
_STRANGERS = 0.5  # weight of the plain prior beside squared correlations with other measures
_NARROWER = 0.7  # spreads of the borrowed prior over those of the plain one
_PROOF = 2.0  # squared standard errors that components must gain by before they are believed
_SINGULAR = 1e-6
_TOLD = 0.9  # left-out error of a component, as a share of its variance, from which it is dropped


@dataclass(frozen=True, kw_only=True, slots=True)
class JointProcess:
    """Processes of P measures that borrow strength from one another in two ways.

    Each measure has its own process, because each depends on few domains and these differ. What
    the process of a measure expects of length scales, amplitudes and noise is a mean over the
    other measures, weighted by squared correlations: an empirical-Bayes prior. Besides, the table
    of measures is rotated to its singular vectors and every leading component has a process
    (Higdon, Gattiker, Williams and Rightley 2008, "Computer model calibration using
    high-dimensional output", equation 1). Predictions of a measure mix its own process with the
    components by the weight that leaves the least left-out errors, as far as it is significant:
    components win where measures are noisy views of the same thing.

    A missing value of a measure is not seen by its own process, and the components see what that
    process says instead.

    Attributes:
        num_components: how many singular vectors have a process, at most.
    """

    name: str = "joint_process"
    num_components: int = 20

    def fit(self, features: Features, values: Matrix, noise: Matrix, seed: int) -> FittedJoint:
        """Fit the processes of all measures.

        Args:
            features: N schedules.
            values: [N, P] costs; not a number where a run lacks a measure.
            noise: [N, P] variances of the values.
            seed: names the rows that parameters are found on, where there are many.

        Raises:
            LawError: no run has a value of some measure.
        """
        held = np.isfinite(values)
        _check(held)
        frame = frame_of(features)
        kernel, rows = Kernel(widths=frame.widths), frame.columns(features)
        prior = prior_of(kernel)
        columns = [(values[here, p], noise[here, p]) for p, here in enumerate(held.T)]
        evidence = [
            Evidence(kernel=kernel, rows=rows[here], targets=costs, prior=prior)
            for here, costs in zip(held.T, starmap(costs_of, columns), strict=True)
        ]
        with single_thread():
            own = _own_processes(evidence, held, seed)
            table = _filled(own, evidence, rows, held)
            empty = Evidence(kernel=kernel, rows=rows, targets=table.column(0), prior=prior)
            components = _components(table, empty, self.num_components, seed)
        return FittedJoint(
            frame=frame,
            units=tuple(
                costs_of(*column).units(_shift(process))
                for column, process in zip(columns, own, strict=True)
            ),
            own=own,
            components=components,
            trust=_trust(own, components, table, held),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """Processes of the leading singular vectors of a table of P standardized measures.

    Attributes:
        processes: K of them, each of the standardized scores of the runs.
        loadings: [P, K] what a score is worth in each measure.
        left_out: [N, P] the table as the components predict each row without it.
        dropped: [P] variance that the K components do not hold.
    """

    processes: tuple[Posterior, ...]
    loadings: Matrix
    left_out: Matrix
    dropped: Vector

    def at(self, rows: Matrix) -> tuple[Matrix, Matrix]:
        """Return means and deviations of the P measures; [N, P] each."""
        found = [process.at(rows) for process in self.processes]
        means = np.column_stack([mean for mean, _ in found]) @ self.loadings.T
        variances = np.column_stack([deviation**2 for _, deviation in found])
        return means, np.sqrt(variances @ self.loadings.T**2 + self.dropped)


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedJoint:
    """The processes of P measures and of the components that they share.

    Attributes:
        frame: of the columns of all processes.
        units: of every measure.
        own: the process of every measure.
        components: what the measures share.
        trust: [P] weight of the components in every measure, from 0 to 1.
    """

    frame: Frame
    units: tuple[LogUnits, ...]
    own: tuple[Posterior, ...]
    components: Components
    trust: Vector

    def predict(self, features: Features) -> tuple[Prediction, ...]:
        """Return the median of every measure, and half the width of its central 68%."""
        with single_thread():
            rows = self.frame.columns(features)
            shared = self.components.at(rows) if self.trust.any() else None
            found = [process.at(rows) for process in self.own]
        means = np.column_stack([mean for mean, _ in found])
        deviations = np.column_stack([deviation for _, deviation in found])
        if shared is not None:
            means += self.trust * (shared[0] - means)
            deviations += self.trust * (shared[1] - deviations)
        return tuple(
            units.outward(means[:, p], deviations[:, p]) for p, units in enumerate(self.units)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """Standardized measures without gaps: targets [N, P] and their known noise [N, P]."""

    targets: Matrix
    noise: Matrix

    def column(self, number: int) -> Given:
        return Given(targets=self.targets[:, number], noise=self.noise[:, number])


def _check(held: NDArray[np.bool_]) -> None:
    missing = np.flatnonzero(~held.any(axis=0))
    if len(missing):
        message = f"no run has a value of measure {missing[0] + 1} of {held.shape[1]}"
        why = "A joint law learns every measure from runs that have it."
        raise LawError(message, why=why, remedy="Leave the measure out.")


def _shift(process: Posterior) -> float:
    return float(process.parameters[-1])


def _own_processes(
    evidence: Sequence[Evidence], held: NDArray[np.bool_], seed: int
) -> tuple[Posterior, ...]:
    """Return the process of every measure, by what the processes of the others were found to be."""
    few = [found.some(_MOST_ROWS, seed) for found in evidence]
    alone = np.array([likeliest(found, [found.prior.medians]) for found in few])
    targets = np.zeros(held.shape)
    for p, found in enumerate(evidence):
        targets[held[:, p], p] = found.targets.warped(alone[p, -1]).targets
    counts = np.sqrt(held.sum(axis=0))
    closeness = (targets.T @ targets / np.outer(counts, counts)) ** 2
    np.fill_diagonal(closeness, 0)
    priors = [_borrowed(evidence[0].prior, alone, weights) for weights in closeness]
    return tuple(
        condition(whole, likeliest(replace(found, prior=prior), [start]))
        for whole, found, prior, start in zip(evidence, few, priors, alone, strict=True)
    )


def _borrowed(plain: Prior, found: Matrix, weights: Vector) -> Prior:
    """Return a prior around the weighted mean of what other measures have found [P, Q]."""
    share = float(weights.sum() / (_STRANGERS + weights.sum()))
    medians = plain.medians + weights @ (found - plain.medians) / (_STRANGERS + weights.sum())
    spreads = plain.spreads * (1 - share * (1 - _NARROWER))
    # The extra variance and the shift belong to the measure itself: they are borrowed loosely
    # or not at all.
    medians[-1], spreads[-2:] = plain.medians[-1], plain.spreads[-2:]
    return Prior(medians=medians, spreads=spreads)


def _filled(
    own: Sequence[Posterior],
    evidence: Sequence[Evidence],
    rows: Matrix,
    held: NDArray[np.bool_],
) -> _Table:
    """Return the standardized table, with what is missing as its own process predicts it."""
    targets, noise = np.zeros(held.shape), np.zeros(held.shape)
    for p, process in enumerate(own):
        here = held[:, p]
        seen = evidence[p].targets.warped(_shift(process))
        targets[here, p], noise[here, p] = seen.targets, seen.noise
        if not here.all():
            targets[~here, p], deviation = process.at(rows[~here])
            noise[~here, p] = deviation**2
    return _Table(targets=targets, noise=noise)


def _components(table: _Table, empty: Evidence, most: int, seed: int) -> Components:
    """Return the processes of the leading singular vectors; `empty` has the rows and the prior.

    A component of which the process predicts left-out runs hardly better than the mean is dropped.
    """
    count = len(table.targets)
    left, sizes, right = np.linalg.svd(table.targets, full_matrices=False)
    num_kept = min(most, max(1, int((sizes > _SINGULAR * sizes[0]).sum())))
    processes, loadings, scores, errors = [], [], [], []
    for k in range(num_kept):
        score = left[:, k] * np.sqrt(count)
        worth = float(sizes[k] ** 2 / count) or 1.0
        given = Given(targets=score, noise=table.noise @ right[k] ** 2 / worth)
        evidence = replace(empty, targets=given)
        few = evidence.some(_MOST_ROWS, seed)
        process = condition(evidence, likeliest(few, [empty.prior.medians]))
        missed = process.left_out_errors()
        if k == 0 or missed @ missed < _TOLD * (score @ score):
            processes.append(process)
            loadings.append(right[k] * sizes[k] / np.sqrt(count))
            scores.append(score)
            errors.append(missed)
    told = np.column_stack(scores) @ np.array(loadings)
    return Components(
        processes=tuple(processes),
        loadings=np.array(loadings).T,
        left_out=told - np.column_stack(errors) @ np.array(loadings),
        dropped=np.mean((table.targets - told) ** 2, axis=0),
    )


def _trust(
    own: Sequence[Posterior], components: Components, table: _Table, held: NDArray[np.bool_]
) -> Vector:
    """Return the weight of the components in every measure that its left-out errors ask for; [P].

    It is the least-squares weight, shrunk by the positive part of 1 - proof / t^2, where t is the
    weight over its standard error.
    """
    found = np.zeros(len(own))
    for p, process in enumerate(own):
        here = held[:, p]
        errors = process.left_out_errors()
        moves = components.left_out[here, p] - (table.targets[here, p] - errors)
        length = float(moves @ moves)
        if length <= 0 or len(errors) < 2:
            continue
        weight = float(errors @ moves) / length
        left = errors - weight * moves
        variance = float(left @ left) / (len(errors) - 1) / length
        if weight > 0 and weight**2 > _PROOF * variance:
            found[p] = min(1.0, weight - _PROOF * variance / weight)
    return found
