"""Seeing every call of a module, by ``module(x)`` or by ``module.forward(x)``, without leaving anything on the module.

While a module is watched, the ``forward`` of the class that defines it is replaced by one that looks the module up in
a table and otherwise calls the original. A copy of a watched module, a pickle or a state dict of it therefore
contains nothing of the watch, and other modules of the class are not affected.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

from torch import nn

Forward = Callable[..., Any]
Handler = Callable[[Forward, tuple[Any, ...], dict[str, Any]], Any]

_handlers: weakref.WeakKeyDictionary[nn.Module, Handler] = weakref.WeakKeyDictionary()
_exchanged: dict[type, tuple[Forward, Forward, int]] = {}  # class -> its own forward, ours, how many are watched
_lock = threading.Lock()


class Watch:
    """Calls a handler instead of each module's ``forward``, until :meth:`end`.

    Args:
        handlers: module -> ``handler(forward, args, kwargs)``, which returns what the call returns.

    Raises:
        RuntimeError: one of the modules is watched already.
    """

    def __init__(self, handlers: Mapping[nn.Module, Handler]) -> None:
        with _lock:
            if any(module in _handlers for module in handlers):
                raise RuntimeError("the model is being probed already: leave that TimestepProbe block before the next")
            self._modules = list(handlers)
            for module, handler in handlers.items():
                _handlers[module] = handler
                own = module.__dict__.get("forward")
                if own is None:
                    _exchange(_definer(type(module)))
                else:
                    module.__dict__["forward"] = _Own(own, module)

    def end(self) -> None:
        """Restore everything."""
        with _lock:
            for module in self._modules:
                _handlers.pop(module, None)
                own = module.__dict__.get("forward")
                if isinstance(own, _Own):
                    module.__dict__["forward"] = own.forward
                else:
                    _put_back(_definer(type(module)))
            self._modules = []


def _definer(kind: type) -> type:
    """The class that the ``forward`` of a class comes from."""
    return next(base for base in kind.__mro__ if "forward" in base.__dict__)


def _exchange(kind: type) -> None:
    if kind in _exchanged:
        own, ours, count = _exchanged[kind]
    else:
        own, count = kind.__dict__["forward"], 0
        ours = _watched_forward(kind, own)
        kind.forward = ours  # type: ignore[attr-defined]
    _exchanged[kind] = (own, ours, count + 1)


def _put_back(kind: type) -> None:
    if kind not in _exchanged:
        return
    own, ours, count = _exchanged[kind]
    if count > 1:
        _exchanged[kind] = (own, ours, count - 1)
        return
    del _exchanged[kind]
    if kind.__dict__.get("forward") is ours:
        kind.forward = own  # type: ignore[attr-defined]


def _watched_forward(kind: type, own: Forward) -> Forward:
    @wraps(own)
    def forward(self: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
        handler = _handlers.get(self)
        # A subclass that calls super().forward() is making one call, its own.
        if handler is None or _definer(type(self)) is not kind or "forward" in self.__dict__:
            return own(self, *args, **kwargs)
        return handler(partial(own, self), args, kwargs)

    return forward


class _Own:
    """Replaces a ``forward`` that was set on the module itself. Copied or pickled, it is the original again."""

    def __init__(self, forward: Forward, module: nn.Module) -> None:
        self.forward, self._module = forward, weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        module = self._module()
        handler = None if module is None or module.__dict__.get("forward") is not self else _handlers.get(module)
        return self.forward(*args, **kwargs) if handler is None else handler(self.forward, args, kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _same, (self.forward,)


def _same(forward: Forward) -> Forward:
    return forward
