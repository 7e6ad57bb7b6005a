"""What tells runs apart: the settings that differ, and the names and looks that follow from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqablate.config.flat import counts, flat_config, shown
from seqablate.record.run import Run

NAME_ENOUGH = ("model", "task")  # "lstm" says what it is, "none" does not: clip=none


@dataclass(frozen=True, slots=True)
class Arm:
    """One configuration and its runs, which differ in their seed only.

    Attributes:
        label: its settings, as far as they differ from those of other arms.
        config: these settings by their dotted keys.
        look: for each of these settings, which of its values the arm has (0, 1, ...).
        runs: one a seed, or a single one.
    """

    label: str
    config: dict[str, Any]
    look: tuple[int, ...]
    runs: list[Run]


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """Config keys whose values are not the same in all runs that have them, in the config's order.

    A key that only one variant has is no difference of its own (``model`` says it already) until two runs of that
    variant differ in it: ``clip.max_norm`` beside ``clip=none``. How a run was watched and kept is no difference, and
    the seed has a column of its own (``compared`` of :func:`seqablate.config.keys.key`).
    """
    flats = [flat_config(run.config) for run in runs]
    keys = dict.fromkeys(key for flat in flats for key in flat if counts(key, "compared"))
    return [key for key in keys if len({repr(flat[key]) for flat in flats if key in flat}) > 1]


def headings(keys: Sequence[str]) -> dict[str, str]:
    """A short name for every key: its last part (``gain`` for ``model.gain``) where no other key has the same."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: part if last.count(part) == 1 else key for key, part in zip(keys, last, strict=True)}


def settings(flat: Mapping[str, Any]) -> list[str]:
    """Settings in words, with short names: ``["rnn", "clip=none", "gain=2.0"]``."""
    short = headings(list(flat))
    return [shown(value) if key in NAME_ENOUGH else f"{short[key]}={shown(value)}" for key, value in flat.items()]


def arms(runs: Sequence[Run], *, by_seed: bool) -> list[Arm]:
    """The runs by what tells them apart, in their order.

    Args:
        runs: to be told apart.
        by_seed: give every seed an arm of its own. Runs that have settings and seed in common go by their name then.
    """
    keys = differing_keys(runs)
    flats = [flat_config(run.config) for run in runs]
    chosen = [{key: flat[key] for key in keys if key in flat} for flat in flats]
    seeds = by_seed and len({run.info.seed for run in runs}) > 1
    if seeds:
        keys = [*keys, "seed"]
        chosen = [values | {"seed": run.info.seed} for values, run in zip(chosen, runs, strict=True)]
    groups: dict[str, list[Run]] = defaultdict(list)
    for values, run in zip(chosen, runs, strict=True):
        groups[repr(values)].append(run)
    if by_seed and len(groups) < len(runs):
        return [Arm(run.name, chosen[position], (position,), [run]) for position, run in enumerate(runs)]
    orders = {key: list(dict.fromkeys(repr(values.get(key)) for values in chosen)) for key in keys}
    of_group = {repr(values): values for values in chosen}
    return [
        Arm(
            label=", ".join(settings(values)) or str(flats[0]["model"]),
            config=values,
            look=tuple(orders[key].index(repr(values.get(key))) for key in keys) or (0,),
            runs=groups[group],
        )
        for group, values in of_group.items()
    ]
