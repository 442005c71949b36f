"""The sources of a domain that are files: where they lie, their format, and what is taken of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from mixopt.catalog.made_sources import GarbledSource, TasksSource
from mixopt.recipes.decode import Recipe
from mixopt.recipes.quantity import ByteCount

TAKEN_COLUMNS = (
    "bytes",
    "compressibility",
    "contaminated",
    "document",
    "domain",
    "excerpt",
    "file",
    "fingerprint",
    "further_tokens",
    "grams",
    "identity",
    "language",
    "length",
    "messages",
    "path",
    "protected",
    "repetition",
    "shard",
    "signature",
    "split",
    "text",
    "tokens",
)
"""Columns that every document has: no score or label of a source may be called so."""


def _free_name(name: str) -> str:
    if name in TAKEN_COLUMNS:
        kind = "taken_name"
        raise PydanticCustomError(
            kind,
            "a name other than {names}, which every document has",
            {"names": ", ".join(TAKEN_COLUMNS)},
        )
    return name


ColumnName = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64), AfterValidator(_free_name)
]


Role = Literal["user", "assistant", "system"]
_SHARE_GPT_ROLES: Mapping[str, Role] = MappingProxyType({"human": "user", "gpt": "assistant"})


class _Files(Recipe):
    """What all sources that read files have in common.

    Attributes:
        path: a file or folder, or an fsspec URL of one (`s3://`, `gs://`, `hf://`, ...); a path is
            relative to the recipe's folder, or starts with a placeholder: `{stdlib}`,
            `{site_packages}` or `{recipe}`.
        storage: options of the URL's file system, such as `endpoint_url` or `anon`; secrets
            belong into the environment, where the file system finds them by itself.
        include: globs of the files to take below a folder; empty takes the reader's usual ones.
        exclude: globs of files to leave out; `test/*` also leaves out all that lies deeper.
        limit_bytes: take about this many bytes, spread over the files; none takes all.
        min_document_bytes: leave shorter documents out.
        max_document_bytes: leave longer documents out.
        where: a SQL condition that documents must meet, over `text`, `bytes`, `path` and the
            source's scores and labels; others are left out.
    """

    path: str = Field(min_length=1)
    storage: dict[str, str | int | bool] = Field(default_factory=dict)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit_bytes: ByteCount | None = None
    min_document_bytes: ByteCount | None = None
    max_document_bytes: ByteCount | None = None
    where: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _some_length_is_left(self) -> Self:
        least, most = self.min_document_bytes, self.max_document_bytes
        if least is not None and most is not None and least > most:
            text = f"min_document_bytes up to max_document_bytes, not {least:,} above {most:,}"
            raise ValueError(text)
        return self


class RecordSource(_Files):
    """Files whose records hold a document in named fields; a dot enters a nested record.

    Attributes:
        text_field: the field with the text, in a domain of texts.
        messages_field: the field with the list of messages, in a domain of conversations.
        role_key: the key of a message's role.
        content_key: the key of a message's content.
        roles: what other names of roles stand for, such as `human = "user"`.
        prompt_field: the field with the prompt of a preference, a text or a list of messages; none
            where the answers begin with it.
        chosen_field: the field with the answer that was chosen, a text or a list of messages.
        rejected_field: the field with the answer that was rejected, likewise.
        scores: the field of every score that documents have, by the score's name, sorted; numbers.
        labels: the field of every label that documents have, by the label's name, sorted; texts.
    """

    text_field: str = "text"
    messages_field: str = "messages"
    role_key: str = "role"
    content_key: str = "content"
    roles: dict[str, Role] = Field(default_factory=lambda: dict(_SHARE_GPT_ROLES))
    prompt_field: str | None = "prompt"
    chosen_field: str = "chosen"
    rejected_field: str = "rejected"
    scores: dict[ColumnName, str] = Field(default_factory=dict)
    labels: dict[ColumnName, str] = Field(default_factory=dict)

    @field_validator("scores", "labels")
    @classmethod
    def _in_order(cls, value: dict[str, str]) -> dict[str, str]:
        """Sort by name, as documents hold them, once and not for every record."""
        return dict(sorted(value.items()))

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        both = sorted(self.scores.keys() & self.labels.keys())
        if both:
            text = f"a name for a score or a label, not for both: {', '.join(both)}"
            raise ValueError(text)
        return self


class JsonlSource(RecordSource):
    """JSON lines: `.jsonl`, `.json`, `.ndjson`, plain or as `.gz` or `.zst`."""

    reader: Literal["jsonl"]


class ParquetSource(RecordSource):
    """Parquet files."""

    reader: Literal["parquet"]


class ArrowSource(RecordSource):
    """Arrow files and streams, such as folders that `datasets` saved to disk."""

    reader: Literal["arrow"]


class HubSource(RecordSource):
    """A dataset on the Hugging Face hub, or a folder laid out like one; `path` is its name.

    Attributes:
        config: the configuration; none takes the default one.
        hub_split: the split to take.
        revision: a commit, tag or branch; a commit makes the source immutable.
    """

    reader: Literal["hub"]
    config: str | None = None
    hub_split: str = "train"
    revision: str | None = None


class WebDatasetSource(RecordSource):
    """WebDataset tars: files that share a name up to the first dot are one record.

    A member's suffix is its field (`txt`, `json`, ...); the fields of a `.json` member that holds a
    record are entered with a dot, as in `json.text`.
    """

    reader: Literal["webdataset"]
    text_field: str = "txt"


class MdsSource(RecordSource):
    """Mosaic streaming shards (MDS): folders with an `index.json`."""

    reader: Literal["mds"]


class TextSource(_Files):
    """A tree of plain texts, one document a file; `.gz` and `.zst` are unpacked."""

    reader: Literal["text"]


class CodeSource(_Files):
    """A tree of program sources, one document a file, with the label `programming_language`."""

    reader: Literal["code"]


class DocstringsSource(_Files):
    """Python sources of which only the docstrings are taken, one document a file."""

    reader: Literal["docstrings"]


class _Tokenized(_Files):
    """Files that hold tokens instead of text.

    Attributes:
        tokenizer: the tokenizer that made them: `bytes`, a file, a folder or a hub name.
    """

    tokenizer: str = Field(min_length=1)


class MegatronSource(_Tokenized):
    """Megatron's indexed datasets: pairs of `.bin` and `.idx`."""

    reader: Literal["megatron"]


class TokenArraySource(_Tokenized):
    """Flat arrays of tokens, with numpy's header or bare as OLMo writes them.

    Attributes:
        dtype: type of the tokens of a file without a header.
        end_of_document: id that ends every document; none takes the tokenizer's end_of_text.
    """

    reader: Literal["tokens"]
    dtype: Literal["uint8", "uint16", "uint32", "int32", "uint64", "int64"] = "uint16"
    end_of_document: int | None = Field(default=None, ge=0)


FileSource = (
    JsonlSource
    | ParquetSource
    | ArrowSource
    | HubSource
    | WebDatasetSource
    | MdsSource
    | TextSource
    | CodeSource
    | DocstringsSource
    | MegatronSource
    | TokenArraySource
)
TokenizedSource = MegatronSource | TokenArraySource
MadeSource = TasksSource | GarbledSource
Source = Annotated[FileSource | MadeSource, Field(discriminator="reader")]
