"""Nested config to dotted keys."""

from __future__ import annotations

from typing import Any


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
