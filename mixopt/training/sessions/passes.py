"""Passes over what a pupil has to learn from: each item once a pass, in a keyed order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixopt.seeds import derive, permute_each
from mixopt.training.sessions.session import Pupil


def places(pupil: Pupil, step: int, count: int, size: int) -> NDArray[np.int64]:
    """Return the numbers of the items of a step, [count].

    Args:
        pupil: its seed and stage name the order.
        step: from 0.
        count: items per step; a step may go on into the next pass.
        size: how many items there are, at least 1.
    """
    through, inside = np.divmod(step * count + np.arange(count), size)
    passes, which = np.unique(through, return_inverse=True)
    name = pupil.part.stage.name
    keys = [derive(pupil.seed, "passes", name, int(each)) for each in passes]
    return permute_each(inside, which, [size] * len(passes), keys)
