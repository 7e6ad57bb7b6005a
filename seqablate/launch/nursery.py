"""The server that starts processes with torch in them, for a command that has none itself.

It is :mod:`multiprocessing`'s forkserver with :mod:`seqablate.launch.preload`: it imports torch once, and a process
forked from it is ready within milliseconds. It never uses a GPU, so that its children may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any

from seqablate.errors import RunFailure, UsageError

PRELOADED = "seqablate.launch.preload"


def server() -> ForkServerContext:
    """What starts worker processes; it begins to import torch when it is first asked for."""
    context = get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


def warm_up() -> None:
    """Have the server import what workers need, while this process does something else."""
    server()
    forkserver.ensure_running()


def in_a_worker(task: Callable[..., Any], *arguments: Any) -> Any:
    """What ``task(*arguments)`` returns, computed in a process that has torch.

    Raises:
        UsageError: it raised one.
        RunFailure: the process died.
    """
    receive, send = server().Pipe(duplex=False)
    process = server().Process(target=_answer, args=(send, task, arguments), daemon=True)
    process.start()
    send.close()
    try:
        good, answer = receive.recv()
    except EOFError:
        process.join()
        raise RunFailure(f"the process that checks the runs was killed (exit code {process.exitcode})") from None
    process.join()
    if not good:
        raise UsageError(answer)
    return answer


def _answer(connection: Connection, task: Callable[..., Any], arguments: Sequence[Any]) -> None:
    try:
        answer = (True, task(*arguments))
    except UsageError as error:
        answer = (False, str(error))
    with suppress(OSError):  # whoever asked has been killed
        connection.send(answer)
