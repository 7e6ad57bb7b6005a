"""The pictures and tables of the README."""

from __future__ import annotations

import io
import math
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI

from documents.runs import Runs, command, put_block
from seqablate.assemble import assemble, read_overrides
from seqablate.record.rows import Row, TrainRow
from seqablate.report.live import LiveReporter
from seqablate.training.run import start_run

FIRST = ("model=lstm", "clip=norm")  # the first run that the README starts
ARMS = ("-m", "model=rnn,lstm,gru")
GATES = (*ARMS, "task.length=50", "seed=range(8)", "name=gates")  # the sweep whose comparison the README shows
WIDTH = 104  # characters of the terminal
SHOT_AT = 700  # training step whose picture is kept
# Fonts are files on the network, which a document does not fetch.
WITHOUT_FONTS = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)

EXPLODING = "model=rnn model.nonlinearity=relu model.init=gaussian model.gain=2 task.length=50 optim=sgd"
DEEP = "-m task=digits model=mlp model.depth=50 model.init=torch model.skip=none,residual optim.lr=0.001 steps=400"
# A command, and what it shows.
EXPERIMENTS = {
    "vanishing": (
        "model=rnn model.init=torch",
        "The gradient shrinks at every timestep, until float32 holds only 0. The RNN cannot learn what happened "
        "further back, and its error stays at chance.",
    ),
    "memory": (
        "model=lstm clip=norm",
        "The LSTM solves the task. The gradient at its cell state c is about as large at the first timestep as at the "
        "last.",
    ),
    "exploding": (
        f"{EXPLODING} clip=none",
        "The gradient grows at every timestep back. The first update is so large that the next loss is not finite.",
    ),
    "clipping": (
        f"{EXPLODING} clip=norm",
        "The same arm with clipped gradients: the run ends. The error falls from 1e15 to about chance; the task is "
        "not solved.",
    ),
    "skips": (
        DEEP,
        "50 layers without skips stay at chance. With residual skips, which add the input of a layer to its output, "
        "they learn.",
    ),
}


def lag_curves(runs: Runs, path: Path) -> None:
    """Lag curves of the default rnn, lstm and gru at the end of their training."""
    runs.show("lag", path, runs.train(*ARMS))


def terminal(runs: Runs, path: Path) -> None:
    """The terminal in the middle of the first run that the README starts."""
    console = Console(record=True, force_terminal=True, width=WIDTH, file=io.StringIO(), highlight=False)
    console.print(f"[bold]$[/] seqablate train {' '.join(FIRST)}")
    reporter = OnePicture(console)
    start_run(assemble(read_overrides([*FIRST, "output_dir=shot"])), reporter, ["seqablate", "train", *FIRST])
    path.write_text(reporter.svg)


class OnePicture(LiveReporter):
    """Draws at one training step only, and keeps what is on the terminal then."""

    svg = ""

    def row(self, row: Row) -> None:
        here = isinstance(row, TrainRow) and row.step == SHOT_AT
        self.drawn = -math.inf if here else math.inf
        super().row(row)
        if here:
            self.svg = self.console.export_svg(
                title="seqablate", theme=MONOKAI, code_format=WITHOUT_FONTS, unique_id="seqablate"
            )


def readme(runs: Runs, path: Path) -> None:
    """The end of the first run, the comparison of arms, and what the five experiments print."""
    end = re.search(r"^(solved|not solved).*", runs.output(*FIRST), re.MULTILINE | re.DOTALL)
    put_block(path, "result", textwrap.indent(end[0] if end else "", "    "))
    comparison = command("compare", str(runs.train(*GATES)))
    lines = comparison.splitlines()
    end_of_claim = next(number for number, line in enumerate(lines) if not line.strip())
    claim = textwrap.fill(" ".join(line.strip() for line in lines[:end_of_claim]), WIDTH)
    tables = _without_edges("\n".join(lines[end_of_claim:]))
    put_block(path, "arms", textwrap.indent(f"{claim}\n{tables}", "    "))
    put_block(path, "experiments", "\n".join(_experiments(runs)))


def _without_edges(table: str) -> str:
    """The lines that say something, without the spaces at their ends."""
    return "\n".join(line.rstrip() for line in table.splitlines() if line.strip())


def _experiments(runs: Runs) -> Iterator[str]:
    """A row for each experiment: its command, and the result that its run or its runs print."""
    yield "| to see | command | what you see | result |"
    yield "| --- | --- | --- | --- |"
    for name, (words, meaning) in EXPERIMENTS.items():
        found = "<br>".join(_results(runs.output(*shlex.split(words))))
        yield f"| {name} | `seqablate train {words}` | {meaning} | {found} |"


def _results(printed: str) -> Iterator[str]:
    """The outcome of a run, its gradient and how often it was clipped; of a sweep the outcome of each run, by name."""
    lines = [line.strip() for line in printed.splitlines()]
    if swept := sorted(found[1] for line in lines if (found := re.match(r"\[\d+/\d+\] (.*)", line))):
        yield from map(_short, swept)
    else:
        told = r"solved|not solved|diverged|done after|gradient at|clipped"
        yield from (_short(line) for line in lines if re.match(told, line))


def _short(line: str) -> str:
    """Without what stands in brackets, and what follows the first statement."""
    return re.sub(r" \(.*?\)|;.*", "", line)


FILES = {
    "scripts/pictures/lag-curves.svg": lag_curves,
    "scripts/pictures/terminal.svg": terminal,
    "README.md": readme,
}
