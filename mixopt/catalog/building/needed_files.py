"""The files of every source of a recipe, and which of them are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mixopt.catalog.building.jobs import Job, ReadingDigests
from mixopt.catalog.building.limits import cut, next_files, parts_of, takes_whole_files
from mixopt.catalog.building.measured_tables import Wanted
from mixopt.catalog.locations import File
from mixopt.catalog.recipe import Schema
from mixopt.catalog.sources import FileSource


class Listing:
    """One source of a collection or domain, with its files in the order in which they count.

    Attributes:
        collection: the name of the collection or domain that has the source.
        schema: what its documents are.
        source: how its files are read.
        wanted: its files; of one whose limit cuts the list, more than are needed in the end.
        parts: bytes at which the reading of each file stops; none where it is read whole.
        numbers: the files that were measured, by the store's numbers; always the first ones.
    """

    def __init__(
        self,
        collection: str,
        schema: Schema,
        source: FileSource,
        files: Sequence[File],
        digests: ReadingDigests,
    ) -> None:
        self.collection = collection
        self.schema: Schema = schema
        self.source = source
        self.parts = parts_of(files, source)
        self.wanted = [
            Wanted(file=file, reading=digests.of(file, part))
            for file, part in zip(files, self.parts, strict=True)
        ]
        self.numbers: list[int] = []

    @property
    def limit(self) -> int | None:
        """Bytes at which the list of files is cut; none where all files are needed."""
        return self.source.limit_bytes if takes_whole_files(self.source) else None

    def due(self, num_bytes: Mapping[int, int]) -> range:
        """Return the places of the files to measure next; empty when all that are needed were.

        Args:
            num_bytes: bytes of the documents of each file that was measured, where there is a
                limit.
        """
        done = len(self.numbers)
        if self.limit is None:
            return range(done, len(self.wanted))
        taken = [num_bytes[number] for number in self.numbers]
        files = [wanted.file for wanted in self.wanted]
        return range(done, next_files(files, taken, self.limit))

    def job(self, place: int, number: int) -> Job:
        """Return the job that measures the file at a place."""
        wanted = self.wanted[place]
        return Job(
            number=number,
            file=wanted.file,
            source=self.source,
            schema=self.schema,
            part=self.parts[place],
            reading=wanted.reading,
        )

    def end(self, num_bytes: Mapping[int, int]) -> None:
        """Leave out the files beyond the limit."""
        if self.limit is not None:
            needed = cut([num_bytes[number] for number in self.numbers], self.limit)
            del self.numbers[needed:], self.wanted[needed:], self.parts[needed:]
