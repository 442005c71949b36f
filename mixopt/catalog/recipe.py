"""The recipe of a catalog: its domains, where their documents come from, and how they are split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ModelWrapValidatorHandler, model_validator

from mixopt.catalog.recipe_faults import faults_between
from mixopt.catalog.sources import ColumnName, FileSource, Source
from mixopt.catalog.validators import AtLeastOne, Off
from mixopt.recipes.decode import Recipe, check_with
from mixopt.recipes.quantity import TokenCount

Provenance = Literal["organic", "human_curated", "ai_curated", "ai_augmented", "synthetic"]
Schema = Literal["text", "conversation", "preference"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]


class SplitShares(Recipe):
    """Shares of documents that are held out; the rest is for training.

    Attributes:
        validation: share of documents that measures are taken on while searching, 0 to 1.
        test: share of documents that only final results are stated on, 0 to 1.
    """

    validation: float = Field(default=0.03, ge=0, lt=1)
    test: float = Field(default=0.03, ge=0, lt=1)

    @model_validator(mode="after")
    def _leaves_training_documents(self) -> Self:
        if self.validation + self.test >= 1:
            text = f"validation + test below 1, not {self.validation + self.test:g}"
            raise ValueError(text)
        return self


class ProfileRecipe(Recipe):
    """What is measured of documents beside their number, bytes and tokens.

    Attributes:
        sample: share of documents, chosen by their identity, whose language, compressibility and
            repetition are measured; statistics say of how many documents they are.
        near_duplicates: least Jaccard similarity of two documents' five-word shingles that makes
            them near-duplicates; `false` does not look for them.
        contamination: words of an n-gram that no training document should share with held-out or
            protected texts; `false` does not look for them.
        kept_documents: documents per domain that are kept with their statistics for SQL.
        supply: tokens that count as a domain's supply: those of distinct documents, or only one
            of every group of near-duplicates.
        proxy_scores: scores that `mixopt catalog score NAME` found, attached to documents by
            identity as further scores.
    """

    sample: float = Field(default=1.0, ge=0, le=1)
    near_duplicates: Annotated[float | None, Off] = Field(default=0.8, ge=0.5, lt=1)
    contamination: Annotated[int | None, Off] = Field(default=13, ge=5, le=50)
    kept_documents: int = Field(default=200, ge=0)
    supply: Literal["unique", "effective"] = "unique"
    proxy_scores: tuple[ColumnName, ...] = ()


class CollectionRecipe(Recipe):
    """Documents that domains are cut from by conditions, and that are no domain themselves.

    Attributes:
        name: what domains call it; no white space.
        document_schema: texts, conversations or preferences; `schema` in the file.
        sources: files to read.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: Name
    document_schema: Schema = Field(default="text", alias="schema")
    sources: Annotated[tuple[Annotated[FileSource, Field(discriminator="reader")], ...], AtLeastOne]


class ProtectedRecipe(Recipe):
    """Texts that training documents should not hold, such as a benchmark's problems.

    Attributes:
        name: what statistics call it.
        document_schema: texts or conversations; `schema` in the file.
        sources: files to read.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: Name
    document_schema: Literal["text", "conversation"] = Field(default="text", alias="schema")
    sources: Annotated[tuple[Annotated[FileSource, Field(discriminator="reader")], ...], AtLeastOne]


class DomainRecipe(Recipe):
    """One domain: what it is and where its documents come from.

    Attributes:
        name: what mixtures call it; no white space.
        provenance: how its documents came to be.
        licence: the terms its documents are under, as free text.
        document_schema: texts, conversations or preferences; `schema` in the file; a domain that
            is cut from collections has theirs.
        supply_tokens: unique tokens that the target run has; none means those found here.
        sample_tokens: take about this many training tokens for proxies, spread over all shards;
            none takes all.
        sources: files to read and documents to generate; none where it is cut from collections.
        collections: names of the collections it is cut from; `from` in the file.
        where: the SQL condition that its documents meet, over `document`, `shard`, `path`, `split`,
            `bytes`, `tokens`, `language`, `compressibility`, `repetition`, `identity` and the
            collections' scores and labels and the profile's `proxy_scores`; none takes all. Domains that are cut from the same
            collection may have no document in common.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: Name
    provenance: Provenance
    licence: str = ""
    document_schema: Schema = Field(default="text", alias="schema")
    supply_tokens: TokenCount | None = None
    sample_tokens: TokenCount | None = None
    sources: tuple[Source, ...] = ()
    collections: tuple[str, ...] = Field(default=(), alias="from")
    where: str | None = Field(default=None, min_length=1)


class CatalogRecipe(Recipe):
    """A catalog.

    Attributes:
        name: what results call it.
        seed: of everything that is sampled or generated.
        tokenizer: the tokenizer that tokens are counted with: `bytes`, a file or a folder.
        count_with: further tokenizers that tokens are counted with as well.
        split: shares of held-out documents.
        profile: what is measured of documents.
        collection: documents that domains are cut from, `[[collection]]` in the file.
        protected: texts that training data should not hold, `[[protected]]` in the file.
        domain: the domains, `[[domain]]` in the file.
    """

    name: Name
    seed: int = Field(default=0, ge=0)
    tokenizer: str = Field(default="bytes", min_length=1)
    count_with: tuple[str, ...] = ()
    split: SplitShares = SplitShares()
    profile: ProfileRecipe = ProfileRecipe()
    collection: tuple[CollectionRecipe, ...] = ()
    protected: tuple[ProtectedRecipe, ...] = ()
    domain: Annotated[tuple[DomainRecipe, ...], AtLeastOne]

    @model_validator(mode="wrap")
    @classmethod
    def _parts_fit_together(
        cls, data: object, handler: ModelWrapValidatorHandler[CatalogRecipe]
    ) -> CatalogRecipe:
        """Report faults between tables together with the faults inside of them."""
        faults = faults_between(data) if isinstance(data, Mapping) else ()
        recipe: CatalogRecipe = check_with(handler, data, faults)
        schemas = {found.name: found.document_schema for found in recipe.collection}
        domains = tuple(
            domain.model_copy(update={"document_schema": schemas[domain.collections[0]]})
            if domain.collections
            else domain
            for domain in recipe.domain
        )
        return recipe.model_copy(update={"domain": domains})
