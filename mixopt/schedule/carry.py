"""Carrying on: stages whose mixture repeats or grows out of earlier ones, and what that spends."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mixopt.schedule.curve import Knot, MixtureCurve
from mixopt.schedule.mixture import Mixture, mixture_of, rounded
from mixopt.schedule.ordering import ramp
from mixopt.schedule.schedule import Stage

Ends = tuple[float, ...]
"""Values that a number may still take: itself, or both ends of its range."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """How one stage hangs together with those before it."""

    tokens: int
    text: bool  # a stage of kind `lm`
    recalls: Ends = (0.0,)  # shares that repeat the mean mixture of all text before
    ramps: Ends = (0.0,)  # shares over which it comes from the mixture before
    opens: Ends | None = None  # shares of its own and the tokens before at which its gate may open


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """Tokens of the whole schedule that draw from the own mixture of one stage."""

    body: float  # from its mean, a ramp's part of it taken off
    last: float  # from its last mixture: the ramp of the stage after


def carried(
    own: MixtureCurve, earlier: Sequence[Stage], recall: float, width: float
) -> MixtureCurve:
    """Return the curve of a stage that repeats earlier stages or begins where the last one ended.

    With recall r and the mean mixture m of all tokens of the earlier `lm` stages, every mixture w of
    the stage's own becomes r m + (1 - r) w; then the ramp leads into it.

    Args:
        own: the curve of the stage itself.
        earlier: the stages before it, as they are trained.
        recall: in [0, 1].
        width: of the ramp, a share of the stage in [0, 1].
    """
    curve = own
    if recall > 0:
        mean = _mean([stage for stage in earlier if stage.kind == "lm"])
        knots = [Knot(at=k.at, mixture=_blend(k.mixture, mean, recall)) for k in own.knots]
        curve = MixtureCurve(shape=own.shape, knots=tuple(knots))
    if width > 0:
        curve = ramp(earlier[-1].curve.knots[-1].mixture, curve, width)
        curve = MixtureCurve(
            shape=curve.shape,
            knots=tuple(Knot(at=k.at, mixture=rounded(k.mixture)) for k in curve.knots),
        )
    return curve


def body(own: MixtureCurve, width: float) -> Mapping[str, float]:
    """Return the mean mixture of what a ramp of some width leaves of a curve."""
    if width == 0 or own.shape == "constant":
        return own.mean().as_dict()
    before = own.knots[0].mixture
    left = ramp(before, own, width).mean().as_dict()
    half = width / 2
    return {name: (w - half * before.share(name)) / (1 - half) for name, w in left.items()}


def scenarios(links: Sequence[Link]) -> Iterator[list[Load]]:
    """Yield the loads of all stages, for the plan and for every extreme of what is still open.

    What is drawn from a stage's own mixture is linear in every recall, every ramp and every point
    at which a gate opens, taken alone, so caps that hold at all extremes hold between them.
    """
    yield _loads(links, [link.tokens for link in links], *_first_ends(links))
    choices = [ends for link in links for ends in (link.recalls, link.ramps, link.opens or (0.0,))]
    if all(len(ends) == 1 for ends in choices) and all(link.opens is None for link in links):
        return
    for chosen in itertools.product(*choices):
        yield _loads(
            links, timed_tokens(links, chosen[2::3]), list(chosen[::3]), list(chosen[1::3])
        )


def timed_tokens(links: Sequence[Link], opened: Sequence[float]) -> list[int]:
    """Return the tokens of all stages when gates open at some shares; [stages]."""
    tokens = [link.tokens for link in links]
    for position, (link, share) in enumerate(zip(links, opened, strict=True)):
        if link.opens is not None:
            total = tokens[position - 1] + tokens[position]
            tokens[position - 1] = round(total * share)
            tokens[position] = total - tokens[position - 1]
    return tokens


def _first_ends(links: Sequence[Link]) -> tuple[list[float], list[float]]:
    return [link.recalls[0] for link in links], [link.ramps[0] for link in links]


def _loads(
    links: Sequence[Link], tokens: Sequence[int], recalls: Sequence[float], ramps: Sequence[float]
) -> list[Load]:
    """Return what is drawn from each stage's own mixture over the whole schedule.

    The mean of stage k is the sum over stages i of `body[i]` x the body of i and `last[i]` x the
    last mixture of i; its end likewise, but for its own part, which is all its last mixture. What a
    recall repeats is decided before training, by the tokens of the plan and not those given here.
    """
    count = len(links)
    text_body, text_last = [0.0] * count, [0.0] * count  # planned tokens of the text so far
    total_body, total_last = [0.0] * count, [0.0] * count
    end_body, end_last = [0.0] * count, [0.0] * count  # of the stage before
    text = 0
    for k, link in enumerate(links):
        if not link.text:
            total_body[k] += float(tokens[k])
            continue
        r, half = (recalls[k] if text else 0.0), ramps[k] / 2
        past_body = [r * each / text if text else 0.0 for each in text_body]
        past_last = [r * each / text if text else 0.0 for each in text_last]
        mean_body = [half * e + (1 - half) * p for e, p in zip(end_body, past_body, strict=True)]
        mean_last = [half * e + (1 - half) * p for e, p in zip(end_last, past_last, strict=True)]
        mean_body[k] += (1 - half) * (1 - r)
        end_body, end_last = past_body, past_last
        end_last[k] += 1 - r
        text_body = _added(text_body, mean_body, link.tokens)
        text_last = _added(text_last, mean_last, link.tokens)
        total_body = _added(total_body, mean_body, tokens[k])
        total_last = _added(total_last, mean_last, tokens[k])
        text += link.tokens
    pairs = zip(total_body, total_last, strict=True)
    return [Load(body=body, last=last) for body, last in pairs]


def _added(total: Sequence[float], mean: Sequence[float], tokens: int) -> list[float]:
    return [each + tokens * share for each, share in zip(total, mean, strict=True)]


def _mean(stages: Sequence[Stage]) -> Mixture:
    total: dict[str, float] = {}
    for stage in stages:
        for name, tokens in stage.dose().items():
            total[name] = total.get(name, 0.0) + tokens
    return mixture_of(total)


def _blend(own: Mixture, past: Mixture, recall: float) -> Mixture:
    names = dict.fromkeys((*past.domains, *own.domains))
    shares = {n: recall * past.share(n) + (1 - recall) * own.share(n) for n in names}
    return rounded(mixture_of(shares))
