"""What ``seqablate train --help`` prints: every choice, and one line for each key. Made from what is registered."""

from __future__ import annotations

from collections.abc import Iterator

from omegaconf import DictConfig

from seqablate.config.catalogue import KeyEntry, run_key_entries, variant_entries, variant_key_entries
from seqablate.config.compose import choice_words, compose_values
from seqablate.config.lookup import BOOLEAN, variant_keys
from seqablate.config.overrides import read_words
from seqablate.config.registry import Choices, each_choice, variants
from seqablate.sweep.options import launcher_name, option_entries

TEXT = """seqablate train [-m] [key=value ...]

Trains one sequence model and records the gradient norm of every timestep.

Options
  -m, --multirun   a sweep: every combination of the values, such as model=rnn,lstm 'seed=range(10)'
      --dry-run    with -m: what the sweep would do and how long it would take, from a short run of each arm
  -c, --cfg job    print the composed config and stop
  -h, --help       this page; add choices to see their keys: --help model=rnn task=lm

Choices (* marks what is chosen here)
{choices}

Keys with their values here (* marks it among the choices of a key)
{keys}

Keys that belong to other choices
{others}

Of a sweep as a whole, with -m (no run knows of it)
{sweep}

Examples
  seqablate train model=lstm clip=norm
  seqablate train task=temporal_order task.length=50 model=gru optim.lr=0.003
  seqablate train task=lm task.corpus=my.txt model.hidden_size=128
  seqablate train -m model=rnn,lstm,gru clip=none,norm 'seed=range(10)'

Exit codes: 0 done; 1 failed or diverged; 2 bad request, nothing written; 129, 130, 143: stopped by a signal (continue
with seqablate resume RUN_DIR)."""


def help_text(chosen: Choices, options: DictConfig) -> str:
    """The page for these variants of the groups, and these options of a sweep."""
    return TEXT.format(
        choices="\n".join(_choices(chosen)),
        keys="\n".join(_keys(chosen)),
        others="\n".join(_others(chosen)),
        sweep="\n".join(_sweep(options)),
    )


def _choices(chosen: Choices) -> Iterator[str]:
    for entry in (entry for group in chosen for entry in variant_entries(group)):
        mark = "*" if entry.name in chosen[entry.group] else " "
        theirs = f" (package {entry.package})" if entry.package else ""
        yield f"  {mark} {f'{entry.group}={entry.name}':24} {entry.summary}{theirs}"


def _keys(chosen: Choices) -> Iterator[str]:
    composed = compose_values(read_words(choice_words(chosen)))
    for group, name in each_choice(chosen):
        yield f"  {group}={name}"
        yield from map(_key, variant_key_entries(group, name, composed))
    yield "  whatever is chosen"
    yield from map(_key, run_key_entries(composed))


def _sweep(options: DictConfig) -> Iterator[str]:
    launcher = launcher_name(options)
    yield from _choices({"launch": (launcher,)})
    yield from map(_key, (*variant_key_entries("launch", launcher, options), *option_entries(options)))
    yield from _others({"launch": (launcher,)})


def _key(entry: KeyEntry) -> str:
    values = [] if entry.choices == BOOLEAN else entry.choices
    listed = " | ".join(f"*{name}" if name == entry.value else name for name in values)
    return f"    {f'{entry.name}={entry.value}':30} {'; '.join(filter(None, (listed, entry.text)))}".rstrip()


def _others(chosen: Choices) -> Iterator[str]:
    for group, names in chosen.items():
        mine = {key for name in names for key in variant_keys(group, name)}
        for other in variants(group):
            if extra := [key for key in variant_keys(group, other) if key not in mine]:
                yield f"  {f'{group}={other}':24} {' '.join(extra)}"
