"""``seqablate show RUN...``: a table, pictures on the terminal, and the same pictures as files."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqablate.cli.parser import Parser
from seqablate.compare.curves import Overlay, When, after, overlay
from seqablate.compare.find import find_runs
from seqablate.compare.table import render_table, rows
from seqablate.errors import RunFailure, UsageError, printable
from seqablate.record.rows import strict
from seqablate.record.run import Run
from seqablate.report.console import make_console, silence_stdout
from seqablate.signals.view import Curve, Heatmap, last_shown, panels, views_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

MOST_STEPS = 4  # as many dashes as there are
MOST_ROWS = 6  # of panels in one picture


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate show",
        description="Compare recorded runs: a table of the settings that differ and of the results, then their lag "
        "curves and their profiles over timesteps and layers, on the terminal and as PNG and SVG. "
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
    parser.add_argument("--json", action="store_true", help="print the table as JSON and draw nothing")
    arguments = parser.parse_args(argv)
    whens = _whens(arguments.step)
    runs, complaints = find_runs(arguments.paths)
    for line in complaints:
        print(f"seqablate: {line}", file=sys.stderr)
    if arguments.json:
        _say(json.dumps(strict(rows(runs)), indent=1, allow_nan=False))
        return 0
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out {arguments.out}: not a folder")
    only = Path(arguments.paths[0]) if len(arguments.paths) == 1 else Path()
    show(runs, arguments.out or only, whens)
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


def show(runs: Sequence[Run], out: Path, whens: Sequence[When] = (None,)) -> None:
    """Print the table and the curves, and save the curves in ``out``."""
    console = make_console()
    console.print(render_table(runs, console.width))
    views = views_of([signal for run in runs for signal in run.record.signals])
    if not views:
        _say("no curves: these runs were not probed (probe.every=0), or have not been evaluated yet")
    moment = "" if list(whens) == [None] else "-" + "-".join("last" if when is None else str(when) for when in whens)
    for view in views:
        if isinstance(view, Curve):
            _show_curves(runs, view, whens, console, out / f"show-{view.stem}{moment}{_suffix(runs)}")
        else:
            _show_heatmap(runs, view, out / f"show-{view.stem}{_suffix(runs)}")


def _show_curves(runs: Sequence[Run], view: Curve, whens: Sequence[When], console: Console, stem: Path) -> None:
    from seqablate.figures.curves import draw_curves

    if (drawn := overlay(runs, view, whens)) is None:
        return
    if not view.aside:
        _say("\n" + _plot(drawn, console))
    words = {"title": drawn.title, "xlabel": drawn.xlabel, "ylabel": drawn.ylabel}
    _save(draw_curves(drawn.curves, **words, scale=drawn.scale), stem)


def _show_heatmap(runs: Sequence[Run], view: Heatmap, stem: Path) -> None:
    """Signals of two axes as they were last measured."""
    from seqablate.figures.panels import draw_panels

    found = {run: shown for run in runs if (shown := last_shown(view, run.record.signals))}
    if len(found) > MOST_ROWS:
        _say(f"no {view.noun} matrices: {len(found)} runs have one, at most {MOST_ROWS} fit a picture; name fewer runs")
        return
    moments = {run: after([shown[0].step]) for run, shown in found.items()}
    rows = {f"{run.name}, {moments[run]}" if len(runs) > 1 else "": panels(shown) for run, shown in found.items()}
    title = view.title if len(runs) > 1 else f"{runs[0].name}\n{view.title}, {moments[runs[0]]}"
    _save(draw_panels(rows, title=title, **view.words), stem)


def _plot(drawn: Overlay, console: Console) -> str:
    from seqablate.figures.terminal import plot_curves

    text = plot_curves(
        drawn.curves,
        title=drawn.title,
        xlabel=drawn.xlabel,
        ylabel=drawn.ylabel,
        width=min(console.width, 120),
        colour=console.is_terminal,
        scale=drawn.scale,
    )
    return "\n".join([text, *map(printable, drawn.notes)])


def _say(text: str) -> None:
    """Print, if anyone is reading still (not: ``| head``)."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        silence_stdout()


def _save(figure: Figure, stem: Path) -> None:
    """As PNG and SVG, saying where."""
    from seqablate.figures.curves import FORMATS, save

    for suffix in FORMATS:
        try:
            stem.parent.mkdir(parents=True, exist_ok=True)
            path = save(figure, stem.with_name(stem.name + suffix))
        except OSError as error:
            raise RunFailure(f"cannot save a picture in {stem.parent}: {error.strerror}") from error
        _say(f"saved {printable(str(path))}")


def _suffix(runs: Sequence[Run]) -> str:
    """Tells pictures of different sets of runs apart, so that none replaces another's."""
    if len(runs) == 1:
        return ""
    return "-" + hashlib.sha256("\n".join(sorted(str(run.path.resolve()) for run in runs)).encode()).hexdigest()[:6]
