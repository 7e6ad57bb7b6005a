"""Where a text comes from: the standard library, local files, or the Hugging Face Hub; all through ``datasets``.

``datasets`` takes a second to import and is imported only when a text is read.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import os
import queue
import re
import socket
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from seqablate.errors import UsageError

HUB_ID = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w.-]+)(?::(?P<config>[\w.-]+))?")
TEXT_SUFFIXES = {".txt", ".text", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".gz", ".zip"}
# Long enough for a slow handshake. On its own, the library tries for more than 20 s.
PROBE_SECONDS = 1.5
TABLES = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
ACCEPTED = "give a text file, a folder of .txt files, pydoc, or a dataset of the Hub as owner/name or owner/name:config"


def read_text(name: str, column: str = "text") -> dict[str, str]:
    """The text called ``name``, by part: ``train``, and ``validation`` and ``test`` where the source has its own.

    Args:
        name: ``pydoc`` (the standard library's help topics, English, about 465,000 characters; they vary with the
            version of Python), a text file (UTF-8), a table (.jsonl, .csv, .parquet), a folder, or a dataset of the
            Hugging Face Hub as ``owner/name`` or ``owner/name:config``. What exists locally goes first. Of a folder,
            the ``.txt`` files are read in the order of their paths, those of its subfolders included, each ended by a
            line break; hidden files are ignored.
        column: of a table or a dataset, the one that holds the text: a line for each of its rows.

    Raises:
        UsageError: there is no such text, or it cannot be read, is empty, or is not UTF-8; or it is on the Hub, and
            neither a network nor a cached copy is available (this takes about 2 seconds to find out).
    """
    if name == "pydoc":
        return {"train": _read_pydoc()}
    shown = name if len(name) <= 100 else f"{name[:60]}...{name[-30:]}"
    path = Path(os.path.expanduser(name))
    try:
        if not name.strip():
            raise UsageError(f"task.corpus is empty: {ACCEPTED}")
        if "\0" in name:
            raise UsageError("task.corpus: a path has no NUL characters")
        if path.is_dir():
            texts = {"train": _read_files(shown, _text_files(shown, path))}
        elif path.exists():
            is_table = path.suffix.lower() in TABLES
            texts = {"train": _read_table(shown, path, column) if is_table else _read_files(shown, [path])}
        else:
            texts = _read_hub(shown, column)
    except OSError as error:
        raise UsageError(f"task.corpus={shown}: cannot be read: {error.strerror or _first_line(error)}") from error
    if not texts["train"].strip():
        raise UsageError(f"task.corpus={shown}: has no text in it")
    return texts


def _read_pydoc() -> str:
    from pydoc_data.topics import topics

    import datasets

    return str(datasets.Dataset.from_dict({"text": ["\n".join(topics[key] for key in sorted(topics))]})[0]["text"])


def _text_files(name: str, folder: Path) -> list[Path]:
    """The .txt files of a folder and its subfolders, none of them hidden."""

    def fail(error: OSError) -> None:  # os.walk would pass over a folder that may not be read
        raise error

    files = []
    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [sub for sub in folders if not sub.startswith(".") and not _is_text(sub)]
        inside = [*names, *(sub for sub in os.listdir(parent) if _is_text(sub) and sub not in names)]
        files += [Path(parent, entry) for entry in inside if _is_text(entry)]
    if not files:
        raise UsageError(f"task.corpus={name}: no .txt file in this folder")
    return sorted(files)


def _is_text(entry: str) -> bool:
    return entry.lower().endswith(".txt") and not entry.startswith(".")


def _read_files(name: str, files: list[Path]) -> str:
    """The files one after the other, several each ended by a line break."""
    texts = [_read_file(name, file) for file in files]
    return "".join(text if text.endswith("\n") or not text else text + "\n" for text in texts[:-1]) + texts[-1]


def _read_file(name: str, file: Path) -> str:
    if not file.is_file():
        raise UsageError(f"task.corpus={name}: {file.name} is neither a file nor a folder")
    raw = _bytes(name, file)
    if b"\0" in raw[:1_000_000]:
        kind = "UTF-16 text" if _looks_like_utf16(raw) else "a binary file"
        raise UsageError(f"task.corpus={name}: {file.name} holds NUL bytes, as {kind} does: convert it to UTF-8 text")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"task.corpus={name}: {file.name} is not UTF-8 text; convert it to UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bytes(name: str, file: Path) -> bytes:
    """What is in a file, unpacked if its name says that it is packed."""
    packed: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
    suffix = file.suffix.lower()
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                inside = [entry for entry in archive.namelist() if _is_text(PurePosixPath(entry).name)]
                if not inside:
                    raise UsageError(f"task.corpus={name}: no .txt file in {file.name}")
                return b"\n".join(archive.read(entry) for entry in sorted(inside))
        if suffix in packed:
            with packed[suffix](file, "rb") as opened:
                return bytes(opened.read())
    except (zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise UsageError(f"task.corpus={name}: {file.name} is no whole {suffix} file: {_first_line(error)}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise UsageError(f"task.corpus={name}: {file.name} is no whole {suffix} file: {_first_line(error)}") from error
    return file.read_bytes()


def _looks_like_utf16(raw: bytes) -> bool:
    """Whether every other byte of Latin text is 0."""
    start = raw[:2000]
    return any(start[side::2].count(0) > 0.4 * len(start) for side in (0, 1)) and start.count(0) < 0.6 * len(start)


def _read_table(name: str, file: Path, column: str) -> str:
    if not file.is_file():
        raise UsageError(f"task.corpus={name}: {file.name} is neither a file nor a folder")
    with file.open("rb") as opened:
        opened.read(1)  # the plain reason if it cannot be read

    import datasets

    try:
        with _quiet():
            rows = datasets.load_dataset(
                TABLES[file.suffix.lower()],
                data_files=[glob.escape(str(file.absolute()))],
                split="train",
                streaming=True,
            )
            columns: dict[str, None] = {}
            found = []
            for row in rows:  # all of them, also where the column is missing: datasets closes a file only at its end
                columns |= dict.fromkeys(row)
                found.append(row.get(column))
    except Exception as error:  # of pandas, pyarrow and datasets, each with kinds of its own
        raise UsageError(f"task.corpus={name}: cannot be read as a table: {_first_line(error)[:150]}") from error
    if found and column not in columns:
        shown = ", ".join(columns)[:150]
        raise UsageError(f"task.column={column}: {name} has no such column (it has {shown})")
    if strange := next((value for value in found if not isinstance(value, str | None)), None):
        raise UsageError(f"task.column={column}: holds {type(strange).__name__} in {file.name}, no text")
    return _joined(found)


def _joined(rows: Iterable[str | None]) -> str:
    """A line for each row."""
    return "".join(row if row.endswith("\n") else row + "\n" for row in rows if row is not None)


def _read_hub(name: str, column: str) -> dict[str, str]:
    match = HUB_ID.fullmatch(name)
    if not match or Path(name).suffix in TEXT_SUFFIXES:
        raise UsageError(f"task.corpus={name}: no such file or folder; {ACCEPTED}")
    probe = _Probe()  # usually has its answer by the time datasets is imported

    import datasets

    switched_off = datasets.config.HF_HUB_OFFLINE
    online = not switched_off and probe.reachable()
    try:
        with _quiet(), _cache_only(not online):
            dataset = datasets.load_dataset(match["repo"], match["config"])
    except datasets.exceptions.DatasetNotFoundError as error:
        raise UsageError(f"task.corpus={name}: no such file or folder, nor a dataset of the Hub open to you") from error
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        where = "{}:{}".format(*probe.address)
        if online:
            why = f"cannot be loaded from {where}: {_first_line(error)}"
        else:
            reason = "offline mode is on" if switched_off else f"no network ({where} cannot be reached)"
            why = f"{reason}, and no copy in the local cache: fetch it once where there is a network"
        raise UsageError(
            f"task.corpus={name}: {why}; or use a local file (task.corpus=my.txt) or task.corpus=pydoc"
        ) from error
    if "train" not in dataset:
        raise UsageError(f"task.corpus={name}: has no train split (it has {', '.join(dataset)})")
    return {
        split: _lines(name, dataset[split], column) for split in ("train", "validation", "test") if split in dataset
    }


def _lines(name: str, rows: Any, column: str) -> str:
    """The rows of a dataset as lines of one text."""
    columns = [key for key, feature in rows.features.items() if getattr(feature, "dtype", None) == "string"]
    if column not in columns:
        text = ", ".join(columns) or "none"
        raise UsageError(f"task.column={column}: {name} has no such column of text (columns of text: {text})")
    return _joined(rows[column])


class _Probe:
    """Asks in the background whether the Hub (or the proxy on the way to it) accepts a connection.

    It has a thread of its own, because looking up a name may hang, whereas a connection times out.
    """

    def __init__(self) -> None:
        from huggingface_hub import constants

        url = urlsplit(constants.ENDPOINT)
        proxy = None if proxy_bypass(url.hostname or "") else getproxies().get(url.scheme)
        if proxy:
            url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        self.address = (url.hostname or "", url.port or (80 if url.scheme == "http" else 443))
        self._deadline = time.monotonic() + PROBE_SECONDS
        self._answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        if not constants.HF_HUB_OFFLINE:
            threading.Thread(target=self._connect, daemon=True).start()

    def reachable(self) -> bool:
        """Whether it answered within ``PROBE_SECONDS`` of the start."""
        try:
            return self._answer.get(timeout=max(0.0, self._deadline - time.monotonic()))
        except queue.Empty:
            return False

    def _connect(self) -> None:
        try:
            socket.create_connection(self.address, timeout=PROBE_SECONDS).close()
            self._answer.put(True)
        except OSError:
            self._answer.put(False)


@contextmanager
def _cache_only(active: bool) -> Iterator[None]:
    """Let ``datasets`` look into its cache only (otherwise it retries the network many times)."""
    from datasets import config

    before, config.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE, config.HF_HUB_OFFLINE or active
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no log lines of ``datasets``: the terminal belongs to the run."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, logging

    level, bars = logging.get_verbosity(), not are_progress_bars_disabled()
    logging.set_verbosity_error()
    disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            enable_progress_bars()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
