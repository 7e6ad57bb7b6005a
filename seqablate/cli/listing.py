"""``seqablate models``, ``tasks``, ``clips`` ...: every variant of a group, with its keys, and where it comes from."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seqablate.cli.parser import Parser
from seqablate.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from seqablate.config.catalogue import VariantEntry

VERSION = 1  # of --json


def main(group: str, argv: list[str]) -> int:
    parser = Parser(
        prog=f"seqablate {group}s",
        description=f"What can be chosen with {group}=, its keys with their values, and references. Variants of other "
        f"installed packages are listed as well. What the keys mean: seqablate train --help {group}=NAME."
        + " A model's parameters are counted on the task named."
        * (group == "model"),
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    if group == "task":
        add_sample_arguments(parser)
    arguments = parser.parse_intermixed_args(argv)
    if group == "task" and arguments.name is not None:
        from seqablate.cli.samples import show

        show(arguments.name, arguments.words, arguments.samples, as_json=arguments.json)
        return 0
    from seqablate.assemble import load_variants
    from seqablate.config.catalogue import variant_entries
    from seqablate.config.plugins import load_plugins

    load_variants()
    entries = variant_entries(group)
    if arguments.json:
        found = [asdict(entry) | facts(entry) | {"keys": keys(entry)} for entry in entries]
        print(json.dumps({"version": VERSION, "group": group, "variants": found}, indent=1))
        return 0
    from seqablate.report.console import make_console

    console = make_console()
    console.print(table(group, entries))
    for complaint in load_plugins():
        console.print(f"  {complaint}", markup=False, soft_wrap=True)
    return 0


def add_sample_arguments(parser: Parser) -> None:
    """What is read besides where real samples of one task are asked for."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="print samples of this task instead")
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="such as task.length=12")
    parser.add_argument("--samples", type=int, default=3, metavar="N", help="how many of them")


def keys(entry: VariantEntry) -> dict[str, dict[str, Any]]:
    """A variant's keys by whole name."""
    from seqablate.config.catalogue import variant_key_entries

    return {key.name: asdict(key) for key in variant_key_entries(entry.group, entry.name)}


def facts(entry: VariantEntry) -> dict[str, Any]:
    """What is listed of models alone: what one with default keys consists of, and what is recorded of it."""
    if entry.group != "model":
        return {}
    from seqablate.config.registry import variant_class

    task, parameters = _count(entry.name)
    cls: Any = variant_class("model", entry.name)
    return {"parameters": parameters, "on task": task, "records": cls.states}


def _count(model: str) -> tuple[str | None, int | None]:
    """The default task, or the first that takes a model, and its parameters there; None where nothing does."""
    from seqablate.assemble import build_model, build_task, read_overrides
    from seqablate.config.compose import default_choices
    from seqablate.config.registry import variants

    for task in (*default_choices()["task"], *variants("task")):
        try:
            config = read_overrides([f"model={model}", f"task={task}"])
            built = build_model(config, build_task(config))
        except UsageError:
            continue
        return task, sum(p.numel() for p in built.parameters())
    return None, None


def table(group: str, entries: list[VariantEntry]) -> Table:
    """The list for a terminal."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    rows = [(entry, facts(entry)) for entry in entries]
    shown = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, leading=1)
    for heading in (group, *rows[0][1], "what it is"):
        shown.add_column(heading, justify="right" if heading == "parameters" else "left", overflow="fold")
    for entry, found in rows:
        cells = (entry.name, *map(_cell, found.values()), "\n".join(_lines(entry)))
        shown.add_row(*map(escape, cells))
    return shown


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _lines(entry: VariantEntry) -> list[str]:
    section = entry.group + "."
    values = (f"{name.removeprefix(section)}={key['value']}" for name, key in keys(entry).items())
    more = {
        "restrictions": entry.restrictions,
        "keys": " ".join(values),
        "reference": entry.reference,
        "package": entry.package,
    }
    return [entry.summary, *(f"{heading}: {text}" for heading, text in more.items() if text)]
