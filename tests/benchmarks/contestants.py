"""The ways to train that are timed against each other; each an endless loop over one cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import process_time
from typing import Any

import torch
from measure import Pace
from torch import Tensor

from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.memory import keep_freed_memory
from mixopt.proxy.route import find_route

_DISTINCT_STEPS = 16
_RATE = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One shape of proxy and step."""

    width: int
    layers: int
    vocabulary: int
    sequences: int
    context: int

    @property
    def heads(self) -> int:
        """Attention heads, at least 16 features wide."""
        return min(4, self.width // 16)

    @property
    def tokens(self) -> int:
        """Tokens per step of one member."""
        return self.sequences * self.context

    def __str__(self) -> str:
        """Return the shape as a table shows it."""
        return f"d={self.width} L={self.layers} V={self.vocabulary} {self.sequences}x{self.context}"

    def proxy(self, optimizer: str, precision: str) -> ProxyRecipe:
        """Return the cell as a proxy recipe."""
        rates = {"learning_rate": _RATE, "sft_learning_rate": _RATE}
        budget = {"lm_tokens": self.tokens, "sft_tokens": self.tokens}
        table = {
            "name": "cell",
            "architecture": {
                "width": self.width,
                "layers": self.layers,
                "heads": self.heads,
                "feedforward": 3 * self.width,
            },
            "training": {
                "context": self.context,
                "sequences": self.sequences,
                "optimizer": optimizer,
                "precision": precision,
                **rates,
                **budget,
            },
        }
        return ProxyRecipe.model_validate(table)


def train_ours(cell: Cell, pace: Pace, *, members: int, precision: str, optimizer: str) -> None:
    """Train a stack of K members as a lane does: backend, clipping, optimizer, changing rates."""
    from mixopt.proxy.backends.backend import Batch  # noqa: PLC0415 - counts as start-up
    from mixopt.proxy.backends.choose import make_backend  # noqa: PLC0415
    from mixopt.proxy.model import Stack  # noqa: PLC0415
    from mixopt.proxy.muon import make_optimizer  # noqa: PLC0415

    keep_freed_memory()
    stack = Stack.initialize(
        cell.proxy(optimizer, precision), vocabulary=cell.vocabulary, seeds=range(members)
    )
    backend, updates = make_backend(stack), make_optimizer(stack)
    steps = _random_tokens(cell, members)
    for step, tokens in enumerate(steps):
        backend.train(Batch(tokens=tokens), range(members))
        updates.step(torch.full((members,), _RATE * _warm_up(step), dtype=torch.float64))
        pace.step(members * cell.tokens)


def train_llama(cell: Cell, pace: Pace, *, autocast: bool = False, medium: bool = False) -> None:
    """Train `LlamaForCausalLM` in a bare loop, with the attention that is faster here."""
    keep_freed_memory()
    if medium:
        torch.set_float32_matmul_precision("medium")
    context: Callable[[], Any] = nullcontext
    if autocast:
        context = partial(torch.autocast, "cpu", dtype=torch.bfloat16)
    attention = min(("sdpa", "eager"), key=lambda kind: _llama_seconds(cell, kind, context))
    for _ in _llama_steps(cell, attention, context):
        pace.step(cell.tokens)


def train_plain(cell: Cell, pace: Pace, *, precision: str) -> None:
    """Train a plain module with our own choice of matrix kernels."""
    from plain import PlainDecoder  # noqa: PLC0415 - counts as start-up

    keep_freed_memory()
    torch.set_float32_matmul_precision(find_route(precision).large)
    torch.manual_seed(0)
    model = PlainDecoder(cell.width, cell.layers, cell.heads, cell.vocabulary, cell.context)
    for _ in _loop(model, cell, model, nullcontext):
        pace.step(cell.tokens)


def train_with_trainer(cell: Cell, pace: Pace) -> None:
    """Train with the `Trainer` of `transformers`, quiet and without saving."""
    from transformers import Trainer, TrainerCallback, TrainingArguments  # noqa: PLC0415

    class Paced(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - as the library has it
            pace.step(cell.tokens)

    keep_freed_memory()
    arguments = TrainingArguments(
        output_dir="/tmp/mixopt-benchmark-trainer",  # noqa: S108, RUF100 - nothing is written
        max_steps=10**8,
        per_device_train_batch_size=cell.sequences,
        learning_rate=_RATE,
        warmup_steps=10,
        optim="adamw_torch_fused",
        max_grad_norm=1.0,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(
        model=_llama(cell, "sdpa"),
        args=arguments,
        train_dataset=_Rows(cell),
        callbacks=[Paced()],
    )
    trainer.train()


class _Rows(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Random rows for the Trainer; enough for its one epoch never to end."""

    def __init__(self, cell: Cell) -> None:
        shape = (_DISTINCT_STEPS * cell.sequences, cell.context)
        self._rows = torch.randint(cell.vocabulary, shape)

    def __len__(self) -> int:
        return 10**7

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        row = self._rows[index % len(self._rows)]
        return {"input_ids": row, "labels": row}


def _random_tokens(cell: Cell, members: int) -> Iterator[Tensor]:
    """Yield ids [K, B, T+1] for ever; a few steps of them, over and over."""
    shape = (members, cell.sequences, cell.context + 1)
    generator = torch.Generator().manual_seed(0)
    kept = [torch.randint(cell.vocabulary, shape, generator=generator) for _ in range(4)]
    return (kept[step % len(kept)] for step in count())


def _warm_up(step: int) -> float:
    return min(1.0, (step + 1) / 10)


def _llama(cell: Cell, attention: str) -> Any:  # noqa: ANN401 - transformers is not typed
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415 - counts as start-up

    torch.manual_seed(0)
    llama_config: Any = LlamaConfig  # its type does not know the choice of attention
    config = llama_config(
        hidden_size=cell.width,
        num_hidden_layers=cell.layers,
        num_attention_heads=cell.heads,
        intermediate_size=3 * cell.width,
        vocab_size=cell.vocabulary,
        max_position_embeddings=cell.context,
        tie_word_embeddings=True,
        attn_implementation=attention,
        use_cache=False,
    )
    return LlamaForCausalLM(config)


def _llama_steps(cell: Cell, attention: str, context: Callable[[], Any]) -> Iterator[None]:
    model = _llama(cell, attention)

    def loss_of(tokens: Tensor) -> Tensor:
        rows = tokens[:, :-1]
        loss: Tensor = model(input_ids=rows, labels=rows).loss
        return loss

    return _loop(model, cell, loss_of, context)


def _llama_seconds(cell: Cell, attention: str, context: Callable[[], Any]) -> float:
    """Return the CPU-seconds of a few steps, after a few."""
    steps = _llama_steps(cell, attention, context)
    for _ in range(3):
        next(steps)
    started = process_time()
    for _ in range(5):
        next(steps)
    return process_time() - started


def _loop(
    model: torch.nn.Module,
    cell: Cell,
    loss_of: Callable[[Tensor], Tensor],
    context: Callable[[], Any],
) -> Iterator[None]:
    """Run the bare training loop: fused AdamW, clipping, a schedule; yields after every step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warm_up)
    for tokens in _random_tokens(cell, 1):
        with context():
            loss = loss_of(tokens[0])
        loss.backward()  # type: ignore[no-untyped-call] # as torch has it
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        yield
