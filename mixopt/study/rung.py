"""Rungs: the other proxies of a study, smaller ones before its search and larger ones after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError, SupplyError
from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.proxy.cost import cost_of
from mixopt.proxy.model import padded_vocabulary
from mixopt.schedule.schedule import Schedule
from mixopt.study.recipe import RungRecipe, StudySettings
from mixopt.training.lane import plan_of
from mixopt.training.tree import Member

RungPhase = Literal["scout", "scale"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rung:
    """A proxy of another size or length than the study's own, and how often it is trained."""

    phase: RungPhase
    proxy: ProxyRecipe  # its name tells length, too
    trials: int
    seeds: int  # per trial

    @property
    def name(self) -> str:
        """What trials of it are listed under."""
        return self.proxy.name


def read_rungs(settings: StudySettings) -> tuple[Rung, ...]:
    """Return the scouts of a study, then its larger runs, in the order of the recipe.

    Raises:
        NotFoundError: there is no such proxy recipe.
        RecipeError: a proxy recipe has faults.
    """
    scouts = [_rung("scout", recipe) for recipe in settings.scout]
    return (*scouts, *(_rung("scale", recipe) for recipe in settings.scale))


def shortened(proxy: ProxyRecipe, factor: float) -> ProxyRecipe:
    """Return a proxy that is trained on a multiple of its tokens; its rates stay as they are.

    A shorter proxy repeats data as often as a longer one does: its pools are cut down with it.
    Every kind of stage keeps at least one step.
    """
    if factor == 1:
        return proxy
    old = proxy.training
    changes = {
        "lm_tokens": max(old.step_tokens, round(old.lm_tokens * factor)),
        "sft_tokens": max(old.step_tokens, round(old.sft_tokens * factor)),
        "dpo_steps": max(1, round(old.dpo_steps * factor)),
        "rl_steps": max(1, round(old.rl_steps * factor)),
    }
    training = old.model_copy(update=changes)
    return proxy.model_copy(update={"name": f"{proxy.name}-x{factor:g}", "training": training})


def num_parameters(proxy: ProxyRecipe, store: TokenStore) -> int:
    """Return the parameters of one proxy with the vocabulary of a corpus."""
    return cost_of(proxy, padded_vocabulary(store.tokenizer.size)).parameters


def check_rungs(
    rungs: Sequence[Rung], own: ProxyRecipe, store: TokenStore, schedule: Schedule
) -> None:
    """Raise for a rung that could not be trained, before anything is.

    Args:
        rungs: of the study.
        own: the study's proxy, which the corpus was built for.
        store: the corpus.
        schedule: one of the space, such as natural.

    Raises:
        StudyError: two proxies have one name, a context is not the corpus's, or the corpus holds
            too little for a rung.
    """
    names = [own.name, *(rung.name for rung in rungs)]
    for rung in rungs:
        if names.count(rung.name) > 1:
            what = f"[[study.{rung.phase}]]: '{rung.name}' is the proxy of more than one rung"
            remedy = "Give each rung a proxy or a factor on tokens of its own."
            raise StudyError(what, why="Their trials could not be told apart.", remedy=remedy)
        _check_context(rung, store)
        try:
            plan_of(Member(trial=rung.name, seed=0, schedule=schedule), rung.proxy, store)
        except SupplyError as error:
            what = f"[[study.{rung.phase}]]: '{rung.name}' cannot be trained on this corpus"
            why = f"{error.what}. {error.why}".strip()
            remedy = "Take a smaller factor on its tokens, or a catalog with a larger sample."
            raise StudyError(what, why=why, remedy=remedy) from error


def _check_context(rung: Rung, store: TokenStore) -> None:
    context = rung.proxy.training.context
    if context != store.context:
        what = f"[[study.{rung.phase}]]: '{rung.name}' reads {context} tokens per sequence"
        raise StudyError(
            what,
            why=f"The corpus of the study is packed for {store.context}, those of its own proxy.",
            remedy=f"Add `context = {store.context}` to the rung.",
        )


def _rung(phase: RungPhase, recipe: RungRecipe) -> Rung:
    proxy = read_proxy(recipe.proxy)
    if recipe.context is not None:
        proxy = _at_context(proxy, recipe.context)
    proxy = shortened(proxy, recipe.tokens)
    return Rung(phase=phase, proxy=proxy, trials=recipe.trials, seeds=recipe.seeds)


def _at_context(proxy: ProxyRecipe, context: int) -> ProxyRecipe:
    """Return a proxy that reads sequences of another length, about as many tokens per step."""
    sequences = max(1, proxy.training.step_tokens // context)
    training = proxy.training.model_copy(update={"context": context, "sequences": sequences})
    return proxy.model_copy(update={"training": training})
