"""The table of online policies, by the name that a recipe's `curve = { online = ... }` gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mixopt.training.online.ado import AdaptiveDataOptimization
from mixopt.training.online.aioli import Aioli
from mixopt.training.online.doge import DoGE
from mixopt.training.online.doremi import DoReMi
from mixopt.training.online.learning_progress import LearningProgress
from mixopt.training.online.odm import OnlineDataMixing
from mixopt.training.online.policy import Policy
from mixopt.training.online.skill_it import SkillIt

_ALL: Final[tuple[Policy, ...]] = (
    DoReMi(),
    DoGE(),
    OnlineDataMixing(),
    AdaptiveDataOptimization(),
    Aioli(),
    SkillIt(),
    LearningProgress(),
)
POLICIES: Final[Mapping[str, Policy]] = {policy.name: policy for policy in _ALL}
