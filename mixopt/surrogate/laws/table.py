"""The table of laws that are fitted to every measure, the simplest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mixopt.surrogate.laws.additive_scaling import AdditiveScaling
from mixopt.surrogate.laws.autoscale import AutoScale
from mixopt.surrogate.laws.bimix import BiMix
from mixopt.surrogate.laws.domain_continual import DomainContinual
from mixopt.surrogate.laws.effective_data import EffectiveData
from mixopt.surrogate.laws.exponential_mixing import ExponentialMixing
from mixopt.surrogate.laws.gaussian_process import GaussianProcess
from mixopt.surrogate.laws.joint_process import JointProcess
from mixopt.surrogate.laws.law import JointLaw, Law
from mixopt.surrogate.laws.log_linear import LogLinear
from mixopt.surrogate.laws.repetition import Repetition
from mixopt.surrogate.laws.ridge_log import RidgeLog
from mixopt.surrogate.laws.trees import Trees

FAMILIES: Final[tuple[Law, ...]] = (
    RidgeLog(),
    LogLinear(),
    ExponentialMixing(),
    BiMix(),
    AutoScale(),
    EffectiveData(),
    Repetition(),
    DomainContinual(),
    AdditiveScaling(joint=False),
    AdditiveScaling(),
    GaussianProcess(),
    Trees(),
)
LAWS: Final[Mapping[str, Law]] = {law.name: law for law in FAMILIES}
JOINT: Final[tuple[JointLaw, ...]] = (JointProcess(),)
JOINT_LAWS: Final[Mapping[str, JointLaw]] = {law.name: law for law in JOINT}

PRIOR: Final[Mapping[str, float]] = {"effective_data": 2.0, "gaussian_process": 2.0}
"""Odds of a family's share in a stack where runs say nothing; 1 where none is named."""
