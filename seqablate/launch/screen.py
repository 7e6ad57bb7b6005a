"""What is shown of a sweep while it goes on: a picture on a terminal, a line for each finished run elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Sequence

from rich.console import Group
from rich.live import Live
from rich.text import Text

from seqablate.launch.board import arm_table, current_lines, left_words
from seqablate.launch.events import Event
from seqablate.record.schema import FINISHED
from seqablate.report.console import run_console
from seqablate.report.lines import print_line
from seqablate.sweep.standing import RunStanding
from seqablate.sweep.tally import Tally
from seqablate.text import counted, duration

REFRESH = 0.25  # seconds between two pictures


class SweepScreen:
    """Where the events of a sweep's workers go.

    On a terminal the arms are counted in a table, with a line for each run that goes on, and what has ended scrolls
    above. A failure and its reason go to standard error, always.

    Args:
        quiet: show failures and warnings only.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.console = run_console()
        self.errors = run_console(stderr=True)
        self.quiet = quiet
        self.tally = Tally([])
        self.current: dict[str, Event] = {}  # the latest event of each run that goes on
        self.workers = 0
        self.live: Live | None = None
        self.drawn = 0.0

    def begin(self, standings: Sequence[RunStanding], wanted: Collection[str], workers: int) -> None:
        """The sweep begins: how its runs stand, the names of those that are to be done, and how many go on at once."""
        self.tally, self.workers = Tally(standings, wanted), workers
        if self.console.is_terminal and not self.quiet:
            errors = sys.stderr is not None and sys.stderr.isatty()  # a file must get its lines itself
            self.live = Live(console=self.console, auto_refresh=False, transient=True, redirect_stderr=errors)
            self.live.start()
            self.errors = run_console(stderr=True)  # which now writes above the picture
            self._draw()

    def event(self, event: Event) -> None:
        """A worker has sent something."""
        if event.kind == "note":
            self._complain(f"{event.run}: {event.text}", "yellow")
        elif event.kind == "end":
            self._ended(event)
        elif event.run in self.tally.runs:
            self.current[event.run] = event
            self.tally.put(event.run, "running")
        self.tick()

    def lost(self, run: str, why: str) -> None:
        """The process that was at a run is gone; the run may begin again."""
        self.current.pop(run, None)
        if self.tally.states.get(run) == "running":
            self.tally.put(run, "killed")
        self._complain(f"{run or 'a worker'}: {why}", "yellow")

    def look(self, standings: Sequence[RunStanding]) -> None:
        """How the runs stand by their folders: others may work at the same sweep."""
        for each in standings:
            name, before = each.run.name, self.tally.states.get(each.run.name)
            if name in self.current or before in (None, *FINISHED):
                continue
            if before == "running" or each.standing in ("running", *FINISHED):
                self.tally.put(name, each.standing, each.info.seconds.total if each.info else 0.0)
            if each.standing in FINISHED and not self.quiet:
                print_line(self.console, f"{self.tally.count} {name}: {each.standing}, by another worker")

    def tick(self) -> None:
        """Time has passed: draw again, if it is long enough ago."""
        if time.perf_counter() - self.drawn >= REFRESH:
            self._draw()

    def end(self) -> None:
        """Take the picture away."""
        if self.live is not None:
            self.live.update("", refresh=True)
            self.live.stop()
            self.live, self.errors = None, run_console(stderr=True)

    def _ended(self, event: Event) -> None:
        self.current.pop(event.run, None)
        if event.run in self.tally.runs:
            self.tally.put(event.run, event.status, event.seconds)
        line = f"{self.tally.count} {event.run}: {event.text}; {duration(event.seconds)}"
        if event.status == "failed":
            self._complain(line, "red")
        elif not self.quiet:
            print_line(self.console, line, style="red" if event.status == "diverged" else "")

    def _complain(self, text: str, style: str) -> None:
        for line in text.splitlines():
            print_line(self.errors, line, style)

    def _draw(self) -> None:
        self.drawn = time.perf_counter()
        if self.live is None:
            return
        room = max(9, self.console.height * 3 // 4)  # above it some of what has ended stays in sight
        lines = list(current_lines(list(self.current.values()), self.console.width, room // 2))
        free = max(len(lines), min(self.workers, room // 2))  # the same for a run more or less
        table = arm_table(self.tally, room - free - 2)
        how_far = Text(self._how_far(), style="bold", no_wrap=True)
        self.live.update(Group("", table, how_far, *lines), refresh=True)

    def _how_far(self) -> str:
        reached = {event.run: event.step / max(event.steps, 1) for event in self.current.values()}
        left = left_words(self.tally.left(max(self.workers, self.tally.totals["running"]), reached))
        return f"{self.tally.count}  {left}  {counted(self.workers, 'worker')}"
