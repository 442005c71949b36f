"""The law of gradient-boosted trees: no assumption of smoothness, best with many runs."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm
import numpy as np

from mixopt import seeds
from mixopt.surrogate.features import Features
from mixopt.surrogate.laws.law import Matrix, Prediction, Standard, Vector, standard

_ROWS_PER_LEAF = 32  # one row of a smallest leaf for so many rows of the table
_KEPT = 0.8  # share of the rows that each member of the bag is grown on
_MANY_ROWS = 128  # from here on twice as many trees still gain
_SEEDS = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Trees:
    """LightGBM with small leaves, shrinkage and column sampling, averaged over bags of rows.

    RegMix (arXiv 2407.01492) fits mixtures with LightGBM, whose default smallest leaf of 20 rows
    allows no split at all in a study of few runs; here it grows with the number of runs. The
    number of trees depends on that number alone, up to twice `num_trees`: nothing is stopped early
    on rows that are judged later.
    """

    name: str = "trees"
    num_members: int = 4
    num_trees: int = 100

    def fit(self, features: Features, values: Vector, noise: Vector, seed: int) -> FittedTrees:
        """Return the bag; rows weigh less the noisier they are."""
        units = standard(values)
        rows, targets = _columns(features), units.inward(values)
        variance = noise / units.scale**2
        weights = 1 / (1 + variance / max(float(variance.mean()), 1e-12))
        rounds = self.num_trees * (2 if len(targets) > _MANY_ROWS else 1)
        members = []
        for number in range(self.num_members):
            kept = _bag(len(targets), seed, number)
            data = lightgbm.Dataset(rows[kept], targets[kept], weight=weights[kept])
            settings = _settings(len(kept), seeds.derive(seed, "trees", number) % _SEEDS)
            members.append(lightgbm.train(settings, data, num_boost_round=rounds))
        return FittedTrees(units=units, members=tuple(members))


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedTrees:
    """A bag of boosted trees."""

    units: Standard
    members: tuple[lightgbm.Booster, ...]

    def predict(self, features: Features) -> Prediction:
        """Return the mean of the bag, and the standard deviation between its members.

        The members differ by the rows they were grown on, so their spread bounds the sampling
        error of the mean from above.
        """
        rows = _columns(features)
        each = np.stack([np.asarray(m.predict(rows, num_threads=1)) for m in self.members])
        return self.units.outward(each.mean(axis=0), each.std(axis=0, ddof=1))


def _columns(features: Features) -> Matrix:
    """Return [N, C]: doses, those of groups, what stages do with them, and settings."""
    parts = [features.doses, features.numbers]
    if 1 < len(set(features.groups)) < len(features.domains):
        parts.append(features.group_doses)
    if len(features.stages) > 1:
        stages = features.weights.reshape(features.num_rows, -1)
        parts += [stages, features.boundaries, features.rate_doses]
    return np.hstack(parts)


def _bag(count: int, seed: int, member: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the rows that one member is grown on, in order."""
    order = seeds.generator(seed, "trees", "bag", member).permutation(count)
    return np.sort(order[: max(2, round(_KEPT * count))])


def _settings(count: int, seed: int) -> dict[str, object]:
    return {
        "objective": "regression",
        "learning_rate": 0.05,
        "num_leaves": 15,
        "min_data_in_leaf": max(2, count // _ROWS_PER_LEAF),
        "min_data_in_bin": 1,
        "min_sum_hessian_in_leaf": 1e-6,
        "lambda_l2": 0.1,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_pre_filter": False,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }
