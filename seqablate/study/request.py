"""Which study is meant, and where it is to be: from the words of a command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from seqablate.errors import UsageError, shorten
from seqablate.study.file import load_study
from seqablate.study.frozen import LARGEST_FIRST, Budget, agreed, folder_of, is_study, make, read_frozen
from seqablate.sweep.options import divide as divide_options

OUTPUTS = "outputs"


class Request:
    """What is asked for of a study by words such as ``budget=quick seeds.first=1000 name=mine jobs=2``.

    Args:
        what: the name of a study, its file, or its folder.
        words: as they were typed.

    Attributes:
        frozen: what the folder was frozen with; what would be frozen now, where there is no folder yet.
        folder: where.
        options: the words that say how its sweeps are carried out.

    Raises:
        UsageError: there is no such study, a word that a study does not take, or a folder that was frozen with another
            study of this name.
    """

    def __init__(self, what: str, words: Sequence[str]) -> None:
        self.options, mine = divide_options(words)
        self._typed = [what, *words]
        said = dict(map(_split, mine))
        if is_study(Path(what)):
            self.folder, self.frozen = Path(what), read_frozen(Path(what))
        else:
            study = load_study(what)
            budget, first = _budget(said.pop("budget", "full")), said.pop("seeds.first", None)
            self.frozen = make(study, budget, None if first is None else _first(first))
            name, outputs = said.pop("name", None), said.pop("output_dir", OUTPUTS)
            self.folder = Path(outputs) / (_plain(name) if name else folder_of(self.frozen, study.seeds))
            if is_study(self.folder):  # a verdict is by what was frozen, not by what the file has become
                self.frozen = agreed(self.folder, self.frozen)
        for key in said:
            raise UsageError(
                f"{shorten(key)}: a study takes budget=, seeds.first=, name= and output_dir= (its folder none of them) "
                "and what a sweep as a whole takes, such as jobs=2; all else stands in its file"
            )

    @property
    def again(self) -> str:
        """What is typed to go on with it: its folder if there is one, else the words that it was asked for with."""
        words = [str(self.folder)] if is_study(self.folder) else self._typed
        return " ".join(map(shlex.quote, words))


def _split(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or not value:
        raise UsageError(f"{shorten(word)!r}: write key=value, such as budget=quick")
    return key, value


def _budget(value: str) -> Budget:
    if value == "full":
        return "full"
    if value == "quick":
        return "quick"
    raise UsageError(f"budget={shorten(value)}: must be full or quick")


def _first(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value[:10]) <= LARGEST_FIRST):
        raise UsageError(f"seeds.first={shorten(value)}: must be a whole number from 0 to {LARGEST_FIRST:,}")
    return int(value)


def _plain(name: str) -> str:
    if "/" in name or "\\" in name or name[0] in ".-" or not name.isprintable() or len(name.encode()) > 100:
        raise UsageError(f"name={shorten(name)}: must be the name of a folder inside of output_dir")
    return name
