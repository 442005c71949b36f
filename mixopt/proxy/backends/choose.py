"""Which backend runs a stack."""

from __future__ import annotations

from mixopt.proxy.backends.backend import Backend
from mixopt.proxy.backends.cuda import CudaBackend
from mixopt.proxy.backends.reference import ReferenceBackend
from mixopt.proxy.model import Stack


def make_backend(stack: Stack, micro_sequences: int | None = None) -> Backend:
    """Return the fastest backend for the device that the stack lies on.

    Args:
        stack: K members.
        micro_sequences: sequences per member and pass on an accelerator; all at once by default.
    """
    if stack.parameters.device.type == "cuda":
        return CudaBackend(stack, micro_sequences)
    if stack.parameters.device.type == "cpu":
        from mixopt.proxy.backends.cpu import CpuBackend  # noqa: PLC0415 - brings a compiler

        return CpuBackend(stack)
    return ReferenceBackend(stack)
