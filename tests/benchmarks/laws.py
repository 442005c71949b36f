"""Laws and the search they guide, on published tables of training runs.

    python tests/benchmarks/laws.py curves [--table regmix|olmix|dclm] [--subsets 10]
        [--sizes 16 32 64] [--families gaussian_process trees] [--validation] [--workers 2]
    python tests/benchmarks/laws.py sizes [--subsets 10] [--small 64 512]
    python tests/benchmarks/laws.py replay ...

`curves` fits random subsets and judges them on other runs; `sizes` carries laws of small runs to a
larger size; `replay` chooses runs one after another.
"""

from __future__ import annotations

import argparse
import sys

import learning_curves
import replay
import sizes


def main() -> None:
    """Run one of the benchmarks."""
    if sys.argv[1:2] == ["replay"]:
        replay.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("replay", help="choose runs one after another", add_help=False)
    learning_curves.add_arguments(commands.add_parser("curves", help="learning curves"))
    sizes.add_arguments(commands.add_parser("sizes", help="laws carried to a larger size"))
    options = parser.parse_args()
    {"curves": learning_curves.run, "sizes": sizes.run}[options.command](options)


if __name__ == "__main__":
    main()
