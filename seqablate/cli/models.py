"""``seqablate models``: every model there is, with what it costs, records and refuses, and where it comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqablate.cli.parser import Parser
from seqablate.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

TASKS = ("adding", "reverse", "digits", "lm")  # a model is built for the first of these that it takes, to be counted


@dataclass(frozen=True, slots=True)
class Listed:
    """One model as it is with its default keys."""

    name: str
    parameters: int | None
    task: str
    states: str
    restrictions: str
    reference: str
    module: str


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate models",
        description="Every model: parameters (with its default keys, on the task named), states whose gradient is "
        "recorded, restrictions, reference. Models of other installed packages are listed as well. "
        "Keys: seqablate train --help model=NAME.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    from seqablate.assemble import load_variants
    from seqablate.config.plugins import load_plugins
    from seqablate.config.registry import variants

    load_variants()
    models = [describe(name) for name in variants("model")]
    if arguments.json:
        print(json.dumps([{f: getattr(model, f) for f in Listed.__slots__} for model in models], indent=1))
        return 0
    from seqablate.report.console import make_console

    console = make_console()
    console.print(table(models))
    for complaint in load_plugins():
        console.print(f"  {complaint}", markup=False, soft_wrap=True)
    return 0


def describe(name: str) -> Listed:
    """Build a model for the first task that takes it, and look."""
    from seqablate.config.registry import variant_class

    task, parameters = _count(name)
    cls: Any = variant_class("model", name)
    return Listed(name, parameters, task, cls.states, cls.restrictions, cls.reference, cls.__module__)


def _count(name: str) -> tuple[str, int | None]:
    """The task, and the parameters; None where no task takes the model, or what it needs is not installed."""
    from seqablate.assemble import build_model, build_task, read_overrides

    for task in TASKS:
        try:
            config = read_overrides([f"model={name}", f"task={task}"])
            model = build_model(config, build_task(config))
        except UsageError:
            continue
        return task, sum(p.numel() for p in model.parameters())
    return "–", None


def table(models: list[Listed]) -> Table:
    """The list for a terminal."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    shown = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("model", "parameters", "on task", "records", "restrictions", "reference"):
        shown.add_column(heading, justify="right" if heading == "parameters" else "left", overflow="fold")
    for model in models:
        theirs = "" if model.module.startswith("seqablate.") else f" ({model.module})"
        parameters = "–" if model.parameters is None else f"{model.parameters:,}"
        cells = (model.name, parameters, model.task, model.states, model.restrictions or "–")
        shown.add_row(*map(escape, (*cells, model.reference + theirs)))
    return shown
