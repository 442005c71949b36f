"""What Muon makes of a momentum: an orthogonal matrix of the size that AdamW's updates have."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mixopt.proxy.layout import Leaf
from mixopt.proxy.route import Route

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_TINY = 1e-7
_ROOT_MEAN_SQUARE = 0.2


def orthogonalize(matrices: Tensor, route: Route | None = None) -> Tensor:
    """Return roughly U V^T of the singular value decomposition of every matrix.

    Five Newton-Schulz iterations of a quintic that takes singular values to about 1
    (Jordan et al., 2024); they end between 0.7 and 1.2.

    Args:
        matrices: [N, D, F], D <= F for speed.
        route: of the products on a CPU; call within `confined` where it is given.
    """
    first, third, fifth = _COEFFICIENTS
    kind = torch.promote_types(matrices.dtype, torch.float32)
    norms = torch.linalg.matrix_norm(matrices, dtype=kind)[:, None, None]
    found: Tensor = (matrices / (norms + _TINY)).to(matrices.dtype)
    if route is not None:
        route.prepare(found[0].shape[0], *found[0].shape)
    for _ in range(_ITERATIONS):
        gram = torch.bmm(found, found.transpose(1, 2))
        factor = torch.baddbmm(gram, gram, gram, beta=third, alpha=fifth)
        found = torch.baddbmm(found, factor, found, beta=first)
    return found


def update_scale(rows: int, columns: int) -> float:
    """Return what gives an orthogonal [rows, columns] the root mean square of AdamW's updates.

    Liu et al. (2025, arXiv:2502.16982), equation 4.
    """
    return _ROOT_MEAN_SQUARE * math.sqrt(max(rows, columns))


def num_projections(leaf: Leaf) -> int:
    """Return how many projections a leaf merges side by side; each is orthogonalized by itself."""
    return {"query_key_value": 3, "gate_up": 2}.get(leaf.name.rpartition(".")[2], 1)
