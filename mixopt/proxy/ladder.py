"""The ladder: proxies of growing size and how long each is trained (`proxies/ladder.toml`)."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PositiveInt
from pydantic_core import InitErrorDetails

from mixopt.errors import NotFoundError
from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.recipes.decode import Recipe, flaw, read, refuse
from mixopt.recipes.locate import locate, shipped
from mixopt.recipes.quantity import TokenCount

LADDER: Final = "ladder"
"""The one recipe on the shelf of proxies that is no proxy."""


class Rung(Recipe):
    """One size of proxy, and what is spent on it."""

    proxy: str
    """A path or a shipped name."""
    lm_tokens: TokenCount
    """Tokens of all language-model stages together, in place of the proxy's own."""
    seeds: PositiveInt = 1
    """Per schedule."""

    def recipe(self) -> ProxyRecipe:
        """Return the proxy with the tokens of this rung."""
        proxy = read_proxy(self.proxy)
        training = proxy.training.model_copy(update={"lm_tokens": self.lm_tokens})
        return proxy.model_copy(update={"training": training})


def _climbing(rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    refuse(_flaws(rungs))
    return rungs


class LadderRecipe(Recipe):
    """Rungs from the smallest proxy to the largest."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    rung: Annotated[tuple[Rung, ...], Field(min_length=2), AfterValidator(_climbing)]


def read_ladder(name_or_path: str = LADDER) -> LadderRecipe:
    """Read a ladder by path, or the shipped one.

    Raises:
        NotFoundError: there is no such recipe.
        RecipeError: the recipe has faults; lists all of them.
    """
    return read(locate(name_or_path, "proxies"), LadderRecipe)


def proxy_names() -> list[str]:
    """Return the names of the shipped proxies, sorted."""
    return [name for name in shipped("proxies") if name != LADDER]


def _flaws(rungs: tuple[Rung, ...]) -> Iterator[InitErrorDetails]:
    """Yield what is wrong between a rung and its proxy, and between a rung and the one below."""
    widest = (0, 0)
    for number, rung in enumerate(rungs):
        try:
            proxy = read_proxy(rung.proxy)
        except NotFoundError:
            near = get_close_matches(rung.proxy, proxy_names(), n=1)
            expected = f"a file or one of {', '.join(proxy_names())}"
            yield flaw((number, "proxy"), expected, rung.proxy, nearest=near[0] if near else "")
            continue
        step = proxy.training.step_tokens
        if rung.lm_tokens < step:
            expected = f"at least one step of '{rung.proxy}', {step} tokens"
            yield flaw((number, "lm_tokens"), expected, rung.lm_tokens)
        size = (proxy.architecture.width, proxy.architecture.layers)
        if size <= widest:
            yield flaw((number, "proxy"), "a larger proxy than the rung before", rung.proxy)
        widest = size
