"""Pictures of a sweep as text: its arms in a table, and a line for each run that goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from seqablate.comparison.settings import headings
from seqablate.errors import printable, shorten
from seqablate.launch.events import Event
from seqablate.report.lines import one_line
from seqablate.sweep.tally import STATES, Arm, Tally
from seqablate.text import counted, duration, sparkline

STYLES = {"done": "green", "diverged": "red", "running": "cyan", "failed": "red"}
ALWAYS = ("done", "running", "to do")  # columns that stand there also when they are 0 throughout


def arm_table(tally: Tally, room: int | None = None) -> Table:
    """How many runs of each arm are done, running, failed and to do.

    Args:
        tally: what is counted.
        room: lines, at least 3: where there are more arms, those where something happens are shown, and a last line
            counts the others. None: as many as it takes.
    """
    arms = tally.by_arm
    shown = list(arms) if room is None or len(arms) < room else _busiest(arms, max(1, room - 2))
    keys = list(dict.fromkeys(key for arm in arms for key, _ in arm))
    states = [state for state in STATES if state in ALWAYS or tally.totals[state]]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings(keys).values() if keys else ["arm"]:
        table.add_column(Text(printable(heading)), no_wrap=True, overflow="ellipsis")
    for state in states:
        table.add_column(state, justify="right", no_wrap=True)
    for arm in shown:
        table.add_row(*_settings(arm, keys), *_counts(arms[arm], states))
    if len(shown) < len(arms):
        others = sum((arms[arm] for arm in arms if arm not in set(shown)), Counter())
        words = Text(f"{counted(len(arms) - len(shown), 'more arm')}", style="dim")
        table.add_row(words, *[""] * (len(keys) - 1), *_counts(others, states))
    return table


def _busiest(arms: dict[Arm, Counter[str]], most: int) -> list[Arm]:
    """Arms with a run that goes on, then with one that failed, then begun ones, then those to come; in their order."""

    def rank(arm: Arm) -> int:
        count = arms[arm]
        begun = bool(count["to do"]) and (count["done"] or count["diverged"])
        order = (count["running"], count["failed"] or count["diverged"], begun, count["to do"])
        return next((number for number, so in enumerate(order) if so), len(order))

    chosen = set(sorted(arms, key=rank)[:most])
    return [arm for arm in arms if arm in chosen]


def _settings(arm: Arm, keys: Sequence[str]) -> list[Text]:
    values = dict(arm)
    return [Text(printable(values.get(key, "–"))) for key in keys] or [Text("all runs")]


def _counts(count: Counter[str], states: Sequence[str]) -> list[Text]:
    return [Text(str(count[state]), style=STYLES.get(state, "") if count[state] else "dim") for state in states]


def left_words(seconds: float | None) -> str:
    """``about 3 min 05 s left``, ``– left`` as long as nothing is known."""
    return "– left" if seconds is None else f"about {duration(seconds)} left"


def current_lines(events: Sequence[Event], width: int, room: int) -> Iterator[Text]:
    """A line for each run that goes on: name, steps, curve and result, the last cut where the terminal ends.

    Args:
        events: the latest of each run.
        width: of the terminal.
        room: lines, at least 1; the last one counts the runs that do not fit.
    """
    shown = events if len(events) <= room else events[: room - 1]
    names = [shorten(event.run, max(12, width * 2 // 5)) for event in shown]
    steps = [f"{event.step}/{event.steps}" if event.steps else "–" for event in shown]
    blocks = min(40, max(8, (width - 50) // 3))
    curves = [sparkline(np.array(event.curve), blocks) for event in shown]
    for row in zip(_even(names, "<"), _even(steps, ">"), _even(curves, "<"), shown, strict=True):
        yield one_line("  ".join(filter(None, [*row[:3], printable(row[3].text)])), "cyan")
    if len(shown) < len(events):
        yield one_line(f"and {counted(len(events) - len(shown), 'more run')}", "dim")


def _even(cells: Sequence[str], side: str) -> list[str]:
    """A column: cells of one width."""
    width = max(map(len, cells), default=0)
    return [f"{cell:{side}{width}}" for cell in cells]
