"""Every name of a model's modules: a module may have several, when it is used in several places."""

from __future__ import annotations

from difflib import get_close_matches

from torch import nn


class Names:
    """The names of a model's modules.

    Attributes:
        modules: first name of each module -> the module, as ``model.named_modules()`` has them.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.modules = dict(model.named_modules())

    def first(self, name: str) -> str | None:
        """The first name of the module that has this name; None if there is no such module."""
        if name in self.modules:
            return name
        try:
            module = self._model.get_submodule(name)
        except (AttributeError, TypeError):
            return None
        return next((first for first, part in self.modules.items() if part is module), None)

    def close_to(self, name: str) -> list[str]:
        """Names that may be meant."""
        return get_close_matches(name, self.modules, cutoff=0.4) or list(self.modules)[:5]
