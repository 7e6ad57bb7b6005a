"""What the kernels of all cells share. A name is imported when it is first used, because its file loads numba.

A cell's file says ``from seqablate.engine import kernels`` and writes ``kernels.add_product(...)`` in what is compiled.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqablate.engine.kernels.arrays import Backward, Call, padded_row
    from seqablate.engine.kernels.gates import sigmoid, tanh, tanh_and_slope
    from seqablate.engine.kernels.layer_norm import behind_norm, shown, shown_again, to_cell
    from seqablate.engine.kernels.norms import d_gains, kept_of, norms_of
    from seqablate.engine.kernels.products import PANEL_BYTES, add_product, add_to_panels, padded, panels
    from seqablate.engine.kernels.skips import d_skip, skips_of
    from seqablate.engine.kernels.steps import (
        DIRECT,
        add,
        complete,
        from_hidden,
        from_input,
        in_front,
        norm,
        receive,
        report,
        to_hidden,
        to_input,
        to_input_weights,
        to_recurrent_weights,
        to_skipped,
        to_weights,
    )

_HOMES = {
    "arrays": ("Backward", "Call", "padded_row"),
    "gates": ("sigmoid", "tanh", "tanh_and_slope"),
    "layer_norm": ("behind_norm", "shown", "shown_again", "to_cell"),
    "norms": ("d_gains", "kept_of", "norms_of"),
    "products": ("PANEL_BYTES", "add_product", "add_to_panels", "padded", "panels"),
    "skips": ("d_skip", "skips_of"),
    "steps": (
        "DIRECT", "add", "complete", "from_hidden", "from_input", "in_front", "norm", "receive", "report", "to_hidden",
        "to_input", "to_input_weights", "to_recurrent_weights", "to_skipped", "to_weights",
    ),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = [
    "DIRECT", "PANEL_BYTES", "Backward", "Call", "add", "add_product", "add_to_panels", "behind_norm",
    "complete", "d_gains", "d_skip", "from_hidden", "from_input", "in_front", "kept_of", "norm", "norms_of", "padded",
    "padded_row", "panels", "receive", "report", "shown", "shown_again", "sigmoid", "skips_of", "tanh",
    "tanh_and_slope", "to_cell", "to_hidden", "to_input", "to_input_weights", "to_recurrent_weights", "to_skipped",
    "to_weights",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(
        import_module(f"{__name__}.{_HOME[name]}"), name
    )  # once: the next time it is there
    return found
