"""Proxy recipes: the shape of a proxy and how it is trained (`proxies/*.toml`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, PositiveInt, ValidationInfo, field_validator

from mixopt.recipes.decode import Recipe, read
from mixopt.recipes.digest import digest
from mixopt.recipes.locate import locate
from mixopt.schedule.layout import Budget

_Positive = Annotated[FiniteFloat, Field(gt=0)]
_NotNegative = Annotated[FiniteFloat, Field(ge=0)]
_Momentum = Annotated[FiniteFloat, Field(ge=0, lt=1)]


class Architecture(Recipe):
    """The shape of a Llama-like decoder: RMSNorm, rotary positions, SwiGLU, no biases.

    Widths transfer in the manner of muP (Yang et al., 2021, arXiv:2203.03466): rates are tuned at
    `base_width`, and a proxy of another width scales its hidden rates and logits by itself.
    """

    width: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    feedforward: PositiveInt
    tied_head: bool = True
    rope_base: _Positive = 10_000.0
    norm_epsilon: _Positive = 1e-5
    base_width: PositiveInt = 64

    @field_validator("heads")
    @classmethod
    def _heads_divide_width(cls, heads: int, info: ValidationInfo) -> int:
        width = info.data.get("width")
        if width is not None and width % (2 * heads) != 0:
            message = f"a number of heads that splits width {width} into even parts"
            raise ValueError(message)
        return heads

    @property
    def head_width(self) -> int:
        """Features of one attention head."""
        return self.width // self.heads

    @property
    def hidden_rate(self) -> float:
        """Factor on the learning rate of hidden matrices; 1 at the base width."""
        return self.base_width / self.width

    @property
    def output_gain(self) -> float:
        """Factor on the logits; 1 at the base width."""
        return self.base_width / self.width


class Training(Recipe):
    """How much a proxy of this shape is trained, and with which optimizer."""

    context: Annotated[int, Field(ge=2)]
    """Tokens per sequence."""
    sequences: PositiveInt
    """Sequences per step and member."""
    lm_tokens: PositiveInt
    """Tokens of all language-model stages together."""
    sft_tokens: PositiveInt
    """Tokens of all fine-tuning stages together."""
    learning_rate: _Positive
    """Peak learning rate of language-model stages, at the base width."""
    sft_learning_rate: _Positive
    """Peak learning rate of fine-tuning stages, at the base width."""
    dpo_steps: PositiveInt = 80
    """Steps of all preference stages together."""
    rl_steps: PositiveInt = 40
    """Steps of all reinforcement stages together."""
    dpo_learning_rate: _Positive = 1e-4
    """Peak learning rate of preference stages, at the base width."""
    rl_learning_rate: _Positive = 1e-4
    """Peak learning rate of reinforcement stages, at the base width."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """Of hidden matrices; tables and norms always have AdamW."""
    momentum: _Momentum = 0.95
    """Of Muon."""
    beta1: _Momentum = 0.9
    beta2: _Momentum = 0.95
    epsilon: _Positive = 1e-6
    weight_decay: _NotNegative = 0.05
    """Decoupled decay of hidden matrices, per step and unit of learning rate."""
    clip_norm: _Positive = 1.0
    """Largest global norm of a member's gradient."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the factors of matrix products while training. Parameters, sums and optimizer state are
    float32 either way; `bfloat16` is a permission, taken where the device gains from it."""

    @field_validator("lm_tokens", "sft_tokens")
    @classmethod
    def _at_least_one_step(cls, tokens: int, info: ValidationInfo) -> int:
        context, sequences = info.data.get("context"), info.data.get("sequences")
        if context is not None and sequences is not None and tokens < context * sequences:
            message = f"at least one step of {sequences} x {context} = {context * sequences} tokens"
            raise ValueError(message)
        return tokens

    @property
    def step_tokens(self) -> int:
        """Tokens that one member sees in one step."""
        return self.context * self.sequences

    @property
    def budget(self) -> Budget:
        """What one proxy trains on, in the terms of plans."""
        return Budget(
            tokens={"lm": self.lm_tokens, "sft": self.sft_tokens},
            practice_steps={"dpo": self.dpo_steps, "rl": self.rl_steps},
            context_tokens=self.context,
            sequences=self.sequences,
        )


class ProxyRecipe(Recipe):
    """One proxy: its name, shape and training."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    architecture: Architecture
    training: Training

    @property
    def content_hash(self) -> str:
        """Names the shape and training of the proxy, whatever the recipe is called."""
        return digest({"architecture": self.architecture, "training": self.training})


def read_proxy(name_or_path: str) -> ProxyRecipe:
    """Read a proxy recipe by path, or by the name of a shipped one.

    Raises:
        NotFoundError: there is no such recipe.
        RecipeError: the recipe has faults; lists all of them.
    """
    return read(locate(name_or_path, "proxies"), ProxyRecipe)
