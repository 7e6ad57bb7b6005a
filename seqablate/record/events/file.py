"""An event file that TensorBoard reads: framed protocol buffers, appended.

TensorBoard's own writer needs a thread that is left behind when a run fails. This one holds no thread and no open
file between its writes, so there is nothing to close, however a run ends.
"""

from __future__ import annotations

import os
import re
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c

from seqablate.errors import RunFailure, UsageError
from seqablate.record.files import is_folder, open_regular

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

FLUSH_SECONDS = 2.0  # how far the file may lag behind the run


class EventFile:
    """A new event file in a run's folder.

    Raises:
        RunFailure: from :meth:`add` or :meth:`flush`, when the disk does not take it.
    """

    OWN = re.compile(r"events\.out\.tfevents\.\d{16,20}\.seqablate")  # a user's own file has another name

    def __init__(self, run_dir: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self.path = run_dir / f"events.out.tfevents.{time.time_ns()}.seqablate"
        self._pending: list[bytes] = []
        self._points: dict[tuple[str, ...], Event] = {}  # by tags: filled in and written again and again
        self._flushed = time.time()
        self._frame(Event(wall_time=self._flushed, file_version="brain.Event:2").SerializeToString())

    def add(self, step: int, values: list[Summary.Value]) -> None:
        """One event: any number of tags at one step."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(Event(step=step, summary=Summary(value=values)))

    def add_scalars(self, step: int, values: dict[str, float]) -> None:
        """One event with a point of a scalar chart for each tag. Every step of a run has one, of the same tags."""
        tags = tuple(values)
        event = self._points.get(tags) or self._points.setdefault(tags, _without_values(tags))
        event.step = step
        for point, value in zip(event.summary.value, values.values(), strict=True):
            point.simple_value = value
        self._write(event)

    def _write(self, event: Event) -> None:
        event.wall_time = now = time.time()
        self._frame(event.SerializeToString())
        if not 0 <= now - self._flushed < FLUSH_SECONDS:  # clocks may be set back
            self.flush()

    def flush(self) -> None:
        """Bring everything to the file."""
        try:
            with os.fdopen(open_regular(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "wb") as file:
                file.write(b"".join(self._pending))
        except OSError as error:
            raise RunFailure(f"cannot write {self.path}: {error.strerror}") from error
        except UsageError as error:
            raise RunFailure(str(error)) from error
        self._pending.clear()
        self._flushed = time.time()

    def sync(self) -> None:
        """Bring everything to the disk."""
        self.flush()
        with os.fdopen(open_regular(self.path), "rb") as file:
            os.fsync(file.fileno())

    def _frame(self, data: bytes) -> None:
        """TFRecord: length, its masked CRC-32C, the data, their masked CRC-32C."""
        length = struct.pack("<Q", len(data))
        self._pending.append(length + _masked_crc(length) + data + _masked_crc(data))


def _without_values(tags: tuple[str, ...]) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event

    event = Event()
    for tag in tags:
        event.summary.value.add(tag=tag)
    return event


def own_event_files(run_dir: Path) -> list[Path]:
    """What this package wrote; never a folder."""
    return [path for path in run_dir.iterdir() if EventFile.OWN.fullmatch(path.name) and not is_folder(path)]


def remove(paths: list[Path]) -> None:
    """Delete files that a newer one replaces."""
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _masked_crc(data: bytes) -> bytes:
    """The CRC-32C, rotated and shifted: a checksum of data that hold checksums themselves would be weak."""
    crc: int = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
