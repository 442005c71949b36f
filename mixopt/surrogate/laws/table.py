"""The table of laws that are fitted to every measure, the simplest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mixopt.surrogate.laws.gaussian_process import GaussianProcess
from mixopt.surrogate.laws.law import Law
from mixopt.surrogate.laws.log_linear import LogLinear
from mixopt.surrogate.laws.mean import Mean
from mixopt.surrogate.laws.trees import Trees

FAMILIES: Final[tuple[Law, ...]] = (LogLinear(), GaussianProcess(), Trees())
MEAN: Final = Mean(laws=FAMILIES)
LAWS: Final[Mapping[str, Law]] = {law.name: law for law in (*FAMILIES, MEAN)}
