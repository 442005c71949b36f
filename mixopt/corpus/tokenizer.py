"""Tokenizers: bytes, or any tokenizer of the Hugging Face `tokenizers` library, behind one face."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray

from mixopt.errors import NotFoundError

BYTES = "bytes"
END_OF_TEXT_TOKENS = (
    "<|endoftext|>",
    "<|end_of_text|>",
    "<｜end▁of▁sentence｜>",  # noqa: RUF001 - these are the characters of DeepSeek's token
    "<eos>",
    "[EOS]",
    "</s>",
    "[SEP]",
)

_REMEDY = f"Give '{BYTES}', a tokenizer.json, a folder that holds one, or a name on the hub."
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


class Tokenizer(ABC):
    """Text to token ids and back.

    Text is only ever text: the spelling of a special token inside a document is encoded as
    ordinary characters, so no document can end itself or open a turn of a conversation.

    Attributes:
        name: what the user called it.
        digest: 16 hexadecimal characters that name its content, wherever it was loaded from.
        size: vocabulary size; every id is below it.
        end_of_text: id of the token that ends every document.
    """

    name: str
    digest: str
    size: int
    end_of_text: int

    @abstractmethod
    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Return the ids of each text, without special tokens."""

    @abstractmethod
    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """Return the text of the ids; special tokens give no text."""

    def encode(self, text: str) -> NDArray[np.uint32]:
        """Return the ids of one text, without special tokens."""
        return self.encode_batch([text])[0]

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text takes in the corpus, its end_of_text included."""
        return [len(ids) + 1 for ids in self.encode_batch(texts)]

    @property
    def storage_type(self) -> np.dtype[np.unsignedinteger]:
        """The little-endian integer type in which the ids are stored."""
        return np.dtype("<u2" if self.size <= 65535 else "<u4")


class ByteTokenizer(Tokenizer):
    """The 256 byte values of UTF-8, and end_of_text as id 256."""

    name = BYTES
    digest = hashlib.sha256(b"utf-8 bytes, end_of_text=256").hexdigest()[:16]
    size = 257
    end_of_text = 256

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Return the UTF-8 bytes of each text."""
        return [np.frombuffer(text.encode(), np.uint8).astype(np.uint32) for text in texts]

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        """Return how many bytes each text has, and one for its end_of_text."""
        return [(len(text) if text.isascii() else len(text.encode())) + 1 for text in texts]

    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """Return the text of the bytes; bytes that are no UTF-8 become the replacement sign."""
        values = np.asarray(ids, np.int64)
        return values[values < 256].astype(np.uint8).tobytes().decode(errors="replace")


class HuggingFaceTokenizer(Tokenizer):
    """A tokenizer of the Hugging Face `tokenizers` library."""

    def __init__(self, name: str, backend: tokenizers.Tokenizer) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.name = name
        self.digest = _content_digest(backend)
        vocabulary = backend.get_vocab(with_added_tokens=True)
        self.size = max(vocabulary.values()) + 1
        self.end_of_text = _end_of_text(name, vocabulary)
        backend.encode_special_tokens = True
        self._backend = backend

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Return the ids of each text, without special tokens."""
        encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.uint32) for encoding in encodings]

    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """Return the text of the ids; special tokens give no text."""
        return self._backend.decode([int(value) for value in ids], skip_special_tokens=True)

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the content: the library's own pickle loses how special tokens are read."""
        return (_rebuild, (self.name, self._backend.to_str()))


def load_tokenizer(name_or_path: str) -> Tokenizer:
    """Return the tokenizer that a name or a path stands for.

    Args:
        name_or_path: `bytes`, a `tokenizer.json` file of the `tokenizers` library, a folder that
            holds one, or the name of a tokenizer on the Hugging Face hub.

    Raises:
        NotFoundError: there is no such tokenizer, it cannot be read, or it has no end_of_text.
    """
    if name_or_path == BYTES:
        return ByteTokenizer()
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        path = path / "tokenizer.json"
    if path.is_file():
        return HuggingFaceTokenizer(name_or_path, _read(path))
    if not _HUB_NAME.fullmatch(name_or_path) or path.suffix == ".json":
        what = f"no tokenizer file {path}"
        raise NotFoundError(what, remedy=_REMEDY)
    return HuggingFaceTokenizer(name_or_path, _download(name_or_path))


def _read(path: Path) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
        what = f"{path} is no file of the tokenizers library"
        raise NotFoundError(what, why=str(error), remedy=_REMEDY) from None


def _download(name: str) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_pretrained(name)
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
        what = f"no tokenizer '{name}'"
        why = f"It is no file or folder here, and it cannot be had from the hub: {error}"
        raise NotFoundError(what, why=why, remedy=_REMEDY) from None


def _end_of_text(name: str, vocabulary: dict[str, int]) -> int:
    for token in END_OF_TEXT_TOKENS:
        if token in vocabulary:
            return vocabulary[token]
    what = f"tokenizer '{name}' has no end-of-text token"
    why = f"None of {', '.join(END_OF_TEXT_TOKENS)} is among its {len(vocabulary):,} tokens."
    raise NotFoundError(what, why=why, remedy="Add one of them to it as a special token.")


def _content_digest(backend: tokenizers.Tokenizer) -> str:
    content = json.dumps(json.loads(backend.to_str()), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _rebuild(name: str, content: str) -> HuggingFaceTokenizer:
    return HuggingFaceTokenizer(name, tokenizers.Tokenizer.from_str(content))
