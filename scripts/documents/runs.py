"""Runs for the documents, trained once for all pictures that show them."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

import seqablate
from seqablate.cli.show import main as show_main


class Runs:
    """Runs in a temporary folder, each trained when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trained: dict[tuple[str, ...], Path] = {}

    def train(self, *words: str) -> Path:
        """The folder of the run that ``seqablate train WORDS`` makes."""
        if words not in self.trained:
            run = seqablate.train([*words, f"output_dir={self.folder}", f"name={len(self.trained)}"])
            self.trained[words] = Path(run.path)
        return self.trained[words]

    def show(self, kind: str, path: Path, *runs: Path, options: tuple[str, ...] = ()) -> None:
        """Save the picture of one kind (``lag``, ``profile``, ...) that ``seqablate show RUNS`` draws as ``path``."""
        out = self.folder / "pictures"
        shutil.rmtree(out, ignore_errors=True)
        with contextlib.redirect_stdout(io.StringIO()):
            code = show_main([*map(str, runs), "--out", str(out), *options])
        found = sorted(out.glob(f"show-{kind}*{path.suffix}"))
        if code or len(found) != 1:
            raise SystemExit(f"{path.name}: show drew {[picture.name for picture in found]} for {kind!r}")
        shutil.copyfile(found[0], path)
