"""How much memory is free, on a CUDA device or for this process on the machine."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import torch

_DEVICE_SHARE = 0.92
_MACHINE_SHARE = 0.8
"""What lanes may use of the free memory: the rest is for the estimate's error and for others."""
_MEMINFO = Path("/proc/meminfo")
_CONTROL_GROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def free_bytes(device: torch.device) -> int:
    """Return what lanes may use of a device's memory: most of what is free, in bytes."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int((free + kept) * _DEVICE_SHARE)
    return int(min([available_bytes(), *_left_to_group()]) * _MACHINE_SHARE)


def release() -> None:
    """Give back what nobody uses any more; call it outside of the handler of a memory error.

    A backend and its graphs refer to each other, and an error's frames to both.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def available_bytes() -> int:
    """Return the machine's memory that programs can have without swapping; all of it if unknown."""
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _left_to_group() -> list[int]:
    """Return what a container's limit leaves, where there is one that can be read."""
    found = []
    for limit, usage in _CONTROL_GROUPS:
        try:
            found.append(int(limit.read_text()) - int(usage.read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return found
