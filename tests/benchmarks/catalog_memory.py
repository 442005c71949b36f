"""Peak memory of building the catalog of one large domain, by process.

    python tests/benchmarks/catalog_memory.py [--gigabytes 0.5] [--files 32] [--workers 1 2]
        [--profile full] [--corpus FOLDER] [--scratch FOLDER]

Prints what the files and the finished catalog take, megabytes of files per second and per
CPU-second, and the most memory that the main process and its workers held, as the kernel tells it.
A corpus that was written before is taken as it is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from catalog_child import Run, run_child
from catalog_data import TRUTH, Truth, documents_of, read_truth, write_corpus

_PROGRAM: Final = Path(__file__).parent / "catalog_mixopt.py"
_MEBIBYTE: Final = 1 << 20
_MEGABYTE: Final = 1e6


def main() -> None:
    options = _parse()
    with tempfile.TemporaryDirectory(prefix="mixopt-memory-", dir=options.scratch) as name:
        folder = Path(name)
        corpus = options.corpus or folder / "corpus"
        truth = _corpus(corpus, int(options.gigabytes * 1e9), options.files)
        print(f"{truth.file_bytes / 1e9:.2f} GB, {documents_of(truth):,} documents")
        for workers in options.workers:
            scratch = folder / f"workers-{workers}"
            scratch.mkdir()
            command = [sys.executable, str(_PROGRAM), str(corpus), str(scratch)]
            run = run_child(
                [*command, str(workers), options.profile],
                log=folder / "build.log",
                environment={"OMP_NUM_THREADS": "1"},
            )
            print(run.failure or _line(run, workers, truth, scratch))


def _corpus(folder: Path, num_bytes: int, num_files: int) -> Truth:
    if (folder / TRUTH).is_file():
        return read_truth(folder)
    return write_corpus(folder, num_bytes=num_bytes, num_files=num_files)


def _line(run: Run, workers: int, truth: Truth, scratch: Path) -> str:
    main_process, *others = (peak / _MEBIBYTE for peak in run.peaks)
    megabytes = truth.file_bytes / _MEGABYTE
    left = {path.name: path.stat().st_size / _MEGABYTE for path in scratch.glob("*.duckdb")}
    told = (
        f"{workers} workers: {run.seconds:.1f} s, {megabytes / run.seconds:,.0f} MB/s",
        f"  {megabytes / run.cpu_seconds:,.0f} MB per CPU-second",
        f"  peak of the main process {main_process:,.0f} MiB",
        f"  peaks of other processes {', '.join(f'{peak:,.0f}' for peak in others) or 'none'} MiB",
        f"  peak of all at once {run.peak_bytes / _MEBIBYTE:,.0f} MiB",
        *(f"  {name}: {size:,.1f} MB" for name, size in sorted(left.items())),
        f"  documents counted: {run.counted['documents']:,} of {documents_of(truth):,}",
    )
    return "\n".join(told)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=0.5)
    parser.add_argument("--files", type=int, default=32)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--profile", choices=("lean", "full"), default="full")
    parser.add_argument("--corpus", type=Path, help="a folder with a corpus, or for one")
    parser.add_argument("--scratch", type=Path, help="the folder to work in")
    return parser.parse_args()


if __name__ == "__main__":
    main()
