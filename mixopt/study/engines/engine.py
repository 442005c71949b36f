"""What an engine must do: train lanes somewhere and hand back each one's results as it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from mixopt.evaluation.result import MemberResult
from mixopt.training.lane import LaneJob

OnResults = Callable[[list[MemberResult]], None]
OnProgress = Callable[[int], None]


class Engine(Protocol):
    """A place to train lanes; a context manager that frees what it holds."""

    def run(self, jobs: Sequence[LaneJob], on_results: OnResults, on_progress: OnProgress) -> None:
        """Train all jobs.

        Args:
            jobs: lanes, each independent of the others.
            on_results: called in this process with a lane's results as soon as it ends.
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
