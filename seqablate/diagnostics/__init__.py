"""Diagnostics: what is measured of a model while it learns, one file each. Importing this package registers them."""

from collections.abc import Iterable

from seqablate.config.plugins import load_plugins

# In this order their pictures are shown: what is read first comes first.
from seqablate.diagnostics import lag, profile, layers, pairs  # isort: skip
from seqablate.signals.view import declared

__all__ = ["lag", "layers", "load_views", "pairs", "profile"]


def load_views(quantities: Iterable[str]) -> None:
    """Make known how these quantities are shown: if one is not ours, other packages' diagnostics are loaded."""
    if not {view.quantity for view in declared()}.issuperset(quantities):
        load_plugins()
