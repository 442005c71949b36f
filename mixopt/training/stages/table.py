"""The kinds of stages that are fed by a plan: what each makes of the rows of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from mixopt.corpus.store import Batch as Rows
from mixopt.proxy.backends.backend import Batch
from mixopt.schedule.schedule import StageKind
from mixopt.training.stages import lm, sft

BATCHES: Final[Mapping[StageKind, Callable[[Rows], Batch]]] = {"lm": lm.batch, "sft": sft.batch}
"""Of stages whose rows a plan names; the others are sessions."""
