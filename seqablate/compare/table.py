"""The table of runs: what differs between their configs, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqablate.record.run import Run
from seqablate.signals.words import duration, number, percent

if TYPE_CHECKING:
    from rich.table import Table

NEVER_SHOWN = ("name", "quiet", "output_dir", "seed")  # the seed has a column of its own
STATUS_STYLE = {"done": "green", "running": "cyan", "diverged": "red", "failed": "red"}


def flat_config(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys; a group's chosen variant under the group's own name: ``model``, ``model.hidden_size``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= flat_config(value, f"{prefix}{key}.")
        elif key == "name" and prefix:
            flat[prefix.rstrip(".")] = value
        else:
            flat[prefix + key] = value
    return flat


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """Config keys whose values are not the same in all runs, in the config's order.

    A key that only some variants have is left out where the variants themselves differ: ``model`` says it already.
    """
    flats = [flat_config(run.config) for run in runs]
    keys = list(dict.fromkeys(key for flat in flats for key in flat))
    everywhere = [key for key in keys if all(key in flat for flat in flats)]
    return [key for key in everywhere if key not in NEVER_SHOWN and len({repr(flat[key]) for flat in flats}) > 1]


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
        "config": {key: flat[key] for key in keys},
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
    """The fit of the first layer's memory: c where there is one (an LSTM), else h; the forward direction."""
    fits = [fit for fit in info.get("decay") or [] if fit["layer"] == 0 and fit["direction"] == "forward"]
    return max(fits, key=lambda fit: fit["state"] == "c", default=None)


def render_table(runs: Sequence[Run]) -> Table:
    """The rows as a rich table."""
    from rich.table import Table

    data = rows(runs)
    metrics = {row["metric"] for row in data}
    table = Table(header_style="bold", pad_edge=False)
    table.add_column("run", overflow="fold")
    keys = list(data[0]["config"])
    for key in keys:
        table.add_column(key)
    for name in ("seed", "status", "steps"):
        table.add_column(name, justify="left" if name == "status" else "right")
    table.add_column(_metric_heading(data[0]) if len(metrics) == 1 else "metric (chance)", justify="right")
    for name in ("test", "solved at", "decay/step", "half-life", "clipped", "time"):
        table.add_column(name, justify="right")
    for row, run in zip(data, runs, strict=True):
        table.add_row(*_cells(row, run, keys, one_metric=len(metrics) == 1))
    return table


def _metric_heading(row: dict[str, Any]) -> str:
    goal = f", goal {number(row['goal'])}" if row["goal"] is not None else ""
    return f"{row['metric']}\n(chance {number(row['chance'])}{goal})"


def _cells(row: dict[str, Any], run: Run, keys: list[str], one_metric: bool) -> list[str]:
    style = STATUS_STYLE.get(row["status"], "yellow")
    value = number(row["value"])
    fit = row["decay"]
    return [
        run.name,
        *(str(row["config"][key]) for key in keys),
        str(row["seed"]),
        f"[{style}]{row['status']}[/]",
        str(row["step"]),
        value if one_metric else f"{row['metric']} {value} ({number(row['chance'])})",
        number(row["test"]),
        "–" if row["solved_at"] is None else f"[green]{row['solved_at']}[/]",
        f"{fit['factor']:.3f} ({fit['state']})" if fit else "–",
        number(fit["half_life"]) if fit else "–",
        percent(row["clipped_share"]),
        duration(row["seconds"]) if row["seconds"] else "–",
    ]
