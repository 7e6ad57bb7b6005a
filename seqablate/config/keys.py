"""What a key says of itself: its checks, its description, and where it counts.

    lr: float = key(positive, "learning rate")

A key is a field of a dataclass: of :class:`seqablate.config.schema.TrainConfig`, of one of its sections, or of a
variant. Its whole name (``optim.lr``) comes from the place where that dataclass stands in a run's config.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from seqablate.config.checks import Check

MISSING: Any = "???"  # to OmegaConf: a value that the YAML sets
OFF = (False, 0, None, "none")


@dataclass(frozen=True, slots=True)
class Key:
    """What :func:`key` declares; a field without it is a key without checks and description."""

    text: str = ""
    checks: tuple[Check, ...] = ()
    headline: bool = True
    off: tuple[Any, ...] = OFF
    compared: bool = True
    digest: bool = True


def key(
    *declared: Check | str,
    default: Any = MISSING,
    headline: bool = True,
    off: Any = OFF,
    compared: bool = True,
    digest: bool = True,
) -> Any:
    """The field of a key.

    Args:
        declared: checks (:mod:`seqablate.config.checks`), none of them asked of null; last, the description: one line
            for ``--help``, which does not repeat name, value and choices.
        default: its value, if no YAML sets it.
        headline: whether the first line that a run prints may name it.
        off: the value (or a tuple of them) that this line leaves out.
        compared: whether two runs that differ in it are different arms of a comparison.
        digest: whether it changes what is learned by more than rounding. If not, it is not compared either.

    Raises:
        TypeError: no description, or a check that cannot be called.
    """
    *checks, text = declared or ("",)
    if not (isinstance(text, str) and text and all(map(callable, checks))):
        raise TypeError("key(check, ..., description): checks come first, the description is the last argument")
    values = off if isinstance(off, tuple) else (off,)
    declaration = Key(text, tuple(checks), headline, values, compared and digest, digest)  # type: ignore[arg-type]
    return field(default=default, metadata={"key": declaration})


def declaration(of: Field[Any]) -> Key:
    """What a field says of itself."""
    found: Key = of.metadata.get("key", Key())
    return found


@cache
def hints(cls: type) -> dict[str, Any]:
    """The type of every field of a dataclass, by its name."""
    found = get_type_hints(cls)
    return {f.name: found[f.name] for f in fields(cls)}


def keys_without(cls: type, flag: str, prefix: str = "") -> Iterator[str]:
    """Whole names of the fields of a dataclass, and of dataclasses inside of it, for which a flag is false."""
    types = hints(cls)
    for f in fields(cls):
        if not getattr(declaration(f), flag):
            yield prefix + f.name
        elif is_dataclass(types[f.name]):
            yield from keys_without(types[f.name], flag, f"{prefix}{f.name}.")


def check_config(config: Any, prefix: str = "") -> None:
    """Check every key of a dataclass, and of the dataclasses (or dicts of them) inside of it; then keys together.

    What takes several keys to see stands in a method ``check_keys(self)``, which may also set a key that follows from
    others. That of every class of a family is called, a base's first: none has to call another's.

    Raises:
        UsageError: the first value that cannot be taken.
    """
    for f in fields(config):
        value, name = getattr(config, f.name), prefix + f.name
        if is_dataclass(value):
            check_config(value, f"{name}.")
        elif isinstance(value, dict):
            for part in value:
                check_config(value[part], f"{name}.{part}.")
        elif value is not None:
            for check in declaration(f).checks:
                check(name, value)
    for cls in reversed(type(config).__mro__):
        if "check_keys" in vars(cls):
            vars(cls)["check_keys"](config)
