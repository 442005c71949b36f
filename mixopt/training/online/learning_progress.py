"""Learning progress: more of the domains whose loss is moving, down or up again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mixopt.training.online.policy import Need, Observation, PolicyState, advance, start, take, tilt


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningProgress:
    """Teacher-student curriculum, online form (Matiisen et al. 2017, arXiv:1707.00183, section 3).

    With r_j the fall of a loss per step since the last observation,

        Q_j <- (1 - new) Q_j + new r_j,    p_j ~ prior_j exp(|Q_j| / (temperature max |Q|)).

    The absolute value brings back what is being forgotten. The paper's temperature is in units of
    its scores and tuned per task; losses slow down by orders of magnitude within a run, so here it is a
    share of the fastest progress: at 0.5 that domain has e^2 times the weight of one that stands
    still. Weight 0.1 of new rewards is the default of the authors' release, which takes absolute
    values only where asked to; the floor stands for its random choices.
    """

    temperature: float = 0.5  # of the fastest progress
    new: float = 0.1  # weight of the last observation
    floor: float = 1e-2  # share of the prior
    name: str = "learning_progress"
    needs: frozenset[Need] = frozenset({"losses"})

    def init(self, domains: tuple[str, ...], prior: ArrayLike) -> PolicyState:
        """Start on the prior; the first losses are only remembered."""
        memory = {"losses": np.empty((0, len(domains))), "progress": np.zeros(len(domains))}
        return start(domains, prior, memory)

    def update(self, state: PolicyState, observation: Observation) -> PolicyState:
        """Compare the losses with those before."""
        losses, progress = take(state, observation, "losses"), state.memory["progress"]
        if state.updates > 0:
            fall = (state.memory["losses"][-1] - losses) / (observation.step - state.step)
            progress = (1 - self.new) * progress + self.new * fall
        fastest = np.abs(progress[state.prior > 0]).max()
        scores = np.abs(progress) / (self.temperature * fastest) if fastest > 0 else progress
        weights = tilt(state.prior, scores)
        memory = {"losses": losses[None], "progress": progress}
        return advance(state, observation, weights, self.floor, memory)
