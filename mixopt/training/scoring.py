"""Scores of documents by a proxy: one is trained on a mixture, and tells how hard each text is to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from mixopt.catalog.documents import Document, Split
from mixopt.corpus.conversations import render_document
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import Tokenizer
from mixopt.corpus.writers import encode_documents
from mixopt.errors import StudyError
from mixopt.proxy.backends.backend import Backend
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.model import padded_vocabulary
from mixopt.proxy.planner import LanePlan
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import Schedule
from mixopt.schedule.space import Space
from mixopt.training.feed import Feed
from mixopt.training.lane import plan_of
from mixopt.training.sessions.session import base_rate
from mixopt.training.slots import Slots
from mixopt.training.tree import Member

_SEED = 0
_SPARE = 1.001  # so that rounding asks a sample for no sequence more than it has
_TOKENS_AT_ONCE = 4096
_DOCUMENTS_AT_ONCE = 256
_IDENTITY_DIGITS = 16  # 64 bits


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredDocuments:
    """How hard documents are to a proxy.

    Attributes:
        identities: first 64 bits of the identity of each, [documents].
        values: bits per byte, [documents].
        held_out: whether it was kept from training, [documents].
    """

    identities: NDArray[np.uint64]
    values: NDArray[np.float64]
    held_out: NDArray[np.bool_]

    def means(self) -> dict[str, float | None]:
        """Return the mean bits per byte of training documents and of held-out ones, if any.

        Documents are scored by a proxy that may have been trained on them: a mean of training
        documents that is well below that of held-out ones shows that it knows them by heart.
        """
        parts = {"train": self.values[~self.held_out], "held_out": self.values[self.held_out]}
        return {name: float(part.mean()) if len(part) else None for name, part in parts.items()}


def scoring_schedule(store: TokenStore, domains: Sequence[str], proxy: ProxyRecipe) -> Schedule:
    """Return one stage over some domains of texts in proportion to their supply.

    Raises:
        SupplyError: they hold too few tokens for the proxy's budget.
    """
    supply = store.inventory.supply(domains)
    total = sum(supply.values())
    training = proxy.training
    held = [store.inventory.domain(name) for name in supply]
    # A proxy sees supply x its tokens / the target's of each domain, which no sample may lack.
    thinned = max(one.supply_tokens / one.sample_tokens for one in held if one.sample_tokens)
    simulated = thinned * _SPARE if thinned > 1 else 1.0
    target = {
        "parameters": 1_000_000,  # of no account: a proxy that scores simulates no target
        "tokens": math.ceil(training.lm_tokens * simulated),
        "context_tokens": training.context,
        "batch_tokens": training.step_tokens,
        "learning_rate": training.learning_rate,
    }
    mixture = {name: tokens / total for name, tokens in supply.items() if tokens}
    stage = {"name": "scoring", "kind": "lm", "share": 1.0, "mixture": mixture}
    recipe = ScheduleRecipe.model_validate({"name": "scoring", "target": target, "stage": [stage]})
    return Space(recipe=recipe, inventory=store.inventory).resolve({})


def train_scorer(
    proxy: ProxyRecipe,
    store: TokenStore,
    schedule: Schedule,
    *,
    device: str,
    progress: Callable[[int], None],
) -> Backend:
    """Return a proxy that is trained on the only stage of a schedule.

    Args:
        proxy: what is trained.
        store: the corpus.
        schedule: one stage of kind `lm`.
        device: that it is trained on.
        progress: called with the steps that are done since.

    Raises:
        SupplyError: the schedule cannot be run with this catalog and proxy.
        StudyError: training diverged.
    """
    member = Member(trial="scoring", seed=_SEED, schedule=schedule)
    feed = Feed(plan_of(member, proxy, store), 0, store)
    plan = LanePlan(members=1, micro_sequences=proxy.training.sequences, bytes=0)
    vocabulary = padded_vocabulary(store.tokenizer.size)
    slots = Slots(proxy, vocabulary=vocabulary, plan=plan, device=device)
    slots.load(0, slots.initial(_SEED))
    for step in range(feed.steps):
        (loss,) = slots.gradients("lm", [feed.rows(step)])
        (norm,) = slots.update({0: float(feed.rates[step]) * base_rate(proxy, "lm")})
        if slots.has_diverged(loss, norm, step):
            what = f"proxy '{proxy.name}' diverged at step {step:,}"
            raise StudyError(what, remedy="Choose another proxy, or more tokens.")
        progress(1)
    return slots.backend


def score_documents(
    backend: Backend,
    documents: Iterable[tuple[Split, Document]],
    tokenizer: Tokenizer,
    *,
    context: int,
    progress: Callable[[int], None],
) -> ScoredDocuments:
    """Return the bits per byte of documents.

    Args:
        backend: runs one member.
        documents: D of them, with their splits.
        tokenizer: of the member; tokens that it made are taken as they are.
        context: inputs per sequence, T.
        progress: called with the documents that are done since.
    """
    identities: list[int] = []
    held_out: list[bool] = []
    values = [np.zeros(0)]
    reader = iter(documents)
    while pairs := list(islice(reader, _DOCUMENTS_AT_ONCE)):
        batch = [document for _, document in pairs]
        texts = [render_document(document) for document in batch]
        found = bits_per_byte(
            backend,
            encode_documents(batch, texts, tokenizer),
            [len(text.encode()) for text in texts],
            context=context,
            end_of_text=tokenizer.end_of_text,
        )
        identities += [int(document.identity[:_IDENTITY_DIGITS], 16) for document in batch]
        held_out += [split != "train" for split, _ in pairs]
        values.append(found)
        progress(len(batch))
    return ScoredDocuments(
        identities=np.array(identities, np.uint64),
        values=np.concatenate(values),
        held_out=np.array(held_out, np.bool_),
    )


def bits_per_byte(
    backend: Backend,
    documents: Sequence[NDArray[np.uint32]],
    num_bytes: Sequence[int],
    *,
    context: int,
    end_of_text: int,
) -> NDArray[np.float64]:
    """Return bits per byte of whole documents, their end_of_text included; [documents].

    A document is read after an end_of_text, in windows of `context` targets that share no target.

    Args:
        backend: runs one member.
        documents: ids of each, end_of_text not among them.
        num_bytes: UTF-8 bytes of the text of each.
        context: inputs per sequence, T.
        end_of_text: id that stands before and behind every document.
    """
    owners, counts, rows = _windows(documents, context, end_of_text)
    nats = np.zeros(len(documents))
    height = max(1, _TOKENS_AT_ONCE // context)
    for first in range(0, len(rows), height):
        part = slice(first, first + height)
        losses = backend.token_losses(torch.from_numpy(rows[part])[None])[0].double().cpu().numpy()
        inside = np.arange(context) < counts[part, None]
        np.add.at(nats, owners[part], np.where(inside, losses, 0.0).sum(axis=1))
    return np.asarray(nats / math.log(2) / np.maximum(num_bytes, 1))


def _windows(
    documents: Sequence[NDArray[np.uint32]], context: int, end_of_text: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the document of each window, its number of targets, and its tokens [windows, T+1]."""
    owners, counts, rows = [], [], []
    for owner, tokens in enumerate(documents):
        ids = np.concatenate(([end_of_text], tokens.astype(np.int64), [end_of_text]))
        for start in range(0, len(ids) - 1, context):
            window = ids[start : start + context + 1]
            owners.append(owner)
            counts.append(len(window) - 1)
            rows.append(np.pad(window, (0, context + 1 - len(window)), constant_values=end_of_text))
    return np.array(owners), np.array(counts), np.array(rows)
