"""Flat arrays of tokens, with numpy's header or bare; an end token closes every document."""

from __future__ import annotations

import os
import tokenize
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mixopt.catalog.counting import TokenCounter
from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File, open_file
from mixopt.catalog.readers.decoding import MOST_TOKENS, document_of_tokens
from mixopt.catalog.readers.intake import BadRecordError, DamagedFileError, Intake
from mixopt.catalog.sources import TokenArraySource

INCLUDE = ("*.npy",)

_MAGIC = b"\x93NUMPY"
_BLOCK_BYTES = 1 << 20


def read_tokens(
    file: File,
    source: TokenArraySource,
    intake: Intake,
    *,
    load: Callable[[str], TokenCounter],
) -> Iterator[Document]:
    """Yield the documents of an array; the last needs no end token.

    An end token that follows another closes nothing: it pads, and is skipped.
    """
    tokenizer = load(source.tokenizer)
    end = tokenizer.end_of_text if source.end_of_document is None else source.end_of_document
    try:
        with open_file(file) as opened:
            dtype, stop = _layout(opened, source, end)
            for offset, ids in _pieces(_blocks(opened, dtype, stop), end):
                try:
                    document = document_of_tokens(ids, tokenizer)
                except BadRecordError as error:
                    intake.quarantine("byte", offset, str(error))
                else:
                    intake.accept()
                    yield document
    except DamagedFileError as error:
        intake.quarantine("byte", error.offset, str(error))
    except OSError as error:
        intake.quarantine("file", 0, f"damaged file: {error}")


def _layout(opened: BinaryIO, source: TokenArraySource, end: int) -> tuple[np.dtype[Any], int]:
    """Return the type of the tokens and where they stop, in bytes; leave the file at the first.

    Raises:
        DamagedFileError: a header is broken, or its type cannot hold tokens.
    """
    dtype: np.dtype[Any] = np.dtype(source.dtype).newbyteorder("<")
    stop = opened.seek(0, os.SEEK_END)
    opened.seek(0)
    has_header = opened.read(len(_MAGIC)) == _MAGIC
    opened.seek(0)
    if has_header:
        dtype, num_tokens = _header(opened)
        stop = opened.tell() + num_tokens * dtype.itemsize
    if dtype.kind not in "iu" or end > np.iinfo(dtype).max:
        what = f"the tokens are stored as {dtype.name}, which cannot hold the end token {end}"
        raise DamagedFileError(what, offset=0)
    return dtype, stop


def _header(opened: BinaryIO) -> tuple[np.dtype[Any], int]:
    try:
        version = np.lib.format.read_magic(opened)
        if version == (1, 0):
            shape, by_columns, dtype = np.lib.format.read_array_header_1_0(opened)
        else:
            shape, by_columns, dtype = np.lib.format.read_array_header_2_0(opened)
    except (ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        what = f"damaged header: {error}"
        raise DamagedFileError(what, offset=0) from None
    if by_columns and len(shape) > 1:
        what = "the array is stored by columns, so its tokens are out of order"
        raise DamagedFileError(what, offset=0)
    return dtype, int(np.prod(shape, dtype=np.int64))


def _blocks(
    opened: BinaryIO, dtype: np.dtype[Any], stop: int
) -> Iterator[tuple[int, NDArray[np.integer]]]:
    """Yield (offset in the file, tokens) of one block after the other.

    Raises:
        DamagedFileError: the file ends before it should, or within a token.
    """
    at = opened.tell()
    while at < stop:
        wanted = min(_BLOCK_BYTES, stop - at)
        block = opened.read(wanted)
        whole = len(block) - len(block) % dtype.itemsize
        yield at, np.frombuffer(block[:whole], dtype)
        at += whole
        if whole < wanted:
            what = "damaged file: it ends too early or within a token"
            raise DamagedFileError(what, offset=at)


def _pieces(
    blocks: Iterator[tuple[int, NDArray[np.integer]]], end: int
) -> Iterator[tuple[int, NDArray[np.integer] | None]]:
    """Yield (offset in the file, tokens) of every document; no tokens where there are too many.

    What stands behind the last end token of a file that ends too early is no document.
    """
    parts: list[NDArray[np.integer]] = []
    start = held = 0
    for at, ids in blocks:
        begin = 0
        for close in (*np.flatnonzero(ids == end).tolist(), len(ids)):
            if not held:
                start = at + begin * ids.itemsize
            held += close - begin
            if held <= MOST_TOKENS:
                parts.append(ids[begin:close])
            if close < len(ids):
                if held:
                    yield start, _joined(parts, held)
                parts, held, begin = [], 0, close + 1
    if held:
        yield start, _joined(parts, held)


def _joined(parts: list[NDArray[np.integer]], held: int) -> NDArray[np.integer] | None:
    if held > MOST_TOKENS:
        return None
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
