"""The table of sessions: which stage is one, and what trains it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from mixopt.corpus.store import TokenStore
from mixopt.schedule.layout import StagePlan
from mixopt.training.examiner import Examination
from mixopt.training.sessions import judged, pivotal, reinforcement, rejection
from mixopt.training.sessions.gated import GatedSession
from mixopt.training.sessions.online import OnlineSession
from mixopt.training.sessions.session import Session

Method = Literal["rejection", "pivotal", "judged", "grpo"]
SessionName = Literal["gated", "online"] | Method

_PRACTICES: Final[Mapping[Method, Session]] = {
    "rejection": rejection.practise,
    "pivotal": pivotal.practise,
    "judged": judged.practise,
    "grpo": reinforcement.practise,
}


def session_of(part: StagePlan) -> SessionName | None:
    """Return the session that trains a stage; None for one that is fed by the plan."""
    if part.stage.practice is not None:
        return part.stage.practice.method
    if part.stage.online is not None:
        return "online"
    return "gated" if part.checks else None


def find_session(name: SessionName, examination: Examination, store: TokenStore) -> Session:
    """Return what trains the stages of a name.

    Args:
        name: of the session.
        examination: says at which level gates put task families.
        store: of the text.
    """
    if name == "online":
        return OnlineSession(lambda pupil: pupil.plan.limits)
    if name == "gated":
        return GatedSession(examination, store)
    return _PRACTICES[name]
