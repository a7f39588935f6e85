"""Ours against the peers on all work with signals: one Markdown table, with the quality beside every time.

Run ``python examples/benchmarks/signals.py > docs/signal_speed.md`` (some minutes), ``--quick`` for a look,
``--parts resampling gravity`` for some of it. Programs that are compared take turns in one process and get the same
number of threads (``--threads``; the peers have one). Times are medians, with least and greatest in brackets; ratios
above 1 mean that biosig is faster. ``pip install 'biosig-wear[bench]'`` brings the peers; one that is missing is named
and left out.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import warnings
from pathlib import Path

PARTS = sorted(path.stem for path in (Path(__file__).parent / "parts").glob("*.py") if path.stem != "rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--repeats", type=int, default=5, help="rounds in which the programs take turns")
    parser.add_argument("--quick", action="store_true", help="less data")
    parser.add_argument("--threads", type=int, default=1, help="of biosig")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(options.threads))  # read when NumPy is first imported, below
    warnings.simplefilter("ignore")

    import numpy as np
    from tqdm import tqdm

    rows = []
    for part in tqdm(options.parts, desc="parts"):
        rows += importlib.import_module(f"parts.{part}").run(options.repeats, options.quick, options.threads)
    print("# Signals and heart: speed beside the peers\n")
    print(
        "Made by `python examples/benchmarks/signals.py > docs/signal_speed.md`. Programs that are compared take turns"
    )
    print(
        "in one process, with the same number of threads; a ratio above 1 means that biosig is faster. The quality was"
    )
    print("measured in the same run.\n")
    print(
        f"{options.threads} thread(s) of {os.cpu_count()}, Python {platform.python_version()}, NumPy {np.__version__}; "
        f"{options.repeats} rounds, medians (least to greatest){', quick' if options.quick else ''}\n"
    )
    print("| work | ours | peer | times faster | quality |\n|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
