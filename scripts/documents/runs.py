"""Commands for the documents, each run once for all pictures and tables that show it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
from pathlib import Path

from seqablate.cli import main as seqablate


class Runs:
    """What ``seqablate train`` made and printed in the current folder; each command runs when it is first needed."""

    def __init__(self) -> None:
        self.printed: dict[tuple[str, ...], str] = {}

    def train(self, *words: str) -> Path:
        """The folder that ``seqablate train WORDS`` makes: of one run, or of a sweep."""
        found = re.search(r"run folder: (\S+)|runs? in ([^\s:]+)", self.output(*words))
        if found is None:
            raise SystemExit(f"seqablate train {' '.join(words)}: no run folder")
        return Path(found[1] or found[2])

    def output(self, *words: str) -> str:
        """What ``seqablate train WORDS`` prints into a file."""
        if words not in self.printed:
            self.printed[words] = command("train", *words)
        return self.printed[words]

    def show(self, kind: str, path: Path, *runs: Path, options: tuple[str, ...] = ()) -> None:
        """Save the picture of one kind (``lag``, ``profile``, ...) that ``seqablate show RUNS`` draws as ``path``."""
        out = Path("pictures")
        shutil.rmtree(out, ignore_errors=True)
        command("show", *map(str, runs), "--out", str(out), *options)
        found = sorted(out.glob(f"show-{kind}*{path.suffix}"))
        if len(found) != 1:
            raise SystemExit(f"{path.name}: show drew {[picture.name for picture in found]} for {kind!r}")
        shutil.copyfile(found[0], path)


def command(*words: str) -> str:
    """What ``seqablate WORDS`` prints; the exit code of a run that diverges is no error here."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        code = seqablate(list(words))
    if code not in (0, 1):
        raise SystemExit(f"seqablate {' '.join(words)}: exit code {code}")
    return text.getvalue()


def put_block(path: Path, name: str, text: str) -> None:
    """Replace what a document holds between ``<!-- made: NAME -->`` and ``<!-- end -->``."""
    document = path.read_text()
    start, end = f"<!-- made: {name} -->\n", "<!-- end -->"
    before, marked, rest = document.partition(start)
    if not marked or end not in rest:
        raise SystemExit(f"{path}: no block {name!r}")
    replaced = f"{before}{start}\n{text.strip(os.linesep)}\n\n{end}{rest.partition(end)[2]}"
    path.write_text(replaced)
