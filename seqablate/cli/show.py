"""``seqablate show RUN...``: a table, pictures on the terminal, and the same pictures as files."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqablate.cli.parser import Parser
from seqablate.compare.curves import overlay
from seqablate.compare.find import find_runs
from seqablate.compare.table import render_table, rows
from seqablate.console.output import make_console
from seqablate.errors import RunFailure, UsageError
from seqablate.record.rows import strict
from seqablate.record.run import Run
from seqablate.signals.pairs import PAIRS, last_pairs
from seqablate.signals.views import VIEWS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate show",
        description="Compare recorded runs: a table of what differs and what came of it, then their lag curves and "
        "their profiles over timesteps and layers overlaid, on the terminal and as PNG and SVG. "
        "More than 8 runs are averaged over seeds. "
        "A decay marked ~ is the average slope of a curve that is no exponential.",
    )
    parser.add_argument(
        "paths", nargs="+", metavar="RUN", help="a run folder, or a folder that holds runs (a sweep, outputs)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the pictures go (default: the folder shown)")
    parser.add_argument("--json", action="store_true", help="print the table as JSON and draw nothing")
    arguments = parser.parse_args(argv)
    runs, complaints = find_runs(arguments.paths)
    for line in complaints:
        print(f"seqablate: {line}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(strict(rows(runs)), indent=1, allow_nan=False))
        return 0
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out}: not a folder")
    show(runs, arguments.out or _home(runs, arguments.paths))
    return 0


def show(runs: Sequence[Run], out: Path) -> None:
    """Print the table and the curves, and save the curves in ``out``."""
    from seqablate.figures.curves import draw_log_curves
    from seqablate.figures.pairs import draw_pairs
    from seqablate.figures.terminal import plot_log_curves

    console = make_console()
    console.print(render_table(runs, console.width))
    overlays = {view.name: drawn for view in VIEWS if (drawn := overlay(runs, view)) is not None}
    if not overlays:
        console.print("no curves: these runs were not probed (probe.every=0), or have not been evaluated yet")
    for name, drawn in overlays.items():
        text = plot_log_curves(
            drawn.curves,
            title=drawn.title,
            xlabel=drawn.xlabel,
            ylabel=drawn.ylabel,
            width=min(console.width, 120),
            colour=console.is_terminal,
        )
        print(f"\n{text}")
        figure = draw_log_curves(drawn.curves, title=drawn.title, xlabel=drawn.xlabel, ylabel=drawn.ylabel)
        _save(figure, out / f"show-{name}{_suffix(runs)}")
    if len(runs) == 1 and (pairs := last_pairs(runs[0].record.signals)):
        _save(draw_pairs(pairs, title=f"{runs[0].name}\n{PAIRS}"), out / "show-pair")


def _save(figure: Figure, stem: Path) -> None:
    """As PNG and SVG, saying where."""
    from seqablate.figures.curves import save

    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".png", ".svg"):
            print(f"saved {save(figure, stem.with_name(stem.name + suffix))}")
    except OSError as error:
        raise RunFailure(f"cannot save a picture in {stem.parent}: {error.strerror}") from error


def _home(runs: Sequence[Run], paths: Sequence[str]) -> Path:
    """The one folder named, else the runs' common parent."""
    if len(paths) == 1:
        return Path(paths[0])
    return Path(os.path.commonpath([run.path.resolve().parent for run in runs]))


def _suffix(runs: Sequence[Run]) -> str:
    """Tells pictures of different sets of runs apart, so that none replaces another's."""
    if len(runs) == 1:
        return ""
    return "-" + hashlib.sha256("\n".join(sorted(str(run.path.resolve()) for run in runs)).encode()).hexdigest()[:6]
