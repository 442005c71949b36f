"""What an engine must do: train lanes somewhere and hand back each member's result as it ends."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from mixopt.training.lane import LaneJob
from mixopt.training.runs import OnProgress, OnResults


class Engine(Protocol):
    """A place to train lanes; a context manager that frees what it holds."""

    @property
    def workers(self) -> int:
        """Lanes that are trained side by side."""

    def run(self, jobs: Sequence[LaneJob], on_results: OnResults, on_progress: OnProgress) -> None:
        """Train all jobs.

        Args:
            jobs: lanes, each independent of the others.
            on_results: called in this process with the results of members as soon as they end.
            on_progress: called in this process with member-steps done since the last call.
        """

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, at once if an error passes through."""
