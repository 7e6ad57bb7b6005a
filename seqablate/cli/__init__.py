"""The command line: one thin file per subcommand, imported when it is called."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import threading
from importlib import import_module
from types import FrameType
from typing import Any

COMMANDS = {
    "train": "train a model, or with -m a sweep of them",
    "resume": "continue a run that was interrupted, killed or failed",
    "show": "compare runs: a table, lag curves and profiles",
    "models": "list every model: parameters, states, restrictions, reference",
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

    interrupt = _end_at_once_on_interrupt()
    collecting = gc.isenabled()
    gc.disable()  # while modules are imported: looking for garbage took a quarter of that time, and found none
    try:
        code: int = import_module(f"seqablate.cli.{command}").main(arguments)
        return code
    except UsageError as error:
        return _complain(str(error), 2)
    except RunFailure as error:
        return _complain(str(error), 1)
    except BrokenPipeError:  # whoever read our output (`| head`) has gone
        from seqablate.console.output import silence_stdout

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


def _end_at_once_on_interrupt() -> Any:
    """Until a run begins, Ctrl-C ends the process with one line: an exception inside an import comes out as another.

    Returns:
        The handler to put back; None where SIGINT is not Python's own to handle.
    """
    if threading.current_thread() is not threading.main_thread():
        return None
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return None
    return signal.signal(signal.SIGINT, _end_at_once)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os.write(2, b"seqablate: interrupted\n")
    os._exit(128 + number)


def _flush() -> None:
    """Write what is still to be printed; a log that cannot be written changes no exit code."""
    if sys.stdout is None:  # the process was started without one
        return
    try:
        sys.stdout.flush()
    except OSError:
        from seqablate.console.output import silence_stdout

        silence_stdout()


def begin_run() -> None:
    """All is imported and built: Ctrl-C saves from here on, and garbage is collected again."""
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _collect_again()


def _collect_again() -> None:
    """Look for garbage again, now that a run begins; not among what has been imported, which stays.

    Once a process: what is frozen is never freed, so the runs of a sweep after the first must not be frozen.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _complain(message: str, code: int) -> int:
    from seqablate.errors import shorten

    print(f"seqablate: {shorten(message, MOST_CHARACTERS)}", file=sys.stderr)
    return code
