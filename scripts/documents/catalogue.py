"""The page of all choices and keys, made from what they declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache
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
from seqablate.config.registry import GROUPS, SEVERAL, variants
from seqablate.config.schema import TrainConfig

COMMAND = "python scripts/make_documents.py configs/README.md"
INTRODUCTION = f"""# Choices and keys

This page lists everything that a run can be given: `seqablate train GROUP=NAME KEY=VALUE ...`. It is made by
`{COMMAND}` from the declarations in `seqablate/`.

The files beside it hold values only. `train.yaml` names the default of each group and has the values of the keys that
no group holds, `GROUP/NAME.yaml` has those of one choice, and `shared/` those with which several choices begin."""
SINGLE = "A run has exactly one of them."
SEVERAL_TEXT = "A run has any number of them: `{0}=[a,b]` lists them, `+{0}=c` adds one."


def write(runs: Runs, path: Path) -> None:
    """Write the page as ``path``."""
    path.write_text(page())


def page() -> str:
    """Every group with its variants and their keys, then the keys of every run, as Markdown."""
    load_variants()
    entries = catalogue.run_key_entries()
    keys = table(("key", "default", "meaning"), ([*_code(key.name, key.value), _meaning(key)] for key in entries))
    sections = [INTRODUCTION, *map(_group, GROUPS), f"## Keys of every run\n\n{keys}"]
    return "\n\n".join(sections) + "\n"


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
    text = next(declaration(f).text for f in fields(TrainConfig) if f.name == group)
    entries, chosen = catalogue.variant_entries(group), default_choices()[group]
    rows = (
        [f"`{entry.name}`{' (default)' * (entry.name in chosen)}", entry.summary, entry.restrictions, entry.reference]
        for entry in entries
    )
    keys = list(_keys(group, [entry.name for entry in entries]))
    return "\n\n".join(
        (
            f"## `{group}=`: {text}",
            SEVERAL_TEXT.format(group) if group in SEVERAL else SINGLE,
            table((group, "what it is", "restrictions", "reference"), rows),
            *([table(("key", "of", "default", "meaning"), keys)] if keys else []),
        )
    )


def _keys(group: str, names: list[str]) -> Iterator[list[str]]:
    """A row for each key; variants in which value and meaning are the same share one."""
    owners: dict[KeyEntry, list[str]] = {}
    for name in names:
        for entry in catalogue.variant_key_entries(group, name, _composed(names.index(name))):
            owners.setdefault(entry, []).append(name)
    order = list(dict.fromkeys(entry.name for entry in owners))
    for entry in sorted(owners, key=lambda entry: order.index(entry.name)):
        of = "all" if owners[entry] == names else " ".join(_code(*owners[entry]))
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


FILES = {"configs/README.md": write}
