"""``seqablate status SWEEP``: how far a sweep is, from another shell, also while it runs. Imports no torch."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from shlex import quote

from rich.console import Group
from rich.live import Live
from rich.text import Text

from seqablate.cli.parser import Parser
from seqablate.cli.process import begin_run
from seqablate.errors import printable
from seqablate.launch.board import arm_table, current_lines, left_words
from seqablate.launch.events import Event
from seqablate.report.console import make_console
from seqablate.sweep.folder import SweepFolder, open_sweep
from seqablate.sweep.overview import RunNow, failures, look, to_json
from seqablate.sweep.standing import UNFINISHED
from seqablate.sweep.tally import Tally
from seqablate.text import apart, counted

PERIOD = 2.0  # seconds between two looks
MOST_LISTED = 20  # runs that are named


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate status",
        description="How far a sweep is: its arms with the runs that are done, running, failed or to do, the runs "
        "that go on now, what failed and why, and the time left. Works from any shell that sees the folder.",
    )
    parser.add_argument("sweep", metavar="SWEEP", help="the folder of a sweep")
    parser.add_argument("--watch", action="store_true", help="look again every 2 s until nothing is left to do")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, one object a line with --watch")
    arguments = parser.parse_args(argv)
    folder = open_sweep(arguments.sweep)
    begin_run()  # Ctrl-C leaves the terminal as it was
    if arguments.json:
        indent = None if arguments.watch else 1
        _print_changes(json.dumps(to_json(folder, runs), indent=indent) for runs in looks(folder, arguments.watch))
    elif arguments.watch and make_console().is_terminal:
        _follow(folder)
    else:
        _print_changes("\n".join(as_text(folder, runs)) for runs in looks(folder, arguments.watch))
    return 0


def looks(folder: SweepFolder, again: bool) -> Iterator[list[RunNow]]:
    """The runs as they are now; with ``again`` also every 2 s later, until each has come to an end."""
    yield (runs := look(folder))
    while again and any(run.state.standing in (*UNFINISHED, "running") for run in runs):
        time.sleep(PERIOD)
        yield (runs := look(folder))


def _print_changes(texts: Iterable[str]) -> None:
    last = None
    for text in texts:
        if text != last:
            print(text, flush=True)
        last = text


def _follow(folder: SweepFolder) -> None:
    """A picture on the terminal, until nothing is left to do."""
    console = make_console()
    with Live(console=console, auto_refresh=False) as live:
        for runs in looks(folder, again=True):
            live.update(picture(folder, runs, console.width, console.height - 1), refresh=True)


def as_text(folder: SweepFolder, runs: Sequence[RunNow]) -> Iterator[str]:
    """The picture as lines: a terminal gets colours."""
    console = make_console()
    with console.capture() as captured:
        console.print(picture(folder, runs, console.width))
    yield captured.get().rstrip("\n")


def picture(folder: SweepFolder, runs: Sequence[RunNow], width: int, room: int | None = None) -> Group:
    """The arms, the runs that go on, and what failed.

    Args:
        folder: the sweep.
        runs: as they are now.
        width: of the terminal.
        room: lines that there are; None: as many as it takes.
    """
    tally = Tally([run.state for run in runs])
    events = [_event(run) for run in runs if run.state.standing == "running"]
    listed = MOST_LISTED if room is None else max(2, room // 4)
    current = list(current_lines(events, width, listed))
    rest = [*current, *_listed(list(failures(runs)), listed), *_next(folder, tally)]
    table = arm_table(tally, None if room is None else max(3, room - len(rest) - 2))
    title = Text(f"{printable(str(folder.path))}: {counted(len(runs), 'run')}", style="bold", no_wrap=True)
    return Group(title, table, Text(_how_far(tally, runs), style="bold", no_wrap=True), *rest)


def _event(run: RunNow) -> Event:
    """A run that goes on, as its worker would tell of it."""
    info = run.state.info
    result = "" if info is None else f"{info.metric.name} {apart(info.final_value, info.metric.goal)}"
    text = "  ".join(filter(None, [result, run.worker]))
    return Event("progress", run.state.run.name, run.worker or "", run.step, run.steps or 0, text)


def _how_far(tally: Tally, runs: Sequence[RunNow]) -> str:
    reached = {run.state.run.name: run.step / run.steps for run in runs if run.steps}
    working = tally.totals["running"]
    if not working and not tally.totals["to do"]:
        return f"{tally.count}  nothing left to do"
    return f"{tally.count}  {left_words(tally.left(working, reached))}  {counted(working, 'run')} going on"


def _listed(lines: Sequence[str], most: int) -> Iterator[Text]:
    shown = lines if len(lines) <= most else lines[: most - 1]
    yield from (Text(printable(line), style="red", no_wrap=most < MOST_LISTED, overflow="ellipsis") for line in shown)
    if len(shown) < len(lines):
        yield Text(f"and {len(lines) - len(shown)} more that failed or diverged (--json has all)", style="dim")


def _next(folder: SweepFolder, tally: Tally) -> Iterator[Text]:
    """What to type when runs are to do and nobody is at it."""
    if tally.totals["to do"] and not tally.totals["running"]:
        yield Text(f"continue: seqablate resume {printable(quote(os.path.relpath(folder.path)))}")
