"""Writes a corpus of JSON lines of known content: a word chain over real English, with duplicates.

    python tests/benchmarks/catalog_data.py FOLDER [--gigabytes 0.2] [--files 16]

Lengths are log-normal with a mean of 4 KB. Every word follows a place in installed documentation
where the word before it stands, or, now and then, any place, so that words, compression and
shingles behave as in text. Two in a hundred documents repeat an earlier one, three in a hundred
with a few of its words changed. What was written is counted here, beside the files in `truth.json`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import sysconfig
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mixopt import seeds

MEAN_BYTES: Final = 4096
SPREAD: Final = 1.0  # standard deviation of the logarithm of the length
EXACT_SHARE: Final = 0.02
NEAR_SHARE: Final = 0.03
CHANGED_WORDS: Final = 0.005  # of a near-duplicate; leaves a Jaccard similarity of about 0.95
TRUTH: Final = "truth.json"
LANGUAGES: Final = {"en": 0.72, "de": 0.08, "fr": 0.06, "es": 0.05, "zh": 0.05, "ja": 0.04}
TOPICS: Final = {"science": 0.3, "code": 0.25, "news": 0.2, "law": 0.15, "games": 0.1}

_CHAINS: Final = 512  # documents that are written side by side
_JUMP: Final = 0.15  # share of words that follow no word before them
_SOURCE_BYTES: Final = 24_000_000
_REMEMBERED: Final = 4096  # documents that may be repeated
_LONGEST_WORD: Final = 40
_LEAST_WORDS: Final = 8
_LEAST_CHARACTERS: Final = 200  # of a piece of documentation

_Places = NDArray[np.int64]
_Kind = Literal["new", "exact", "near"]


@dataclass(kw_only=True)
class Truth:
    """What was written.

    Attributes:
        file_bytes: of all files.
        text_bytes: UTF-8 bytes of all texts.
        characters: of all texts.
        documents: by kind: new, exact and near-duplicates of earlier ones.
        languages: documents by the value of this field; the texts are all English.
        topics: likewise.
    """

    file_bytes: int = 0
    text_bytes: int = 0
    characters: int = 0
    documents: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)


class WordChain:
    """Words of a text with the white space behind them, and where each of them stands."""

    def __init__(self, text: str) -> None:
        """Index the text."""
        listed = re.findall(r"\S+\s+", text)
        numbers: dict[str, int] = {}
        self.at = np.array([numbers.setdefault(word, len(numbers)) for word in listed])
        self.words = np.array(list(numbers), dtype=object)
        self._places = np.argsort(self.at, kind="stable")
        self._first = np.searchsorted(self.at[self._places], np.arange(len(numbers) + 1))
        self.mean_bytes = len(text.encode()) / len(listed)

    def walk(self, chains: int, length: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the numbers of the words of some chains: [chains, length]."""
        size = len(self.at)
        walked = np.empty((length, chains), dtype=np.int64)
        places = random.integers(size, size=chains)
        for step in range(length):
            walked[step] = words = self.at[(places + 1) % size]
            first, after = self._first[words], self._first[words + 1]
            places = self._places[first + (random.random(chains) * (after - first)).astype(int)]
            jumping = random.random(chains) < _JUMP
            places[jumping] = random.integers(size, size=int(jumping.sum()))
        return np.ascontiguousarray(walked.T)

    def text_of(self, words: _Places) -> str:
        """Return the text that the words make."""
        return "".join(self.words[words].tolist()).strip()


def english_text() -> str:
    """Return documentation that is installed here, with its white space made even."""
    folder = Path(sysconfig.get_paths()["purelib"])
    kept, size = [], 0
    for path in sorted([*folder.glob("*.dist-info/METADATA"), *folder.rglob("*.py")]):
        text = path.read_text("utf-8", errors="ignore")
        quoted = [text] if path.name == "METADATA" else re.findall(r'"""(.*?)"""', text, re.DOTALL)
        prose = [piece for piece in quoted if len(piece) >= _LEAST_CHARACTERS]
        kept += [_even(piece) for piece in prose]
        size += sum(len(piece) for piece in prose)
        if size > _SOURCE_BYTES:
            break
    return "".join(kept)


def write_corpus(folder: Path, *, num_bytes: int, num_files: int = 16, seed: int = 0) -> Truth:
    """Write about this many bytes of JSON lines, and return what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = Truth()
    documents = _documents(WordChain(english_text()), seed)
    random = seeds.generator(seed, "fields")
    for number in range(num_files):
        path = folder / f"part-{number:03}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            while file.tell() < num_bytes / num_files:
                kind, text = next(documents)
                file.write(_line(truth, kind, text, random))
        truth.file_bytes += path.stat().st_size
    (folder / TRUTH).write_text(json.dumps(vars(truth), indent=1))
    return truth


def read_truth(folder: Path) -> Truth:
    """Return what a corpus that was written before holds."""
    return Truth(**json.loads((folder / TRUTH).read_text()))


def documents_of(truth: Truth) -> int:
    """Return the number of documents."""
    return sum(truth.documents.values())


def _documents(chain: WordChain, seed: int) -> Iterator[tuple[_Kind, str]]:
    random = seeds.generator(seed, "documents")
    earlier: deque[_Places] = deque(maxlen=_REMEMBERED)
    while True:
        for words in _new_documents(chain, random):
            drawn = random.random()
            if earlier and drawn < EXACT_SHARE + NEAR_SHARE:
                other = earlier[int(random.integers(len(earlier)))]
                if drawn < EXACT_SHARE:
                    yield "exact", chain.text_of(other)
                else:
                    yield "near", chain.text_of(_changed(chain, other, random))
            earlier.append(words)
            yield "new", chain.text_of(words)


def _new_documents(chain: WordChain, random: np.random.Generator) -> Iterator[_Places]:
    """Yield documents that are cut one after the other from some long chains."""
    mean = np.log(MEAN_BYTES / chain.mean_bytes) - SPREAD**2 / 2
    lengths = random.lognormal(mean, SPREAD, size=_CHAINS * 8).astype(int) + _LEAST_WORDS
    ends = np.cumsum(lengths)
    length = -(-int(ends[-1]) // _CHAINS)
    walked = chain.walk(_CHAINS, length, random).reshape(-1)
    yield from np.split(walked[: ends[-1]], ends[:-1])


def _changed(chain: WordChain, words: _Places, random: np.random.Generator) -> _Places:
    places = random.integers(len(words), size=1 + int(CHANGED_WORDS * len(words)))
    changed = words.copy()
    changed[places] = chain.at[random.integers(len(chain.at), size=len(places))]
    return changed


def _line(truth: Truth, kind: str, text: str, random: np.random.Generator) -> str:
    number = truth.documents.total()
    language, topic = _drawn(LANGUAGES, random), _drawn(TOPICS, random)
    truth.documents[kind] += 1
    truth.languages[language] += 1
    truth.topics[topic] += 1
    truth.text_bytes += len(text.encode())
    truth.characters += len(text)
    record = {
        "text": text,
        "id": f"document-{number:09}",
        "url": f"https://example.org/{topic}/{number}",
        "language": language,
        "quality": round(float(random.random()), 4),
        "topic": topic,
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def _drawn(shares: dict[str, float], random: np.random.Generator) -> str:
    bounds = np.cumsum(list(shares.values()))
    return list(shares)[min(int(np.searchsorted(bounds, random.random())), len(shares) - 1)]


def _even(text: str) -> str:
    """Return a text with single blanks and line ends, without outlandish words."""
    text = re.sub(r"[ \t\r\f\v]+", " ", text).strip()
    text = re.sub(r"\n\s*\n\s*", "\n\n", text)
    return re.sub(rf"\S{{{_LONGEST_WORD},}}\s*", "", text) + "\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=0.2)
    parser.add_argument("--files", type=int, default=16)
    options = parser.parse_args()
    size = int(options.gigabytes * 1e9)
    print(write_corpus(options.folder, num_bytes=size, num_files=options.files), file=sys.stderr)


if __name__ == "__main__":
    main()
