"""Prompts and answers of every member as rows of fixed size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Exchange = tuple[Sequence[int], Sequence[int]]
"""The tokens of a prompt, at least one, and of an answer."""


def lay_rows(
    exchanges: Sequence[Sequence[Exchange]], *, num_rows: int, length: int, padding: int
) -> tuple[Tensor, Tensor]:
    """Return tokens [K, B, T+1] and which targets are of an answer, bool [K, B, T].

    The size is given and not found, because it decides rounding: a member's numbers must not
    depend on how much the others wrote. Causal attention does not see padding behind a row.

    Args:
        exchanges: up to B by member, [K][..B]; rows beyond them are padding.
        num_rows: B.
        length: T+1; every prompt with its answer fits.
        padding: token id behind the answers.

    Raises:
        ValueError: there are more exchanges than rows, a prompt is empty, or one does not fit.
    """
    tokens = torch.full((len(exchanges), num_rows, length), padding, dtype=torch.int64)
    answers = torch.zeros((len(exchanges), num_rows, length - 1), dtype=torch.bool)
    for member, own in enumerate(exchanges):
        if len(own) > num_rows:
            message = f"{len(own)} exchanges do not fit into {num_rows} rows"
            raise ValueError(message)
        for row, (prompt, answer) in enumerate(own):
            stop = len(prompt) + len(answer)
            if not prompt or stop > length:
                message = f"a prompt of {len(prompt)} and an answer of {len(answer)} tokens make no row of {length}"
                raise ValueError(message)
            tokens[member, row, :stop] = torch.tensor([*prompt, *answer])
            answers[member, row, len(prompt) - 1 : stop - 1] = True
    return tokens, answers
