"""The page of all choices and keys, and the table of models in their README, made from what they declare."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from inspect import get_annotations
from pathlib import Path

from omegaconf import DictConfig

from documents.runs import Runs
from seqablate.assemble import load_variants
from seqablate.config import catalogue
from seqablate.config.catalogue import KeyEntry
from seqablate.config.compose import compose_values, default_choices
from seqablate.config.keys import declaration
from seqablate.config.lookup import BOOLEAN
from seqablate.config.overrides import read_words
from seqablate.config.registry import GROUPS, SEVERAL, variant_class, variants
from seqablate.config.schema import TrainConfig
from seqablate.sweep.options import SweepOptions, launcher_name, option_entries, option_values

COMMAND = "python scripts/make_documents.py configs/README.md"
INTRODUCTION = f"""# Choices and keys

This page lists everything that a run can be given: `seqablate train GROUP=NAME KEY=VALUE ...`. It is made by
`{COMMAND}` from the declarations in `seqablate/`.

The files beside it hold values only. `train.yaml` names the default of each group and has the values of the keys that
no group holds, `GROUP/NAME.yaml` has those of one choice, and `shared/` those with which several choices begin.
`study/` has studies (`seqablate study list`; [their files](../seqablate/study/README.md#the-file))."""
SINGLE = "A run has exactly one of them."
SEVERAL_TEXT = "A run has any number of them: `{0}=[a,b]` lists them, `+{0}=c` adds one."

SWEEP = """## Options of a sweep

What a sweep as a whole is told, such as `jobs=2 sweep.fail_fast=true` behind `-m`. No run knows of it, and it changes
nothing that a run computes. Values for a key can be drawn: `'optim.lr=loguniform(1e-4,1e-1)'`,
`'model.dropout=uniform(0,0.5)'`, `'model.hidden_size=randint(16,128)'` (both ends included), each with
`sweep.samples`."""


def write(runs: Runs, path: Path) -> None:
    """Write the page as ``path``."""
    path.write_text(page())


def page() -> str:
    """Every group with its variants and their keys, then the keys of every run, as Markdown."""
    load_variants()
    keys = _key_table(catalogue.run_key_entries())
    sections = [INTRODUCTION, *map(_group, GROUPS), f"## Keys of every run\n\n{keys}", _sweep()]
    return "\n\n".join(sections) + "\n"


def write_models(runs: Runs, path: Path) -> None:
    """Make the first table of the models' README, at ``path``, anew."""
    path.write_text(with_models(path.read_text()))


def with_models(text: str) -> str:
    """The models' README with its first table as the declarations make it."""
    load_variants()
    rows = ([f"`{e.name}`", e.summary, " ".join(_own_keys(e.name))] for e in catalogue.variant_entries("model"))
    made = table(("model", "what it is", "its own keys"), rows)
    return re.sub(r"^\| model \|.*?(?=\n\n)", lambda _: made, text, count=1, flags=re.MULTILINE | re.DOTALL)


def _own_keys(model: str) -> Iterator[str]:
    """The keys that a model's own class declares, less those that every model has, with their choices."""
    classes = [variant_class("model", name) for name in variants("model")]
    common = set.intersection(*({f.name for f in fields(cls)} for cls in classes))
    own = get_annotations(variant_class("model", model)).keys() - common
    for entry in catalogue.variant_key_entries("model", model, _composed(variants("model").index(model))):
        name, choices = entry.name.removeprefix("model."), () if entry.choices == BOOLEAN else entry.choices
        if name in own:
            yield f"`{name}={'|'.join(choices)}`" if choices else f"`{name}`"


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    headings = list(headings)
    cells = [
        headings,
        ["---"] * len(headings),
        *([cell.replace("|", r"\|").replace("<", r"\<") for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _group(group: str) -> str:
    count = SEVERAL_TEXT.format(group) if group in SEVERAL else SINGLE
    values = {name: _composed(number) for number, name in enumerate(variants(group))}
    return f"## {_title(TrainConfig, group)}\n\n{count}\n\n{_variants(group, default_choices()[group], values)}"


def _sweep() -> str:
    """What a sweep as a whole is told: its options, then the launchers and their keys."""
    defaults = option_values([])
    values = {name: option_values([f"launch={name}"]) for name in variants("launch")}
    parts = (
        SWEEP,
        _key_table(option_entries(defaults)),
        f"### {_title(SweepOptions, 'launch')}",
        _variants("launch", (launcher_name(defaults),), values),
    )
    return "\n\n".join(parts)


def _title(cls: type, group: str) -> str:
    """The heading of a group: the key by which ``cls`` has it, and what that key says of itself."""
    return f"`{group}=`: {next(declaration(f).text for f in fields(cls) if f.name == group)}"


def _key_table(entries: Iterable[KeyEntry]) -> str:
    return table(("key", "default", "meaning"), ([*_code(key.name, key.value), _meaning(key)] for key in entries))


def _variants(group: str, chosen: Collection[str], values: Mapping[str, DictConfig]) -> str:
    """The variants of a group and their keys; of each a config in which it is chosen."""
    rows = (
        [f"`{entry.name}`{' (default)' * (entry.name in chosen)}", entry.summary, entry.restrictions, entry.reference]
        for entry in catalogue.variant_entries(group)
    )
    listed = table((group, "what it is", "restrictions", "reference"), rows)
    keys = list(_keys(group, values))
    return "\n\n".join((listed, *([table(("key", "of", "default", "meaning"), keys)] if keys else [])))


def _keys(group: str, values: Mapping[str, DictConfig]) -> Iterator[list[str]]:
    """A row for each key; variants in which value and meaning are the same share one."""
    owners: dict[KeyEntry, list[str]] = {}
    for name in values:
        for entry in catalogue.variant_key_entries(group, name, values[name]):
            owners.setdefault(entry, []).append(name)
    order = list(dict.fromkeys(entry.name for entry in owners))
    for entry in sorted(owners, key=lambda entry: order.index(entry.name)):
        of = "all" if owners[entry] == list(values) else " ".join(_code(*owners[entry]))
        yield [*_code(entry.name), of, *_code(entry.value), _meaning(entry)]


@cache
def _composed(number: int) -> DictConfig:
    """A config with a variant of this number in every group: composing takes time, and these are few."""
    names = {group: variants(group) for group in GROUPS}
    return compose_values(read_words([f"{group}={of[number % len(of)]}" for group, of in names.items()]))


def _meaning(entry: KeyEntry) -> str:
    listed = [] if entry.choices == BOOLEAN else _code(*entry.choices)
    return "; ".join(filter(None, (", ".join(listed), entry.text)))


def _code(*words: str) -> list[str]:
    return [f"`{word}`" for word in words]


FILES = {"configs/README.md": write, "seqablate/models/README.md": write_models}
