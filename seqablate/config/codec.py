"""TrainConfig <-> plain dict <-> digest: what a run folder keeps, and how it comes back.

A plain dict is data. Coming back, names select installed dataclasses and nothing in the file is executed.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqablate.config.keys import declaration
from seqablate.config.registry import GROUPS, SEVERAL, variant_class, variant_name
from seqablate.config.schema import TrainConfig
from seqablate.errors import UsageError

INTERPOLATION = re.compile(r"(\\*)\$\{")


def to_plain(config: TrainConfig) -> dict[str, Any]:
    """Nested dict of strings, numbers, booleans, lists; the variant that a group has chosen under ``name``.

    Of a group with several variants, such as ``diagnostic``, each stands under its own name.
    """
    plain = plain_value(config)
    for group in GROUPS:
        if group not in SEVERAL:
            plain[group] = {"name": variant_name(getattr(config, group)), **plain[group]}
    return plain


def from_plain(plain: dict[str, Any]) -> TrainConfig:
    """The inverse of :func:`to_plain`, with every check that composing makes.

    Raises:
        UsageError: an unknown variant (its package is not installed), or a value that no longer fits.
    """
    values = _literal(plain)
    typed = OmegaConf.structured(TrainConfig)
    try:
        for group in GROUPS:
            chosen = dict(values.pop(group))
            if group in SEVERAL:
                typed[group] = {name: _typed(group, name, part) for name, part in chosen.items()}
            else:
                typed[group] = _typed(group, chosen.pop("name"), chosen)
        config: Any = OmegaConf.to_object(OmegaConf.merge(typed, values))
    except KeyError as error:
        raise UsageError(
            f"the config needs {error.args[0]!r}, which is not installed here or not in the file"
        ) from error
    except OmegaConfBaseException as error:
        raise UsageError(f"the config does not fit this version: {' '.join(str(error).split())}") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"the config is damaged: {error}") from error
    return config


def _typed(group: str, name: str, values: dict[str, Any]) -> Any:
    """The values of one variant, each of its key's type."""
    return OmegaConf.merge(OmegaConf.structured(variant_class(group, name)), values)


def _literal(value: Any) -> Any:
    """Plain data in which OmegaConf resolves nothing: a run folder may come from a stranger, and ``${...}`` is text."""
    if isinstance(value, dict):
        return {key: _literal(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_literal(part) for part in value]
    if isinstance(value, str):
        return INTERPOLATION.sub(lambda found: found[1] * 2 + r"\${", value)
    return value


def digest(config: TrainConfig) -> str:
    """SHA-256 (hex) of the canonical JSON of all that changes what is learned by more than rounding.

    Where a number of parameters is asked for, the hidden size follows from it, and does not count.
    """
    plain = to_plain(config)
    _drop_undigested(config, plain)
    if plain["model"].get("match_params") is not None:
        plain["model"].pop("hidden_size", None)
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _drop_undigested(config: Any, plain: dict[str, Any]) -> None:
    for f in fields(config):
        if not declaration(f).digest:
            del plain[f.name]
        elif is_dataclass(child := getattr(config, f.name)):
            _drop_undigested(child, plain[f.name])


def plain_value(value: Any) -> Any:
    """An enum by its name, tuples as lists, a dataclass as a dict; anything else as it is."""
    if is_dataclass(value):
        return {f.name: plain_value(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {key: plain_value(part) for key, part in value.items()}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list | tuple):
        return [plain_value(v) for v in value]
    return value
