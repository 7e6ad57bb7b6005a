"""What ``seqablate train --help`` prints: every choice, and one line for each key. Made from what is registered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf

from seqablate.config.catalogue import choices, run_keys, variant_keys
from seqablate.config.codec import plain_value
from seqablate.config.compose import choice_words, compose_values
from seqablate.config.explain import explain_run, explain_variant, summary
from seqablate.config.flat import shown
from seqablate.config.overrides import read_words
from seqablate.config.plugins import plugin_of
from seqablate.config.registry import GROUPS, Choices, each_choice, section, variant_class, variants

TEXT = """seqablate train [-m] [key=value ...]

Trains one sequence model and records the gradient norm of every timestep.

Options
  -m, --multirun   a sweep: every combination of the values, such as model=rnn,lstm 'seed=range(10)'
  -c, --cfg job    print the composed config and stop
  -h, --help       this page; add choices to see their keys: --help model=rnn task=lm

Choices (* marks what is chosen here)
{choices}

Keys with their values here (* marks it among the choices of a key)
{keys}

Keys that belong to other choices
{others}

Examples
  seqablate train model=lstm clip=norm
  seqablate train task=temporal_order task.length=50 model=gru optim.lr=0.003
  seqablate train task=lm task.corpus=my.txt model.hidden_size=128
  seqablate train -m model=rnn,lstm,gru clip=none,norm 'seed=range(10)'

Exit codes: 0 done; 1 failed or diverged; 2 bad request, nothing written; 129, 130, 143: stopped by a signal (continue
with seqablate resume RUN_DIR)."""


def help_text(chosen: Choices) -> str:
    """The page for these variants of the groups."""
    return TEXT.format(
        choices="\n".join(_choices(chosen)), keys="\n".join(_keys(chosen)), others="\n".join(_others(chosen))
    )


def _choices(chosen: Choices) -> Iterator[str]:
    for group in GROUPS:
        for name in variants(group):
            package = plugin_of(variant_class(group, name))
            theirs = f" (package {package})" if package else ""
            yield f"  {'*' if name in chosen[group] else ' '} {f'{group}={name}':24} {summary(group, name)}{theirs}"


def _keys(chosen: Choices) -> Iterator[str]:
    composed = compose_values(read_words(choice_words(chosen)))
    for group, name in each_choice(chosen):
        texts = explain_variant(group, name)
        values = OmegaConf.select(composed, section(group, name))
        yield f"  {group}={name}"
        for key, hint in variant_keys(group, name).items():
            yield _key(key, getattr(values, key.rpartition(".")[2]), hint, texts.get(key, ""))
    texts = explain_run()
    yield "  whatever is chosen"
    for key, hint in run_keys().items():
        part, _, rest = key.rpartition(".")
        yield _key(key, getattr(composed[part] if part else composed, rest), hint, texts.get(key, ""))


def _key(key: str, value: Any, hint: Any, text: str) -> str:
    now = shown(plain_value(value))
    listed = " | ".join(f"*{name}" if name == now else name for name in choices(hint) if hint is not bool)
    return f"    {f'{key}={now}':30} {'; '.join(filter(None, (listed, text)))}".rstrip()


def _others(chosen: Choices) -> Iterator[str]:
    for group, names in chosen.items():
        mine = {key for name in names for key in variant_keys(group, name)}
        for other in variants(group):
            if extra := [key for key in variant_keys(group, other) if key not in mine]:
                yield f"  {f'{group}={other}':24} {' '.join(extra)}"
