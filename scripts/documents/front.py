"""The pictures of the README."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI

from documents.runs import Runs
from seqablate.assemble import assemble, read_overrides
from seqablate.report.reporters import LiveReporter
from seqablate.training.run import start_run

WIDTH = 104  # characters of the terminal
SHOT_AT = 700  # training step whose picture is kept
WITHOUT_FONTS = re.sub(
    r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL
)  # they are files on the network


def lag_curves(runs: Runs, path: Path) -> None:
    """Lag curves of the default rnn, lstm and gru at the end of their training."""
    runs.show("lag", path, *(runs.train(f"model={name}") for name in ("rnn", "lstm", "gru")))


def terminal(runs: Runs, path: Path) -> None:
    """The terminal in the middle of the first run that the README starts."""
    words = ["model=lstm", "clip=norm"]
    console = Console(record=True, force_terminal=True, width=WIDTH, file=io.StringIO(), highlight=False)
    console.print(f"[bold]$[/] seqablate train {' '.join(words)}")
    reporter = OnePicture(console)
    start_run(assemble(read_overrides([*words, f"output_dir={runs.folder}"])), reporter, ["seqablate", "train", *words])
    path.write_text(reporter.svg)


class OnePicture(LiveReporter):
    """Draws at one training step only, and keeps what is on the terminal then."""

    svg = ""

    def row(self, row: dict[str, Any]) -> None:
        self.drawn = math.inf
        if row["kind"] == "train" and row["step"] == SHOT_AT:
            self.drawn = -math.inf
        super().row(row)
        if row["kind"] == "train" and row["step"] == SHOT_AT:
            self.svg = self.console.export_svg(
                title="seqablate", theme=MONOKAI, code_format=WITHOUT_FONTS, unique_id="seqablate"
            )


FILES = {
    "scripts/pictures/lag-curves.svg": lag_curves,
    "scripts/pictures/terminal.svg": terminal,
}
