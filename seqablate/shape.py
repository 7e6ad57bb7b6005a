"""Data of unknown origin against declared types: one function for run.json, the rows of a record and checkpoints.

A declaration is a dataclass or a plain annotation, with ``Annotated`` for what a type cannot say; a table that fits a
dataclass becomes an instance of it. JSON has no NaN and no infinity: where a number is declared, the words "nan", "inf"
and "-inf" are read as numbers.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from seqablate.errors import printable

Check = Callable[[Any], Any]  # the value as it is to be used; raises Misfit

NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
DEEPEST = 8  # levels of what is not declared
NESTED = (dict, list)
LARGEST = 2**63


class Misfit(ValueError):
    """What a value must be, and the keys that lead to it from the outside."""

    def __init__(self, what: str, keys: tuple[str, ...] = ()) -> None:
        super().__init__(f"{'.'.join(keys)} {what}" if keys else what)
        self.what = what
        self.keys = keys

    def under(self, key: str) -> Misfit:
        return Misfit(self.what, (printable(key)[:60], *self.keys))


@dataclass(frozen=True)
class By:
    """In an ``Annotated``: the check that is made instead of the one that the type stands for."""

    check: Check


def fitting(value: Any, declared: Any) -> Any:
    """``value`` as ``declared`` describes it: numbers as numbers, text without control characters.

    Raises:
        Misfit: it does not fit; the message names the key.
    """
    return compiled(declared)(value)


@cache
def compiled(declared: Any) -> Check:
    """The check that a declaration stands for."""
    if declared in SIMPLE:
        return SIMPLE[declared]
    if is_dataclass(declared):
        hints = get_type_hints(declared, include_extras=True)
        return _instance(declared, {field.name: compiled(hints[field.name]) for field in fields(declared)})
    origin, inner = get_origin(declared), get_args(declared)
    if origin is Annotated:
        return inner[1].check if isinstance(inner[1], By) else _all([compiled(inner[0]), *inner[1:]])
    if origin is Literal:
        return one_of(*inner)
    if origin in (Union, types.UnionType):
        return _optional(compiled(next(hint for hint in inner if hint is not type(None))))
    if origin is list:
        return _list(compiled(inner[0]))
    if origin is dict:
        return _mapping(compiled(inner[1]))
    raise TypeError(f"no check for {declared!r}")


def whole(value: Any) -> int:
    """An integer of 64 bits."""
    if type(value) is not int or not -LARGEST <= value < LARGEST:
        raise Misfit("must be a whole number")
    return value


def number(value: Any) -> float:
    """A float, or one of the words for what JSON lacks."""
    if type(value) is float:
        return value
    if type(value) is int and abs(value) < LARGEST:
        return float(value)
    if type(value) is str and value in NON_FINITE:
        return NON_FINITE[value]
    raise Misfit("must be a number")


def text(value: Any) -> str:
    """A string, with control characters written as escapes."""
    if type(value) is not str:
        raise Misfit("must be text")
    return value if value.isprintable() else printable(value)


def truth(value: Any) -> bool:
    """true or false."""
    if type(value) is not bool:
        raise Misfit("must be true or false")
    return value


def plain(value: Any, levels: int = DEEPEST) -> Any:
    """Undeclared data, kept as they are: not nested deeply."""
    parts = value.values() if type(value) is dict else value if type(value) is list else ()
    if parts and levels == 0:
        raise Misfit(f"is nested more than {DEEPEST} levels deep")
    for part in parts:
        if type(part) in NESTED:
            plain(part, levels - 1)
    return value


def matches(pattern: str, what: str) -> Check:
    """Text of a certain form."""
    form = re.compile(pattern)

    def check(value: str) -> str:
        if not form.fullmatch(value):
            raise Misfit(f"must be {what}")
        return value

    return check


def at_least(minimum: int) -> Check:
    """A number with a lower bound."""

    def check(value: Any) -> Any:
        if not value >= minimum:
            raise Misfit(f"must be at least {minimum}")
        return value

    return check


def one_of(*choices: Any) -> Check:
    """One of some constants."""
    words = ", ".join(map(str, choices))

    def check(value: Any) -> Any:
        if type(value) not in map(type, choices) or value not in choices:
            raise Misfit(f"must be one of {words}")
        return value

    return check


def numbers(value: Any) -> list[float]:
    """A list of numbers, quickly: a record consists of them."""
    if type(value) is not list:
        raise Misfit("must be a list of numbers")
    if set(map(type, value)) <= {float}:
        return value
    return [number(part) for part in value]


def numbers_or_rows(value: Any) -> list[Any]:
    """A list of numbers, or one of such lists, all of one length."""
    if type(value) is not list or not value or type(value[0]) is not list:
        return numbers(value)
    rows = [numbers(row) for row in value]
    if len(set(map(len, rows))) > 1:
        raise Misfit("must have rows of one length")
    return rows


def _instance(cls: Any, checks: dict[str, Check]) -> Check:
    """A table as an instance of a dataclass without slots; keys that are not declared are checked and left out.

    What was checked becomes the instance's ``__dict__`` as it is: the ``__init__`` of a frozen dataclass would take as
    long as all of the checks.
    """
    if cls.__dictoffset__ == 0:
        raise TypeError(f"{cls.__name__} has slots")

    declared = list(checks.items())

    def check(value: Any) -> Any:
        if type(value) is not dict:
            raise Misfit("must be a table")
        try:
            found = {key: check_part(value[key]) for key, check_part in declared}
        except (KeyError, Misfit):
            raise _misfit(value, checks) from None
        if len(value) > len(found):
            for _ in _parts(((key, value[key]) for key in value.keys() - checks.keys()), plain):
                pass
        instance = object.__new__(cls)
        object.__setattr__(instance, "__dict__", found)
        return instance

    return check


def _misfit(value: dict[str, Any], checks: dict[str, Check]) -> Misfit:
    """What is wrong with a table, if a key is missing or a part does not fit."""
    if missing := checks.keys() - value.keys():
        return Misfit("is missing", (min(missing),))
    for key, part in value.items():
        try:
            checks.get(key, plain)(part)
        except Misfit as error:
            return error.under(key)
    raise AssertionError("all parts fit")


def _mapping(check_part: Check) -> Check:
    def check(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Misfit("must be a table")
        return dict(_parts(value.items(), check_part))

    return check


def _list(check_part: Check) -> Check:
    def check(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Misfit("must be a list")
        return [part for _, part in _parts(enumerate(value), check_part)]

    return check


def _parts(items: Iterable[tuple[Any, Any]], check: Check) -> Iterable[tuple[Any, Any]]:
    for key, part in items:
        try:
            yield text(key) if isinstance(key, str) else key, check(part)
        except Misfit as error:
            raise error.under(str(key)) from None


def _optional(check_part: Check) -> Check:
    return lambda value: None if value is None else check_part(value)


def _all(checks: list[Check]) -> Check:
    def check(value: Any) -> Any:
        for part in checks:
            value = part(value)
        return value

    return check


# What is declared in many places.
Step = Annotated[int, at_least(0)]
Name = Annotated[str, matches(r"[\w .,%+-]{1,100}", "a name without special characters")]
Part = Annotated[str, matches(r"[\w .,%+-]{0,200}", "a name without special characters")]

SIMPLE: dict[Any, Check] = {
    int: whole,
    float: number,
    str: text,
    bool: truth,
    Any: plain,
    list[float]: numbers,
    list[float] | list[list[float]]: numbers_or_rows,
}
