"""How loops and instructions are compiled, and the names of their types."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numba import njit
from numba.extending import intrinsic
from numpy.typing import NDArray

Floats = NDArray[np.floating]
"""Float32 or float64, in the order of C; all of one call are of one type."""

Number = Any
"""One element of `Floats`."""

Pointer = Any
"""To an element of an array; only within compiled code."""

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_MATH = {"reassoc", "contract", "arcp", "nsz"}
"""Sums may be reordered, which vectorizes them; NaN and infinity keep their meaning."""


def kernel(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Compile a function at its first call with given types.

    The result is kept beside the package, or with the user's caches where that is read-only; if
    neither can be written to, every process compiles anew.
    """
    options: Any = {"fastmath": _MATH, "error_model": "numpy", "nogil": True}
    try:
        compiled: Any = njit(cache=True, **options)(function)
    except RuntimeError:
        compiled = njit(**options)(function)
    else:
        # Numba would look at the function's own file alone, and miss a change of what it calls.
        compiled._cache._cache_file._source_stamp = _digest(function.__code__.co_filename)  # noqa: SLF001 - has no public name
    kept: Callable[_Parameters, _Result] = compiled
    return kept


@cache
def _digest(filename: str) -> str:
    """Name the contents of a file and of all files beside this one."""
    files = [Path(filename), *sorted(Path(__file__).parent.glob("*.py"))]
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def instructions(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of compiled code from one that types its arguments and writes LLVM's terms."""
    made: Callable[..., Any] = intrinsic(function)
    return made
