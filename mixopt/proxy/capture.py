"""How a step is made fast on a CUDA device: compiled, captured as one graph, and the same every time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, cast

import torch

Function = TypeVar("Function", bound=Callable[..., Any])

_WARM_UPS = 2
_SHAPES = 64
"""Shapes that one function is compiled for before the compiler gives up on it."""
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "alloc_failed")


class Acceleration:
    """What makes steps fast, and why some of it was given up.

    A step that cannot be compiled or captured still runs as it is written, so a fault of the
    compiler costs time, never a trial. `reasons` says what was lost.
    """

    def __init__(self, *, compiled: bool, graphs: bool) -> None:
        """Start with what the caller allows."""
        self.compiled = compiled
        self.graphs = graphs
        self.reasons: list[str] = []
        self._pool: Any = None

    def prepare(self, step: Callable[[], None]) -> Callable[[], None]:
        """Return what runs a step over buffers that stay where they are.

        The step is run a few times on the way: it must change nothing while all members are off.

        Raises:
            torch.OutOfMemoryError: the step does not fit.
        """
        if self.compiled:
            try:
                with warnings.catch_warnings(action="ignore"):  # the compiler's, of its own doing
                    step()
            except Exception as error:  # noqa: BLE001 - compilers fail in many ways
                self.compiled = not self._given_up("compilation", error)
        if self.graphs:
            try:
                return self._capture(step)
            except Exception as error:  # noqa: BLE001 - and so do captures
                self.graphs = not self._given_up("CUDA graphs", error)
        return step

    def _given_up(self, what: str, error: Exception) -> bool:
        """Note why something is given up; lack of memory is no such reason and goes on up."""
        if is_out_of_memory(error):
            raise error
        reason = f"{what} given up: {type(error).__name__}: {error}"
        self.reasons.append(reason)
        warnings.warn(reason, RuntimeWarning, stacklevel=3)
        return True

    def _capture(self, step: Callable[[], None]) -> Callable[[], None]:
        """Record a step as a graph, whose replay costs one launch instead of one per kernel."""
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        now = torch.cuda.current_stream()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call] # as torch has it
        stream.wait_stream(now)
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                step()
        now.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=stream):
            step()
        return graph.replay


def compiled(function: Function) -> Function:
    """Return a function fused by the compiler, one version per shape.

    Kernels are chosen without timing them: two processes must round alike.
    """
    return cast("Function", _compiled(function))


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Ask every kernel inside for the same sums in the same order, and products for float32 sums.

    Attention's backward pass would else add up in the order in which blocks happen to finish.
    A CPU does as asked anyway.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or products are refused
    before = _sums()
    _set_sums(_REPEATABLE)
    try:
        with torch.cuda.device(device):
            yield
    finally:
        _set_sums(before)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an error, or what led to it, is lack of memory on a device or the machine."""
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            return True
        text = str(error).lower()
        if isinstance(error, RuntimeError) and any(words in text for words in _MEMORY_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    from torch import _dynamo, _inductor  # noqa: PLC0415 - slow to import, and rarely needed

    _dynamo.config.recompile_limit = max(_SHAPES, _dynamo.config.recompile_limit)
    known = _inductor.list_options()
    options: dict[str, Any] = {"deterministic": True} if "deterministic" in known else {}
    return torch.compile(function, fullgraph=True, dynamic=False, options=options)


_REPEATABLE = (True, False, False)


def _sums() -> tuple[bool, bool, bool]:
    """Return whether kernels repeat, new memory is filled (wasted work), and sums are bfloat16."""
    filling: Any = torch.utils.deterministic
    return (
        torch.are_deterministic_algorithms_enabled(),
        filling.fill_uninitialized_memory,
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
    )


def _set_sums(settings: tuple[bool, bool, bool]) -> None:
    filling: Any = torch.utils.deterministic
    torch.use_deterministic_algorithms(settings[0])
    filling.fill_uninitialized_memory = settings[1]
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = settings[2]
