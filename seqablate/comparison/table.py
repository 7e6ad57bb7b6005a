"""The table of runs: the settings that differ, and the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqablate.comparison.code import other_code
from seqablate.comparison.measures import headline_decay
from seqablate.comparison.settings import differing_keys, headings, settings
from seqablate.config.flat import flat_config, shown
from seqablate.errors import printable
from seqablate.record.run import Run
from seqablate.signals.fit import Fit
from seqablate.signals.words import half_life, rate_cell, step_counted
from seqablate.text import apart, duration, number, percent

if TYPE_CHECKING:
    from rich.table import Table

LEAST_TELLING = ("folder", "time", "clipped", "half-life", "steps done", "test")  # the first to go on a narrow terminal
OTHER_CODE = "*"  # after the status
SAMPLE = 30  # rows measured to see what fits
STATUS_STYLE = {"done": "green", "running": "cyan", "diverged": "red", "failed": "red"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run in one line. Every field but ``clips`` is a key of ``--json``.

    Attributes:
        config: the settings that differ between the runs.
        measured_step: the training step of ``value`` and of ``decay``: the last evaluation, which for a run that
            diverged or was interrupted lies before its last step.
        decay: of the first layer's memory.
        other_code: what computed the run and differs in a newer run of the table (:func:`other_code`).
        clips: whether anything could be clipped.
    """

    run: str
    config: dict[str, Any]
    seed: int
    status: str
    step: int
    metric: str
    measured_step: int | None
    value: float | None
    chance: float
    goal: float | None
    test: float | None
    solved_at: int | None
    lost_at: int | None
    decay: Fit | None
    clipped_share: float | None
    seconds: float
    message: str | None
    other_code: str | None
    clips: bool

    def to_json(self) -> dict[str, Any]:
        """The keys of ``--json``."""
        return {name: value for name, value in vars(self).items() if name != "clips"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it is called, and a run's cell in it as text.

    Attributes:
        name: in the line that says what was left out.
        heading: rich markup, perhaps of several lines.
        left: aligned to the left.
        folds: long cells go on in another line.
    """

    name: str
    heading: str
    cell: Callable[[Row], str]
    left: bool = False
    folds: bool = False


def rows(runs: Sequence[Run]) -> list[Row]:
    """One row a run, for the table and for ``--json``."""
    keys = differing_keys(runs)
    return [_row(run, keys, changed) for run, changed in zip(runs, other_code(runs), strict=True)]


def _row(run: Run, keys: list[str], changed: str | None) -> Row:
    info, flat = run.info, flat_config(run.config)
    # The numbers of a run that diverged are of an earlier step: they are not shown without it.
    dated = info.measured_step is not None or info.status != "diverged"
    return Row(
        run=str(run.path),
        config={key: flat[key] for key in keys if key in flat},
        seed=info.seed,
        status=info.status,
        step=info.step,
        metric=info.metric.name,
        measured_step=info.measured_step,
        value=info.final_value if dated else None,
        chance=info.metric.chance,
        goal=info.metric.goal,
        test=info.test_value,
        solved_at=info.solved_at,
        lost_at=info.lost_at,
        decay=headline_decay(info) if dated else None,
        clipped_share=info.clipped_share,
        seconds=info.seconds.total,
        message=info.message,
        other_code=changed,
        clips=flat.get("clip") != "none",
    )


def render_table(runs: Sequence[Run], width: int) -> Table:
    """The rows as a rich table in which a run's name is what sets it apart: its settings and its seed.

    What ``width`` characters cannot hold is left out, the least telling columns first, and a line below says so. Where
    that is not enough, the settings share a column and go on in further lines.
    """
    data, keys = rows(runs), differing_keys(runs)
    named = len(runs) > 1 and len({(repr(row.config), row.seed) for row in data}) == len(runs)
    losable = LEAST_TELLING[not named :]
    columns = [*_setting_columns(keys), *_result_columns(data)]
    for count in range(len(losable) + 1):
        kept = [column for column in columns if column.name not in losable[:count]]
        if _width(_table(kept, data[:SAMPLE])) <= width:  # a thousand rows are as wide as some of them
            return _table(kept, data, losable[:count])
    together = [Column("settings", "settings", _together, left=True, folds=True)] if keys else []
    return _table([*together, *kept[len(keys) :]], data, losable)


def _width(table: Table) -> int:
    """Characters across a table that nothing folds."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(width=1000)
    return Measurement.get(console, console.options, table).maximum


def _table(columns: Sequence[Column], data: Sequence[Row], left_out: Sequence[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    caption = "\n".join(_notes(data, left_out)) or None
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")
    for column in columns:
        justify: Any = "left" if column.left else "right"
        table.add_column(column.heading, justify=justify, no_wrap=not column.folds, overflow="fold")
    for row in data:
        table.add_row(*(column.cell(row) for column in columns))
    return table


def _notes(data: Sequence[Row], left_out: Sequence[str]) -> Iterator[str]:
    """What is said below the table."""
    changed = list(dict.fromkeys(row.other_code for row in data if row.other_code))
    if changed:
        more = f" and {len(changed) - 1} more (seqablate show --json names them)" if changed[1:] else ""
        yield f"{OTHER_CODE} not computed by the same code as the newest run: {_text(changed[0])}{more}"
    if left_out:
        yield f"left out for lack of width: {', '.join(left_out)} (seqablate show --json has all)"


def _setting_columns(keys: Sequence[str]) -> list[Column]:
    def column(key: str, heading: str) -> Column:
        heading = "steps asked" if heading == "steps" else heading
        return Column(key, _text(heading), lambda row: _text(_value(row, key)), left=True)

    return [column(key, heading) for key, heading in headings(keys).items()]


def _result_columns(data: Sequence[Row]) -> list[Column]:
    one_metric = len({row.metric for row in data}) == 1
    return [
        Column("seed", "seed", lambda row: str(row.seed)),
        Column("status", "status", _status, left=True),
        Column("steps done", "steps\ndone", lambda row: str(row.step)),
        Column("metric", _metric_heading(data[0]) if one_metric else "metric\n(chance)", _metric(one_metric)),
        Column("test", "test", lambda row: apart(row.test, row.goal)),
        Column("solved", "solved\nat step", _solved),
        Column("decay", "decay\nper step", _decay),
        Column("half-life", "half-life", _half_life),
        Column("clipped", "clipped", lambda row: percent(row.clipped_share if row.clips else None)),
        Column("time", "time", lambda row: duration(row.seconds) if row.seconds else "–"),
        Column("folder", "folder", lambda row: _text(Path(row.run).name), left=True, folds=True),
    ]


def _text(words: str) -> str:
    """Words of a record as they are: no markup, no control characters."""
    from rich.markup import escape

    return escape(printable(words))


def _value(row: Row, key: str) -> str:
    return shown(row.config[key]) if key in row.config else "–"


def _together(row: Row) -> str:
    return _text(" ".join(settings(row.config)))


def _status(row: Row) -> str:
    mark = OTHER_CODE if row.other_code else ""
    return f"[{STATUS_STYLE.get(row.status, 'yellow')}]{_text(row.status)}[/]{mark}"


def _solved(row: Row) -> str:
    if row.solved_at is None:
        return "–"
    return f"[green]{row.solved_at}[/]" if row.lost_at is None else f"{row.solved_at} (lost)"


def _metric_heading(row: Row) -> str:
    goal = f"\ngoal {number(row.goal)}" if row.goal is not None else ""
    return f"{_text(row.metric)}\nchance {number(row.chance)}{goal}"


def _metric(one_metric: bool) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        value = apart(row.value, row.goal)
        return value if one_metric else f"{_text(row.metric)} {value} ({number(row.chance)})"

    return lambda row: cell(row) + _dated(row, row.value)


def _dated(row: Row, value: Any) -> str:
    """The training step of a number, where it is not the run's last one."""
    if value is None or row.measured_step in (None, row.step):
        return ""
    return f"\nat step {row.measured_step}"


def _decay(row: Row) -> str:
    fit = row.decay
    if fit is None:
        return "–"
    unit = "" if step_counted(fit) == "timestep" else f" by {step_counted(fit)}"
    words = dict.fromkeys([_text(fit.verdict), rate_cell(fit)])  # the rate may be the verdict again
    return f"{' '.join(words)} ({_text(fit.state)}{unit})" + _dated(row, fit)


def _half_life(row: Row) -> str:
    fit = row.decay
    return half_life(fit) + ("" if step_counted(fit) == "timestep" else f" {step_counted(fit)}s") if fit else "–"
