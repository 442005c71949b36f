"""Pivotal tokens: the single tokens of an answer that move its chance of success, and pairs of them.

Abdin et al. (2024), "Phi-4 Technical Report", section 4.3 and its algorithm of pivotal token search.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Prefix:
    """The first tokens of an answer of a member to one of its problems; also a whole answer."""

    member: int
    problem: int
    tokens: tuple[int, ...]

    def cut(self, length: int) -> Prefix:
        """Return its first `length` tokens."""
        return Prefix(member=self.member, problem=self.problem, tokens=self.tokens[:length])

    def followed_by(self, token: int) -> Prefix:
        """Return it with another token behind."""
        return Prefix(member=self.member, problem=self.problem, tokens=(*self.tokens, token))


Success = Callable[[Sequence[Prefix]], Sequence[float]]
"""Estimates the probability that a member which continues a prefix ends with a right answer."""

Alternatives = Callable[[Sequence[Prefix]], Sequence[Sequence[int]]]
"""Draws next tokens of prefixes as their members would write them, repetitions included."""

Path = tuple[tuple[int, float], ...]
"""Lengths of an answer's prefixes, ascending, with the success estimated there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PivotalSettings:
    """What is looked for."""

    gap: float = 0.2  # least change of the probability of success
    low: float = 0.2  # least probability of success at the start of an answer
    high: float = 0.8  # largest such


@dataclass(frozen=True, kw_only=True, slots=True)
class Pivot:
    """A token that changes the probability of success."""

    prefix: Prefix  # what stands before it
    token: int
    before: float  # probability of success without it
    after: float  # and with it


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """What a search found, and at what cost."""

    pivots: tuple[Pivot, ...]  # distinct; by depth of the search, then by answer
    paths: Mapping[Prefix, Path]  # of every answer that was searched
    known: Mapping[Prefix, float]  # every prefix whose success was estimated, with the estimate

    @property
    def num_estimates(self) -> int:
        """Prefixes whose success was estimated, of all members."""
        return len(self.known)


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenPair:
    """Two tokens after one prefix, of which one succeeds more often."""

    prefix: Prefix
    accepted: int
    rejected: int
    accepted_success: float
    rejected_success: float


def find_pivots(
    answers: Sequence[Prefix], success: Success, settings: Mapping[int, PivotalSettings]
) -> Search:
    """Find the pivotal tokens of answers by halving the intervals over which success changes.

    An interval over which success changes by less than the gap is closed, even if changes within
    it cancel out. All answers of all members go down together: `success` is called once for their
    starts, once for the answers that are searched, and once per halving. An answer of T tokens with
    J jumps is estimated at up to 2 + J log2(T) prefixes; answers with a common beginning share
    its estimates.

    Args:
        answers: whole answers; copies cost nothing.
        success: estimates whole prefixes at a time.
        settings: of every member; see `PivotalSettings`.
    """
    known = _Estimates(success)
    whole = [answer for answer in answers if answer.tokens]
    known.learn([answer.cut(0) for answer in whole])
    whole = [each for each in whole if known.starts_in_band(each, settings[each.member])]
    known.learn(whole)
    pivots: dict[Prefix, Pivot] = {}
    intervals = [(answer, 0, len(answer.tokens)) for answer in whole]
    while intervals:
        halves = []
        for answer, start, stop in intervals:
            before, after = known[answer.cut(start)], known[answer.cut(stop)]
            if abs(after - before) < settings[answer.member].gap:
                continue
            if stop - start == 1:
                prefix, token = answer.cut(start), answer.tokens[start]
                pivot = Pivot(prefix=prefix, token=token, before=before, after=after)
                pivots.setdefault(answer.cut(stop), pivot)
                continue
            middle = (start + stop) // 2
            halves += [(answer, start, middle), (answer, middle, stop)]
        known.learn([answer.cut(stop) for answer, _, stop in halves[::2]])
        intervals = halves
    return Search(
        pivots=tuple(pivots.values()),
        paths={answer: known.path(answer) for answer in whole},
        known=known.values,
    )


def pair_tokens(
    pivots: Sequence[Pivot],
    alternatives: Alternatives,
    success: Success,
    settings: Mapping[int, PivotalSettings],
) -> list[TokenPair]:
    """Return pairs of a good and a bad token after the prefixes of pivots.

    The pivot and its alternatives are all estimated anew, in one call: a token that was found to
    be pivotal because of a lucky estimate gets no credit for it.

    Args:
        pivots: as found; those after one prefix are compared with each other.
        alternatives: draws tokens to compare with.
        success: estimates whole prefixes at a time, each time by other continuations.
        settings: of every member; their gap is also the least difference in success between the
            best and the worst token.
    """
    tokens: defaultdict[Prefix, dict[int, None]] = defaultdict(dict)
    for pivot in pivots:
        tokens[pivot.prefix][pivot.token] = None
    for prefix, drawn in zip(tokens, alternatives(list(tokens)), strict=True):
        tokens[prefix].update(dict.fromkeys(drawn))
    candidates = [prefix.followed_by(token) for prefix, own in tokens.items() for token in own]
    estimates = dict(zip(candidates, success(candidates), strict=True)) if candidates else {}
    pairs = []
    for prefix, own in tokens.items():
        scores = {token: estimates[prefix.followed_by(token)] for token in own}
        best, worst = max(scores, key=scores.__getitem__), min(scores, key=scores.__getitem__)
        if best != worst and scores[best] - scores[worst] >= settings[prefix.member].gap:
            pairs.append(
                TokenPair(
                    prefix=prefix,
                    accepted=best,
                    rejected=worst,
                    accepted_success=scores[best],
                    rejected_success=scores[worst],
                )
            )
    return pairs


def token_advantages(path: Path, num_tokens: int) -> NDArray[np.float64]:
    """Return by how much every token of an answer moved the probability of success, [T].

    V(after the token) - V(before it), with values from continuations as in Kazemnejad et al. (2024),
    "VinePPO". V is known at the ends of the search's intervals; within one, its last token gets the
    whole of a change that is smaller than the gap. The sum is V at the end less V at the start.
    """
    advantages = np.zeros(num_tokens)
    for (_, before), (stop, after) in pairwise(path):
        advantages[stop - 1] = after - before
    return advantages


class _Estimates:
    """What is known of the success of prefixes; nothing is estimated twice."""

    def __init__(self, success: Success) -> None:
        self.values: dict[Prefix, float] = {}
        self._success = success

    def __getitem__(self, prefix: Prefix) -> float:
        return self.values[prefix]

    def learn(self, prefixes: Sequence[Prefix]) -> None:
        new = [prefix for prefix in dict.fromkeys(prefixes) if prefix not in self.values]
        if new:
            self.values.update(zip(new, self._success(new), strict=True))

    def starts_in_band(self, answer: Prefix, settings: PivotalSettings) -> bool:
        return settings.low <= self.values[answer.cut(0)] <= settings.high

    def path(self, answer: Prefix) -> Path:
        cuts = ((length, answer.cut(length)) for length in range(len(answer.tokens) + 1))
        return tuple((length, self.values[cut]) for length, cut in cuts if cut in self.values)
