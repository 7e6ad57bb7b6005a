#!/usr/bin/env python3
"""Make every picture and every generated table of the documents again.

Each of them is made from runs of its own with fixed seeds, in a temporary folder. Pictures are equal to those in the
repository up to what differs between processors and versions of torch and matplotlib.

    python scripts/make_documents.py              # all of them
    python scripts/make_documents.py pictures/    # the files whose path contains these words
    python scripts/make_documents.py --list
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import cliff
from documents import catalogue, diagnostics, front, probe
from documents.runs import Runs

ROOT = Path(__file__).resolve().parents[1]
# A file, relative to the repository, and the function that writes it: function(runs, path).
FILES = {**front.FILES, **diagnostics.FILES, **probe.FILES, **catalogue.FILES, **cliff.FILES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="make only files whose path contains one of the words")
    parser.add_argument("--list", action="store_true", help="print the files and make none")
    arguments = parser.parse_args()
    asked = [name for name in FILES if any(_means(word, name) for word in arguments.words or [""])]
    if arguments.list:
        print("\n".join(asked))
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        runs = Runs()
        for name in asked:
            start = time.perf_counter()
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            FILES[name](runs, ROOT / name)
            print(f"{name}  {(ROOT / name).stat().st_size / 1000:.0f} kB, {time.perf_counter() - start:.1f} s")


def _means(word: str, name: str) -> bool:
    """Whether a word of the command line names this file, or is a part of its path and names no file."""
    return word == name or (word not in FILES and word in name)


if __name__ == "__main__":
    main()
