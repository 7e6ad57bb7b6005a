"""The record as it stands: superseded rows left out, torn lines ignored, every row checked. Read as a stream.

A record may be larger than the memory, so nobody holds all of its rows: :meth:`Record.rows` passes them on one by one,
and what is kept is what was asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from seqablate.errors import UsageError
from seqablate.record.files import open_regular
from seqablate.record.rows import (
    CHECKS,
    CommitRow,
    EvalRow,
    Header,
    PenaltyRow,
    ResumeRow,
    Row,
    SignalRow,
    SkipRow,
    TextRow,
    TrainRow,
    decode,
)
from seqablate.record.schema import VERSION, Facts
from seqablate.shape import Misfit
from seqablate.signals import Signal

LONGEST = 1 << 26  # bytes of one row; a curve over a million timesteps has a fifth of them
MOST_TORN = 1000  # lines that are no rows: a kill leaves one
KIND = re.compile(rb'\{"kind":\s*"(\w+)"')
KNOWN = {kind.encode() for kind in CHECKS}
SHORT = 256  # bytes of a row that need not be read: it cannot hold much
# The beginning of a row as it is written: kind, step, and of a signal its quantity.
BEGINNING = re.compile(rb'\{"kind":\s*"(\w+)",\s*"step":\s*(\d{1,15})(?:,\s*"quantity":\s*"([a-z0-9_]+)")?')
TRAINED = re.compile(rb'\{"kind":\s*"train",\s*"step":\s*(\d{1,15})\b')
RISING = (TrainRow, PenaltyRow, SkipRow, EvalRow)  # rows of which there is one a step at most
R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that has not been decoded yet.

    Attributes:
        step: as in the row.
        quantity: of a signal, as in the row; of other rows empty.
        read: decodes and checks it: None for a torn line; UsageError where it is damaged.
    """

    step: int
    quantity: str
    read: Callable[[], Row | None]


@dataclass
class Record:
    """Rows in the order in which they were written, each step's once.

    Attributes:
        path: the file.
        digest: of the config, as run.json has it; None: not compared.

    Raises:
        UsageError: from whatever reads it: there is no record, it is damaged, of another version or of another run.
    """

    path: Path
    digest: str | None = None

    def rows(self, *foreign: str) -> Iterator[Row]:
        """Every row that counts, checked against its declaration.

        Of kinds that are unknown here, only those that are named (``foreign``) are sure to be among them.
        """
        wanted = {kind.encode() for kind in foreign} | KNOWN
        order = _Order()
        torn = 0
        for number, line in self._counting():
            if len(line) < SHORT and (kind := KIND.match(line)) and kind[1] not in wanted:
                continue
            row = self._decode(number, line)
            if row is None:
                torn += 1
                if torn > MOST_TORN:
                    raise self._damaged(number, f"more than {MOST_TORN} lines are no rows")
                continue
            if wrong := order.wrong(row):
                raise self._damaged(number, wrong)
            yield row

    @cached_property
    def header(self) -> Header:
        """The first row: what was known when the run began."""
        for _, number, line in self._lines():
            row = self._decode(number, line)
            if row is None and not line.endswith(b"\n"):
                break  # killed in the middle of its first write
            if not isinstance(row, Header):
                raise self._damaged(number, "the first row is no header")
            if self.digest not in (None, row.digest):
                raise UsageError(f"{self.path} is the record of another run: its digest is not that of run.json")
            return row
        raise UsageError(f"{self.path} has no whole row: nothing was recorded; start the run again")

    def _counting(self) -> Iterator[tuple[int, bytes]]:
        """(number, line) of every line that no resumption took back."""
        superseded, end = self._superseded()
        for start, number, line in self._lines(end):
            if superseded and superseded[0][0] <= start:
                if start < superseded[0][1]:
                    continue
                superseded.pop(0)
            yield number, line

    @property
    def facts(self) -> Facts:
        """What run.json says of the run: the header, with the fingerprint of all that has computed the run.

        Processes with different fingerprints may have worked on it; then it is a hash of theirs, which no process has.
        """
        decoded = (self._decode(number, line) for number, line in self._counting() if b'"resume"' in line)
        resumptions = [row for row in decoded if isinstance(row, ResumeRow)]
        anew = bool(resumptions) and resumptions[0].checkpoint is None  # nothing of the first process is left
        first = [] if anew else [self.header.fingerprint]
        found = list(dict.fromkeys([*first, *(row.fingerprint for row in resumptions)]))
        whole = found[0] if len(found) == 1 else hashlib.sha256(" ".join(found).encode()).hexdigest()
        return replace(self.header, fingerprint=whole)

    def of(self, kind: type[R]) -> list[R]:
        """The rows of one kind; all others are checked on the way."""
        return [row for row in self.rows() if isinstance(row, kind)]

    def check(self) -> None:
        """Read everything, so that what is damaged is found before anything is done."""
        for _ in self.rows():
            pass

    @property
    def train(self) -> list[TrainRow]:
        return self.of(TrainRow)

    @property
    def evals(self) -> list[EvalRow]:
        return self.of(EvalRow)

    @property
    def texts(self) -> list[TextRow]:
        return self.of(TextRow)

    @property
    def commits(self) -> list[CommitRow]:
        return self.of(CommitRow)

    @cached_property
    def signals(self) -> list[Signal]:
        return list(self.stream_signals())

    def stream_signals(self) -> Iterator[Signal]:
        """The same, one by one."""
        return (row.signal for row in self.rows() if isinstance(row, SignalRow))

    def unread(self, *kinds: type[EvalRow] | type[SignalRow]) -> Iterator[Unread]:
        """The rows of these kinds that count, for a reader who wants few of them. Nothing else is checked."""
        names = {kind.kind.encode() for kind in kinds}
        for number, line in self._counting():
            found = BEGINNING.match(line)
            if found and (found[3] or found[1] != b"signal"):
                if found[1] in names:
                    yield Unread(int(found[2]), (found[3] or b"").decode(), partial(self._decode, number, line))
            elif (named := KIND.match(line)) is None or named[1] == b"signal":  # written by another hand
                row = self._decode(number, line)
                if isinstance(row, kinds):
                    yield Unread(row.step, getattr(row, "quantity", ""), partial(self._decode, number, line))

    def ever(self) -> tuple[set[str], int]:
        """Names of all checkpoints that were ever committed, and the largest step trained, superseded rows included."""
        names, reached = set(), -1
        for _, number, line in self._lines():
            if b'"commit"' in line and isinstance(row := self._decode(number, line), CommitRow):
                names.add(row.checkpoint)
            elif found := TRAINED.match(line):
                reached = max(reached, int(found[1]))
        return names, reached

    def _lines(self, end: int | None = None) -> Iterator[tuple[int, int, bytes]]:
        """(offset, number from 1, line) of the first ``end`` bytes, or of what is there now."""
        with os.fdopen(open_regular(self.path), "rb") as file:
            stop = os.fstat(file.fileno()).st_size if end is None else end
            offset = number = 0
            while offset < stop and (line := file.readline(LONGEST + 1)):
                number += 1
                if len(line) > LONGEST:
                    raise self._damaged(number, f"longer than {LONGEST} bytes")
                yield offset, number, line
                offset += len(line)

    def _decode(self, number: int, line: bytes) -> Row | None:
        try:
            row = decode(line)
        except Misfit as error:
            if error.keys and b'"header"' in line[:100]:
                self._check_version(line)
            raise self._damaged(number, str(error)) from None
        if isinstance(row, Header):
            self._check_version(line)
        return row

    def _check_version(self, line: bytes) -> None:
        """Records of another version may have a header of another shape: say so rather than call it damaged."""
        version = json.loads(line).get("version")
        if type(version) is int and version != VERSION:
            raise UsageError(f"{self.path} is of record version {version}; this seqablate reads version {VERSION}")

    def _superseded(self) -> tuple[list[tuple[int, int]], int]:
        """Pieces of the file, from byte to byte, that a resumption took back; and where the file ends.

        A resumption keeps everything up to the last commit of its checkpoint, or the header alone.
        """
        self.header  # noqa: B018  (checked first)
        size, resumed = self._resumed()
        if not resumed:
            return [], size
        pieces: list[tuple[int, int]] = []
        commits: list[tuple[int, str]] = []
        end = after_header = 0
        for start, number, line in self._lines():
            end = start + len(line)
            after_header = after_header or end
            if b'"commit"' not in line and b'"resume"' not in line:
                continue
            row = self._decode(number, line)
            if isinstance(row, CommitRow):
                commits.append((end, row.checkpoint))
            elif isinstance(row, ResumeRow):
                back = after_header
                if row.checkpoint is None:
                    commits.clear()
                else:
                    while commits and commits[-1][1] != row.checkpoint:
                        commits.pop()
                    if not commits:
                        raise self._damaged(number, f"checkpoint {row.checkpoint} was never committed")
                    back = commits[-1][0]
                pieces = [piece for piece in pieces if piece[0] < back]
                if back < start:
                    pieces.append((back, start))
        return pieces, end

    def _resumed(self) -> tuple[int, bool]:
        """How many bytes the file has, and whether the word "resume" stands in them: quicker than line by line."""
        word, size, tail = b'"resume"', 0, b""
        with os.fdopen(open_regular(self.path), "rb") as file:
            while piece := file.read(1 << 20):
                if word in tail + piece:
                    return size, True
                size += len(piece)
                tail = (tail + piece)[1 - len(word) :]
        return size, False

    def _damaged(self, number: int, what: str) -> UsageError:
        return UsageError(f"{self.path} is damaged: line {number}: {what}")


class _Order:
    """Whether rows follow each other as a run writes them."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.count = 0

    def wrong(self, row: Row) -> str | None:
        """What is out of order about the next row, if anything."""
        self.count += 1
        if not isinstance(row, RISING):
            return "a second header" if isinstance(row, Header) and self.count > 1 else None
        step, last = row.step, self.last.get(row.kind, -1)
        self.last[row.kind] = step
        if step <= last:
            return f"a second {row.kind} row of step {step}"
        if step != last + 1 and isinstance(row, TrainRow):
            return f"train rows of steps {last + 1} to {step - 1} are missing"
        return None


def read_record(run_dir: str | Path, digest: str | None = None) -> Record:
    """The record of a run folder; ``digest`` as :class:`Record` says."""
    return Record(Path(run_dir) / "record.jsonl", digest)
