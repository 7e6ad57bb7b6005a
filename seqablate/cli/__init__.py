"""The command line: one thin file per subcommand, imported when it is called."""

from __future__ import annotations

import errno
import gc
import signal
import sys
from importlib import import_module

from seqablate.cli.process import end_at_once_on_interrupt
from seqablate.config.registry import GROUPS

LISTINGS = {f"{group}s": group for group in GROUPS}
COMMANDS = {
    "train": "train a model, or with -m a sweep of them",
    "resume": "continue a run that was interrupted, killed or failed, or do what is missing of a sweep",
    "work": "join a sweep, from another shell or another machine",
    "status": "how far a sweep is, also while it goes on",
    "study": "from a claim in a file to a verdict: list, show, plan, run, report",
    "compare": "compare arms over their seeds: intervals, tests, and what is unfair about them",
    "evaluate": "score minimal pairs (BLiMP, Linzen, Gulordava) with a language model that a run has trained",
    "show": "look at runs: a table, lag curves and profiles",
    **{
        command: f"list what can be chosen with {group}=, with keys and references"
        for command, group in LISTINGS.items()
    },
    "rebuild": "write the views of runs again from their records: TensorBoard events, signals.parquet, run.json",
    "tensorboard": "open TensorBoard (reachable from this machine only)",
    "completion": "print the shell code that completes commands and overrides",
}
MOST_CHARACTERS = 380  # of a complaint
USAGE = """seqablate: sequence-model ablations with the gradient norm of every timestep

usage: seqablate COMMAND [ARGUMENTS]

{commands}

  seqablate COMMAND --help   more on a command; for train: every key and its value
  seqablate --version

examples:
  seqablate train model=lstm clip=norm
  seqablate train -m model=rnn,lstm,gru clip=none,norm 'seed=range(3)'
  seqablate show outputs/*
  seqablate tasks copy task.length=12
"""


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand; returns the exit code (0 well, 1 a run went wrong, 2 a bad request, 128 + n a signal)."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE.format(commands="\n".join(f"  {name:12} {text}" for name, text in COMMANDS.items())), end="")
        return 0 if words else 2
    if words[0] == "--version":
        from importlib import metadata

        print(f"seqablate {metadata.version('seqablate')}")
        return 0
    if words[0] not in COMMANDS:
        return _complain(f"no command {words[0][:40]!r}: choose from {', '.join(COMMANDS)}", 2)
    return _run(words[0], words[1:])


def _run(command: str, arguments: list[str]) -> int:
    from seqablate.errors import RunFailure, UsageError, shorten

    interrupt = end_at_once_on_interrupt()
    collecting = gc.isenabled()
    gc.disable()  # while modules are imported: looking for garbage took a quarter of that time, and found none
    try:
        if command in LISTINGS:
            return import_module("seqablate.cli.listing").main(LISTINGS[command], arguments)
        return import_module(f"seqablate.cli.{command}").main(arguments)
    except UsageError as error:
        return _complain(str(error), 2)
    except RunFailure as error:
        return _complain(str(error), 1)
    except BrokenPipeError:  # whoever read our output (`| head`) has gone
        from seqablate.report.console import silence_stdout

        silence_stdout()
        return 0
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            raise
        name = error.filename if isinstance(error.filename, str) else "a path"
        return _complain(f"{shorten(name)}: {error.strerror}; give an existing path", 2)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    finally:
        _flush()
        if collecting:
            gc.enable()
        if interrupt is not None:
            signal.signal(signal.SIGINT, interrupt)


def _flush() -> None:
    """Write what is still to be printed; a log that cannot be written changes no exit code."""
    if sys.stdout is None:  # the process was started without one
        return
    try:
        sys.stdout.flush()
    except OSError:
        from seqablate.report.console import silence_stdout

        silence_stdout()


def _complain(message: str, code: int) -> int:
    from seqablate.errors import shorten

    print(f"seqablate: {shorten(message, MOST_CHARACTERS)}", file=sys.stderr)
    return code
