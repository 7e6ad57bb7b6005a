"""One run of a probe's block: what it keeps, whether it is listening, and the record of every call."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seqablate.engine.backends.torch_call import Padding
from seqablate.probe.gradients import CallGradients
from seqablate.probe.modules import ModuleGradients
from seqablate.probe.refusals import check_context


@dataclass(eq=False)
class Session:
    """From entering a probe's block to leaving it.

    Args:
        records: name of a probed module -> what was recorded of it.
        cell_states: whether c is recorded.
        vectors: whether the gradients themselves are kept.
    """

    records: Mapping[str, ModuleGradients]
    cell_states: bool
    vectors: bool
    thread: int = field(default_factory=threading.get_ident)
    open: bool = True
    paused: int = 0

    @property
    def listening(self) -> bool:
        """Whether what happens now is recorded."""
        return self.open and not self.paused

    def records_call(self, name: str) -> bool:
        """Whether the current call of a module is recorded: on this thread, with gradients enabled.

        Raises:
            RuntimeError: it is being transformed, captured or traced.
        """
        if threading.get_ident() != self.thread:
            return False
        check_context(name)
        return self.listening and torch.is_grad_enabled()

    def new_call(
        self,
        name: str,
        layers: int = 1,
        *,
        dtype: torch.dtype,
        rebuilt: bool = False,
        padding: Padding | None = None,
        unsorted: Tensor | None = None,
    ) -> CallGradients:
        """A record for the current call; that of a call repeated in a backward pass is not kept."""
        call = CallGradients(name, layers, self, dtype=dtype, rebuilt=rebuilt, padding=padding, unsorted=unsorted)
        if not in_backward():
            self.records[name].calls.append(call)
        return call

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Record neither calls nor backward passes for a while."""
        self.paused += 1
        try:
            yield
        finally:
            self.paused -= 1

    def close(self) -> None:
        """Record nothing more."""
        self.open = False
        for record in self.records.values():
            for call in record.calls:
                call.close()


def in_backward() -> bool:
    """Whether a backward pass is running: then a call of a module is one that gradient checkpointing repeats."""
    return torch._C._current_graph_task_id() != -1
