"""The server that starts processes with torch in them, for a command that has none itself.

It is :mod:`multiprocessing`'s forkserver with :mod:`seqablate.launch.preload`: it imports torch once, and a process
forked from it is ready within milliseconds. It never uses a GPU, so that its children may.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import current_process
from multiprocessing.util import Finalize
from typing import Any

from seqablate.errors import RunFailure, UsageError, shorten

PRELOADED = "seqablate.launch.preload"
LONGEST_TMPDIR = 70  # what multiprocessing puts behind it takes up to 30 letters
SHORT = "/tmp"


def server() -> ForkServerContext:
    """What starts worker processes; it begins to import torch when it is first asked for."""
    _shorten_sockets()
    context = get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


def _shorten_sockets() -> None:
    """Have multiprocessing put its sockets into a folder with a short name: the path of one has 107 letters at most.

    It would put them into ``TMPDIR``, whatever its length, and fail.
    """
    config = current_process()._config  # type: ignore[attr-defined]
    if "tempdir" in config or len(os.fsencode(tempfile.gettempdir())) <= LONGEST_TMPDIR:
        return
    try:
        config["tempdir"] = tempfile.mkdtemp(prefix="seqablate-", dir=SHORT)
    except OSError as error:
        raise UsageError(
            f"TMPDIR={shorten(tempfile.gettempdir())}: too long for the sockets of worker processes, and {SHORT} "
            f"cannot be used ({error.strerror}); set TMPDIR to a folder of {LONGEST_TMPDIR} letters at most"
        ) from error
    Finalize(None, shutil.rmtree, args=(config["tempdir"], True), exitpriority=-100)  # when no socket is left


def warm_up() -> None:
    """Have the server import what workers need, while this process does something else."""
    server()
    forkserver.ensure_running()


def in_a_worker(task: Callable[..., Any], *arguments: Any) -> Any:
    """What ``task(*arguments)`` returns, computed in a process that has torch; raises as :func:`in_workers`."""
    return in_workers(task, [arguments])[0]


def in_workers(task: Callable[..., Any], calls: Sequence[Sequence[Any]]) -> list[Any]:
    """What ``task`` returns for each of several calls, computed at the same time in a process each.

    Raises:
        UsageError: one of them raised one.
        RunFailure: a process died.
    """
    workers = [_start(task, arguments) for arguments in calls]
    try:
        return [_answer_of(process, connection) for process, connection, _ in workers]
    finally:
        for process, _, lifeline in workers:
            process.kill()
            process.join()
            lifeline.close()


def _start(task: Callable[..., Any], arguments: Sequence[Any]) -> tuple[ForkServerProcess, Connection, Connection]:
    """A process, where its answer arrives, and what keeps it alive while it is open."""
    receive, send = server().Pipe(duplex=False)
    held, lifeline = server().Pipe(duplex=False)
    process = server().Process(target=_answer, args=(send, held, task, arguments), daemon=True)
    process.start()
    send.close()
    held.close()
    return process, receive, lifeline


def _answer_of(process: ForkServerProcess, connection: Connection) -> Any:
    try:
        good, answer = connection.recv()
    except EOFError:
        process.join()
        raise RunFailure(f"the process that checks the runs was killed (exit code {process.exitcode})") from None
    if not good:
        raise UsageError(answer)
    return answer


def call_at_end(lifeline: Connection, end: Callable[[], object]) -> None:
    """Call ``end`` when the process at the other end of ``lifeline`` is no more, however it ended."""

    def wait() -> None:
        with suppress(EOFError, OSError):
            lifeline.recv()
        end()

    threading.Thread(target=wait, daemon=True).start()


def _answer(connection: Connection, lifeline: Connection, task: Callable[..., Any], arguments: Sequence[Any]) -> None:
    os.setpgid(0, 0)  # Ctrl-C is for the process that waits; this one ends with it
    call_at_end(lifeline, lambda: os._exit(1))
    _send_answer(connection, task, arguments)


def _send_answer(connection: Connection, task: Callable[..., Any], arguments: Sequence[Any]) -> None:
    try:
        answer = (True, task(*arguments))
    except UsageError as error:
        answer = (False, str(error))
    with suppress(OSError):  # whoever asked has been killed
        connection.send(answer)
