"""The place in a backward kernel where a state clip acts: code of its own for each kind of clip, none for no clip."""

from __future__ import annotations

from numba import types
from numba.extending import overload


def change(self, d, D):
    """``self.rows(d, D)`` of a :class:`~seqablate.engine.ports.StateClip`; for ``()``, no clip, False."""


@overload(change, jit_options={"error_model": "numpy"}, strict=False)  # rows may say the types of its arguments
def _change(self, d, D):
    if isinstance(self, types.NamedTuple | types.NamedUniTuple):
        return self.instance_class.rows
    return lambda self, d, D: False
