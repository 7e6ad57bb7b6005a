"""Nested config to dotted keys."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from seqablate.config.keys import keys_without
from seqablate.config.schema import TrainConfig


def flat_config(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys; a group's chosen variant stands under the group's own name.

    Example:
        >>> flat_config({"model": {"name": "lstm", "hidden_size": 64}, "seed": 0})
        {'model': 'lstm', 'model.hidden_size': 64, 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= flat_config(value, f"{prefix}{key}.")
        elif key == "name" and prefix:
            flat[prefix.rstrip(".")] = value
        else:
            flat[prefix + key] = value
    return flat


def differing_keys(found: dict[str, Any], recorded: dict[str, Any]) -> list[str]:
    """Dotted keys that one of two plain configs lacks, or whose values differ and change what is learned.

    Example:
        >>> differing_keys({"seed": 0, "optim": {"name": "adam", "lr": 0.5}}, {"seed": 0, "optim": {"name": "adam"}})
        ['optim.lr']
    """
    first, second = (
        {key: repr(value) for key, value in flat_config(plain).items() if counts(key, "digest")}
        for plain in (found, recorded)
    )
    return [key for key in dict.fromkeys([*first, *second]) if first.get(key) != second.get(key)]


@lru_cache(maxsize=10_000)  # asked once for each key of a thousand runs, which have the same ones
def counts(key: str, flag: str) -> bool:
    """Whether a key, and whatever holds it, has a flag of :class:`seqablate.config.keys.Key`.

    Example:
        >>> counts("eval.seed", "compared"), counts("eval.size", "compared"), counts("checkpoint.every", "compared")
        (True, False, False)
    """
    return not any(key == name or key.startswith(f"{name}.") for name in _without(flag))


@cache
def _without(flag: str) -> tuple[str, ...]:
    return tuple(keys_without(TrainConfig, flag))


def shown(value: Any) -> str:
    """A plain value as one writes it in an override."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    return str(value)
