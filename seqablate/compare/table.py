"""The table of runs: what differs between their configs, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqablate.config.flat import flat_config
from seqablate.record.run import Run
from seqablate.signals.views import memory_rank
from seqablate.signals.words import duration, half_life, number, percent, rate_cell

if TYPE_CHECKING:
    from rich.table import Table

# How a run was watched and kept is no difference between runs; the seed has a column of its own.
NEVER_SHOWN = {
    *("name", "quiet", "output_dir", "seed", "device", "threads", "backend"),
    *("probe.every", "eval.every", "eval.size", "checkpoint.every", "checkpoint.keep"),
}
AFTER_METRIC = ("test", "solved at", "decay/step", "half-life", "clipped", "time")
LEAST_TELLING = ("time", "clipped", "steps", "test", "half-life")  # the first to go where the terminal is narrow
SAMPLE = 30  # rows measured to see what fits
STATUS_STYLE = {"done": "green", "running": "cyan", "diverged": "red", "failed": "red"}


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """Config keys whose values are not the same in all runs that have them, in the config's order.

    A key that only one variant has is no difference of its own (``model`` says it already) until two runs of that
    variant differ in it: ``clip.max_norm`` beside ``clip=none``.
    """
    flats = [flat_config(run.config) for run in runs]
    keys = dict.fromkeys(key for flat in flats for key in flat if key not in NEVER_SHOWN)
    return [key for key in keys if len({repr(flat[key]) for flat in flats if key in flat}) > 1]


def rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One plain dict a run, for the table and for ``--json``."""
    keys = differing_keys(runs)
    return [_row(run, keys) for run in runs]


def _row(run: Run, keys: list[str]) -> dict[str, Any]:
    info, metric = run.info, run.info["metric"]
    flat = flat_config(run.config)
    final = info.get("final") or {}
    return {
        "run": str(run.path),
        "config": {key: flat[key] for key in keys if key in flat},
        "seed": info["seed"],
        "status": run.status,
        "step": info["step"],
        "metric": metric["name"],
        "value": final.get(metric["name"]),
        "chance": metric["chance"],
        "goal": metric["goal"],
        "test": ((info.get("test") or {}).get("metrics") or {}).get(metric["name"]),
        "solved_at": info.get("solved_at"),
        "decay": headline_decay(info),
        "clipped_share": info.get("clipped_share"),
        "seconds": (info.get("seconds") or {}).get("total"),
        "message": info.get("message"),
    }


def headline_decay(info: dict[str, Any]) -> dict[str, Any] | None:
    """The fit of the first layer's memory: c where there is one (an LSTM), else h; forward; an encoder's, if any."""
    fits = [fit for fit in info.get("decay") or [] if fit["layer"] == 0 and fit["direction"] == "forward"]
    return max(fits, key=lambda fit: memory_rank(fit["module"], fit["state"]), default=None)


def render_table(runs: Sequence[Run], width: int) -> Table:
    """The rows as a rich table, without its least telling columns where ``width`` characters cannot hold them."""
    from rich.console import Console
    from rich.measure import Measurement

    data, roomy = rows(runs), Console(width=1000)
    for count in range(len(LEAST_TELLING) + 1):
        left_out = LEAST_TELLING[:count]
        few = _table(data[:SAMPLE], runs[:SAMPLE], left_out)  # a thousand rows are as wide as some of them
        if Measurement.get(roomy, roomy.options, few).maximum <= width:
            break
    return _table(data, runs, left_out)


def _table(data: list[dict[str, Any]], runs: Sequence[Run], left_out: Sequence[str]) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    one_metric = len({row["metric"] for row in data}) == 1
    keys = list(dict.fromkeys(key for row in data for key in row["config"]))
    metric = _metric_heading(data[0]) if one_metric else "metric (chance)"
    names = ["run", *keys, "seed", "status", "steps", metric, *AFTER_METRIC]
    kept = [i for i, name in enumerate(names) if name not in left_out]
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i in kept:
        left = i <= len(keys) or names[i] == "status"
        table.add_column(escape(names[i]), justify="left" if left else "right", overflow="fold")
    for row, run in zip(data, runs, strict=True):
        cells = _cells(row, run, keys, one_metric)
        table.add_row(*(cells[i] for i in kept))
    return table


def _unit(fit: dict[str, Any]) -> str:
    """Decay is per timestep, unless a net knows no time."""
    return " by layer" if fit["axis"] == "depth" else ""


def _metric_heading(row: dict[str, Any]) -> str:
    goal = f"\ngoal {number(row['goal'])}" if row["goal"] is not None else ""
    return f"{row['metric']}\nchance {number(row['chance'])}{goal}"


def _cells(row: dict[str, Any], run: Run, keys: list[str], one_metric: bool) -> list[str]:
    from rich.markup import escape

    style = STATUS_STYLE.get(row["status"], "yellow")
    value = number(row["value"])
    fit = row["decay"]
    return [
        escape(run.name),
        *(escape(str(row["config"].get(key, "–"))) for key in keys),
        str(row["seed"]),
        f"[{style}]{row['status']}[/]",
        str(row["step"]),
        value if one_metric else f"{row['metric']} {value} ({number(row['chance'])})",
        number(row["test"]),
        "–" if row["solved_at"] is None else f"[green]{row['solved_at']}[/]",
        f"{rate_cell(fit)} ({fit['state']}{_unit(fit)})" if fit else "–",
        half_life(fit) + (" layers" if fit["axis"] == "depth" else "") if fit else "–",
        percent(row["clipped_share"]),
        duration(row["seconds"]) if row["seconds"] else "–",
    ]
