"""Building a catalog against other ways to look at the same files, in one run, with equal results.

    python tests/benchmarks/catalog_throughput.py [--gigabytes 0.2] [--workers 1 2] [--rounds 1]
        [--mixtera-python PATH --mixtera FOLDER] [--datatrove-python PATH] [--polars-python PATH]
        [--json]

Contestants: Mixtera's registration of two properties, datatrove's statistics of documents, a plain
scan by polars, mixopt's build with what Mixtera yields and little more, with everything measured,
and again when nothing has changed. Each runs in a fresh process over the same files, which were
all read once before. What a process spends on its imports stands apart. Megabytes are of the
files, per CPU-second of all of a contestant's processes, which a busy machine bends less than the
clock. Everything that a contestant counts must equal what the files were written with.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from catalog_child import Run, run_child
from catalog_data import Truth, documents_of, write_corpus

MIXTERA: Final = "Mixtera, registration"
_HERE = Path(__file__).parent
_MEGABYTE = 1e6
_MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """A program that looks at all files.

    Attributes:
        name: what the table calls it.
        python: its interpreter; none where it is not there.
        program: file beside this one.
        arguments: what it takes behind corpus, scratch folder and workers.
        environment: what it needs to be set.
        scratch: contestants of one name share a scratch folder within a round.
    """

    name: str
    python: str | None
    program: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    scratch: str = ""

    def run(self, corpus: Path, folder: Path, workers: int) -> Run:
        """Run it over the corpus."""
        scratch = folder / (self.scratch or self.program)
        scratch.mkdir(exist_ok=True)
        assert self.python
        command = [self.python, str(_HERE / self.program), str(corpus), str(scratch), str(workers)]
        environment = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": str(workers)}
        return run_child(
            [*command, *self.arguments],
            log=folder / f"{self.name}.log",
            environment={**environment, **dict(self.environment)},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the table; medians over rounds."""

    name: str
    workers: int
    seconds: float
    cpu_seconds: float
    start_up_cpu_seconds: float
    megabytes_per_cpu_second: float
    peak_mebibytes: float
    to_mixtera: float | None
    equal: tuple[str, ...]
    different: tuple[str, ...]


def main() -> None:
    options = _parse()
    rows = []
    with tempfile.TemporaryDirectory(prefix="mixopt-catalog-", dir=options.scratch) as name:
        folder = Path(name)
        corpus = folder / "corpus"
        truth = write_corpus(
            corpus, num_bytes=int(options.gigabytes * 1e9), num_files=options.files
        )
        _say(f"{truth.file_bytes:,} bytes, {documents_of(truth):,} documents, {truth.documents}")
        for workers in options.workers:
            rows += list(_race(options, truth, folder, workers))
    if options.json:
        json.dump([asdict(row) for row in rows], sys.stdout)
    else:
        print(_table(rows))


def _race(options: argparse.Namespace, truth: Truth, folder: Path, workers: int) -> Iterator[Row]:
    contestants = [entry for entry in _contestants(options) if _is_there(entry)]
    runs: dict[str, list[Run]] = {entry.name: [] for entry in contestants}
    for number in range(options.rounds):
        scratch = folder / f"round-{workers}-{number}"
        scratch.mkdir()
        for entry in contestants:
            _read_all(folder / "corpus")
            run = entry.run(folder / "corpus", scratch, workers)
            if run.failure:
                _say(f"{entry.name} failed:\n{run.failure}")
            else:
                runs[entry.name].append(run)
    finished = {name: done for name, done in runs.items() if done}
    mixtera = finished.get(MIXTERA)
    for name, done in finished.items():
        yield _row(name, workers, truth, (done, mixtera))


def _contestants(options: argparse.Namespace) -> Sequence[Contestant]:
    paths = (("PYTHONPATH", str(options.mixtera)),) if options.mixtera else ()
    ours = partial(Contestant, python=sys.executable, program="catalog_mixopt.py")
    return (
        Contestant(
            name=MIXTERA,
            python=options.mixtera_python,
            program="catalog_mixtera.py",
            environment=paths,
        ),
        Contestant(
            name="datatrove, document statistics",
            python=options.datatrove_python,
            program="catalog_datatrove.py",
        ),
        Contestant(name="polars, scan", python=_polars(options), program="catalog_polars.py"),
        ours(name="mixopt, as Mixtera", arguments=("lean",), scratch="lean"),
        ours(name="mixopt, everything", arguments=("full",), scratch="full"),
        ours(name="mixopt, unchanged", arguments=("full",), scratch="full"),
    )


def _polars(options: argparse.Namespace) -> str | None:
    if options.polars_python:
        return str(options.polars_python)
    return sys.executable if find_spec("polars") else None


def _is_there(contestant: Contestant) -> bool:
    if contestant.python:
        return True
    _say(f"{contestant.name}: skipped, no interpreter that has it was named")
    return False


def _read_all(corpus: Path) -> None:
    for path in corpus.iterdir():
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


def _row(name: str, workers: int, truth: Truth, runs: tuple[list[Run], list[Run] | None]) -> Row:
    mine, mixtera = runs
    equal, different = _compared(truth, mine[-1].counted)
    cpu_seconds = statistics.median(run.cpu_seconds for run in mine)
    theirs = statistics.median(run.cpu_seconds for run in mixtera) if mixtera else None
    return Row(
        name=name,
        workers=workers,
        seconds=statistics.median(run.seconds for run in mine),
        cpu_seconds=cpu_seconds,
        start_up_cpu_seconds=statistics.median(run.start_up_seconds for run in mine),
        megabytes_per_cpu_second=truth.file_bytes / _MEGABYTE / cpu_seconds,
        peak_mebibytes=max(run.peak_bytes for run in mine) / _MEBIBYTE,
        to_mixtera=theirs / cpu_seconds if theirs else None,
        equal=equal,
        different=different,
    )


def _compared(truth: Truth, counted: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which counts are those that the corpus was written with, and which are not."""
    written = {
        "documents": documents_of(truth),
        "bytes": truth.text_bytes,
        "characters": truth.characters,
        "language": dict(truth.languages),
        "topic": dict(truth.topics),
    }
    equal = tuple(key for key, value in counted.items() if value == written[key])
    return equal, tuple(key for key in counted if key not in equal)


def _table(rows: Sequence[Row]) -> str:
    titles = (
        "| | workers | seconds | CPU-seconds | imports, CPU-seconds | MB per CPU-second "
        "| to Mixtera | peak MiB | equal counts |"
    )
    lines = [titles, "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        ratio = f"{row.to_mixtera:.2f}" if row.to_mixtera else ""
        wrong = f"; NOT EQUAL: {', '.join(row.different)}" if row.different else ""
        lines.append(
            f"| {row.name} | {row.workers} | {row.seconds:.2f} | {row.cpu_seconds:.2f} "
            f"| {row.start_up_cpu_seconds:.2f} | {row.megabytes_per_cpu_second:,.0f} | {ratio} "
            f"| {row.peak_mebibytes:,.0f} | {', '.join(row.equal)}{wrong} |"
        )
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=0.2)
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--mixtera-python", help="an interpreter with what Mixtera needs")
    parser.add_argument("--mixtera", type=Path, help="Mixtera's sources, if not installed there")
    parser.add_argument("--datatrove-python", help="an interpreter with datatrove")
    parser.add_argument("--polars-python", help="an interpreter with polars, if not this one")
    parser.add_argument("--scratch", type=Path, help="the folder to work in")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
