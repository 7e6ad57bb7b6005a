"""Optimizers without the import of torch._dynamo, which takes a second at the start of every run.

The methods of a torch optimizer tell torch.compile where not to look inside them. Each imports torch._dynamo (and sympy
with it) to say so, also in a process that compiles nothing. A process that has not imported torch._dynamo cannot
compile, so until someone else has imported it the methods do their work without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch.optim import Optimizer

METHODS = (Optimizer.add_param_group, Optimizer.zero_grad, Optimizer.state_dict, Optimizer.load_state_dict)
NAME = "__dynamo_disable"  # where ``torch._compile._disable_dynamo`` keeps what it calls in place of a method

Method = Callable[..., Any]


def without_dynamo() -> None:
    """Keep optimizers from importing torch._dynamo, for as long as nothing else has imported it."""
    if _is_there():
        return
    for method in METHODS:
        inner = getattr(method, "__wrapped__", None)  # None: torch wraps it no more
        if inner is not None and not hasattr(inner, NAME):
            setattr(inner, NAME, _as_disabled(inner))
    for kind in Optimizer.__subclasses__():
        if getattr(vars(kind).get("step"), "__code__", None) in _STEPS:
            kind.step = _as_step(vars(kind)["step"])  # type: ignore[method-assign]


_STEPS = {vars(kind)["step"].__code__ for kind in (torch.optim.SGD, torch.optim.Adam)}  # one: _use_grad's


def _is_there() -> bool:
    return "torch._dynamo" in sys.modules


def _as_disabled(method: Method) -> Method:
    """What torch calls in place of a method inside which nothing must be compiled."""

    def call(*arguments: Any, **named: Any) -> Any:
        if not _is_there():
            return method(*arguments, **named)
        import torch._dynamo

        setattr(method, NAME, torch._dynamo.disable(method, wrapping=False))  # as torch would have done
        return getattr(method, NAME)(*arguments, **named)

    return call


def _as_step(step: Method) -> Method:
    """``step``, an optimizer's, which breaks the graph of a compiler around its work."""
    inner: Method = step.__wrapped__  # type: ignore[attr-defined]

    @wraps(step)
    def call(self: Optimizer, *arguments: Any, **named: Any) -> Any:
        if _is_there():
            return step(self, *arguments, **named)
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return inner(self, *arguments, **named)

    return call
