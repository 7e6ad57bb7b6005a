"""Where a text comes from: the standard library, local files, or the Hugging Face Hub; all through ``datasets``.

``datasets`` takes a second to import and is imported only when a text is read.
"""

from __future__ import annotations

import glob
import os
import queue
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from seqablate.errors import UsageError

HUB_ID = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w.-]+)(?::(?P<config>[\w.-]+))?")
TEXT_SUFFIXES = {".txt", ".text", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".gz", ".zip"}
# Long enough for a slow handshake. Left to itself, the library would go on trying for more than 20 s.
PROBE_SECONDS = 1.5
ACCEPTED = "give a text file, a folder of .txt files, pydoc, or a dataset of the Hub as owner/name or owner/name:config"


def read_text(name: str) -> dict[str, str]:
    """The text called ``name``, by part: ``train``, and ``validation`` and ``test`` where the source has its own.

    Args:
        name: ``pydoc`` (the standard library's help topics, English, about 465,000 characters; they vary with the
            version of Python), a text file or a folder of ``.txt`` files (UTF-8; read in the order of their names),
            or a dataset of the Hugging Face Hub as ``owner/name`` or ``owner/name:config``. What exists locally goes
            first.

    Raises:
        UsageError: there is no such text, or it cannot be read, is empty, or is not UTF-8; or it is on the Hub, and
            neither a network nor a cached copy is at hand (found out within some 2 seconds).
    """
    if name == "pydoc":
        return {"train": _read_pydoc()}
    path = Path(os.path.expanduser(name))
    try:
        if not name.strip():
            raise UsageError(f"task.corpus is empty: {ACCEPTED}")
        if path.is_dir():
            texts = {"train": _read_files(name, _text_files(name, path))}
        elif path.exists():
            texts = {"train": _read_files(name, [path])}
        else:
            texts = _read_hub(name)
    except OSError as error:
        raise UsageError(f"task.corpus={name}: cannot be read: {error.strerror or _first_line(error)}") from error
    if not texts["train"].strip():
        raise UsageError(f"task.corpus={name}: has no text in it")
    return texts


def _read_pydoc() -> str:
    from pydoc_data.topics import topics

    import datasets

    return str(datasets.Dataset.from_dict({"text": ["\n".join(topics[key] for key in sorted(topics))]})[0]["text"])


def _text_files(name: str, folder: Path) -> list[Path]:
    # listdir, where Path.glob would pass over a folder that may not be read.
    files = [folder / entry for entry in sorted(os.listdir(folder)) if entry.endswith(".txt")]
    if not files:
        raise UsageError(f"task.corpus={name}: no .txt file in this folder")
    return files


def _read_files(name: str, files: list[Path]) -> str:
    """The files one after the other. Streamed: read in place, with no copy in the library's cache."""
    for file in files:
        if not file.is_file():
            raise UsageError(f"task.corpus={name}: {file.name} is neither a file nor a folder")
        with file.open("rb") as opened:
            opened.read(1)  # the plain reason if it cannot be read

    import datasets

    rows: list[str] = []
    data_files = [glob.escape(str(file.absolute())) for file in files]
    try:
        with _quiet():
            documents = datasets.load_dataset(
                "text", data_files=data_files, split="train", streaming=True, sample_by="document", encoding="utf-8-sig"
            )
            rows.extend(row["text"] for row in documents)
    except UnicodeDecodeError as error:
        # Documents come in the order of the files.
        file = files[len(rows)]
        raise UsageError(f"task.corpus={name}: {file.name} is not UTF-8 text; convert it to UTF-8") from error
    return "".join(rows)


def _read_hub(name: str) -> dict[str, str]:
    match = HUB_ID.fullmatch(name)
    if not match or Path(name).suffix in TEXT_SUFFIXES:
        raise UsageError(f"task.corpus={name}: no such file or folder; {ACCEPTED}")
    probe = _Probe()  # has its answer, as a rule, by the time datasets is imported

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
    return {split: _lines(name, dataset[split]) for split in ("train", "validation", "test") if split in dataset}


def _lines(name: str, rows: Any) -> str:
    """The rows of a dataset as lines of one text: its ``text`` column, or the only one that holds strings."""
    columns = [column for column, feature in rows.features.items() if getattr(feature, "dtype", None) == "string"]
    column = "text" if "text" in columns else columns[0] if len(columns) == 1 else None
    if column is None:
        raise UsageError(f"task.corpus={name}: no column called text (strings: {', '.join(columns) or 'none'})")
    return "".join(row if row.endswith("\n") else row + "\n" for row in rows[column] if row is not None)


class _Probe:
    """Asks, beside whatever else is going on, whether the Hub (or the proxy on the way to it) accepts a connection.

    In a thread of its own, since looking up a name may hang where a connection would time out.
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
    """Let ``datasets`` look into its cache and nowhere else (it would try the network again and again)."""
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
