"""Diagnostics: what is measured of a model while it learns, one file each. Importing this package registers them."""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules

from seqablate.config.plugins import load_plugins
from seqablate.signals.view import declared

FIRST = ("lag", "profile", "layers", "pairs")  # their pictures are shown in this order, those of other files after them

for _name in dict.fromkeys([*FIRST, *(file.name for file in iter_modules(__path__))]):
    import_module(f"{__name__}.{_name}")


def load_views(quantities: Iterable[str]) -> None:
    """Make known how these quantities are shown: if one is not ours, other packages' diagnostics are loaded."""
    if not {view.quantity for view in declared()}.issuperset(quantities):
        load_plugins()
