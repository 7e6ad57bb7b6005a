"""``seqablate show RUN...``: a table, pictures on the terminal, and the same pictures as files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqablate.cli.parser import Parser
from seqablate.comparison.arms.overview import overview
from seqablate.comparison.files import save_picture, suffix
from seqablate.comparison.find import find_runs, with_records
from seqablate.comparison.table import rows
from seqablate.errors import UsageError, printable
from seqablate.record.rows import strict
from seqablate.record.run import Run
from seqablate.report.console import make_console, silence_stdout

if TYPE_CHECKING:
    from seqablate.comparison.curves import When

FORMATS = (".png", ".svg")
VERSION = 1  # of --json
MOST_STEPS = 4  # as many dashes as there are


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate show",
        description="Look at recorded runs: a table of the settings that differ and of the results, by arm where runs "
        "differ in their seed only, then their lag curves and their profiles over timesteps and layers, on the "
        "terminal and as PNG and SVG. "
        "More than 8 runs are pooled over seeds (median). "
        "A decay marked ~ is the average slope of a curve that is not exponential.",
    )
    parser.add_argument(
        "paths", nargs="+", metavar="RUN", help="a run folder, or a folder that holds runs (a sweep, outputs)"
    )
    parser.add_argument(
        "--step",
        default="last",
        metavar="STEPS",
        help="draw the curves after this many training steps: 0 or init (the initial state), a number, last, or "
        "several of them, as in init,last; all but the last one are dashed (default: last)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the pictures (default: the folder named, if it is one; else the current folder)",
    )
    parser.add_argument(
        "--each", action="store_true", help="a row for each run, also where runs differ in their seed only"
    )
    parser.add_argument("--json", action="store_true", help="print a row for each run as JSON and draw nothing")
    arguments = parser.parse_args(argv)
    whens = _whens(arguments.step)
    runs, unreadable = find_runs(arguments.paths)
    _complain([one.why for one in unreadable])
    if arguments.json:
        found = {"version": VERSION, "runs": [row.to_json() for row in rows(runs)]}
        _say(json.dumps(strict(found), indent=1, allow_nan=False))
        return 0
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out}: not a folder")
    only = Path(arguments.paths[0]) if len(arguments.paths) == 1 else Path()
    show(runs, arguments.out or only, whens, each=arguments.each)
    return 0


def _whens(words: str) -> list[When]:
    """The steps of ``--step``, in the order of training."""
    found: set[When] = set()
    for word in words.split(","):
        if word in ("init", "last"):
            found.add(0 if word == "init" else None)
        elif word.isdecimal() and word.isascii() and len(word) < 19:
            found.add(int(word))
        else:
            raise UsageError(f"--step {words}: write init, last or a number of training steps, or several as init,last")
    if len(found) > MOST_STEPS:
        raise UsageError(f"--step {words}: {MOST_STEPS} steps at most can be told apart")
    return sorted(found, key=lambda when: float("inf") if when is None else when)


def show(runs: Sequence[Run], out: Path, whens: Sequence[When] = (None,), *, each: bool = False) -> None:
    """Print the table and the curves, and save the pictures in ``out``."""
    from seqablate.comparison.pictures import every_picture  # neither is needed for the help, nor for --json
    from seqablate.diagnostics import load_views

    console = make_console()
    for part in overview(runs, console.width, each=each):
        console.print(part)
    runs, complaints = with_records(runs)
    _complain(complaints)
    load_views(signal.quantity for run in runs for signal in run.record.signals)
    found = False
    for picture in every_picture(runs, whens):
        found = True
        text = [] if picture.text is None else ["\n" + picture.text(min(console.width, 120), console.is_terminal)]
        for line in [*text, *map(printable, picture.notes)]:
            _say(line)
        for path in save_picture(picture, out / f"show-{picture.stem}{_suffix(runs)}", FORMATS):
            _say(f"saved {printable(str(path))}")
    if not found:
        _say("no curves: these runs were not probed (probe.every=0), or have not been evaluated yet")


def _complain(lines: Sequence[str]) -> None:
    """What is passed over, and why."""
    for line in lines:
        print(f"seqablate: {line}", file=sys.stderr)


def _say(text: str) -> None:
    """Print, if anyone is reading still (not: ``| head``)."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        silence_stdout()


def _suffix(runs: Sequence[Run]) -> str:
    """Tells pictures of different sets of runs apart, so that none replaces another's."""
    return f"-{suffix(str(run.path.resolve()) for run in runs)}" if len(runs) > 1 else ""
