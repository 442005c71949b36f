"""The learning rate over a stage: warmup, a stable part and a decay, as multiples of a base rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Decay = Literal["linear", "cosine", "sqrt"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RateShape:
    """Warmup-stable-decay inside one stage (Hu et al. 2024, MiniCPM, section 4).

    A function of the stage alone, so that what comes after never changes what came before.
    """

    peak: float = 1.0  # multiple of the base rate of the proxy or the target
    warmup: float = 0.0  # share of the stage's steps
    decay: float = 0.0  # share of the stage's steps
    floor: float = 0.0  # multiple of the peak that is reached at the end of the decay
    shape: Decay = "linear"  # `sqrt` is 1 - sqrt(progress of the decay)

    def at(self, progress: ArrayLike) -> NDArray[np.float64]:
        """Return multiples of the base rate at points of the stage; same shape as `progress`."""
        where = np.asarray(progress, float)
        rising = np.clip(where / self.warmup, 0, 1) if self.warmup > 0 else np.ones_like(where)
        if self.decay <= 0:
            return np.asarray(self.peak * rising)
        done = np.clip((where - (1 - self.decay)) / self.decay, 0, 1)
        fall = {"linear": done, "cosine": (1 - np.cos(np.pi * done)) / 2, "sqrt": np.sqrt(done)}
        return np.asarray(self.peak * rising * (1 - (1 - self.floor) * fall[self.shape]))
