"""Every view of a run, made anew from its record: they were lost, damaged, or a kill came before they were complete."""

from __future__ import annotations

from seqablate.errors import UsageError
from seqablate.record.events.view import rebuild_events
from seqablate.record.folder import RunFolder
from seqablate.record.info import write_info
from seqablate.record.reader import Record
from seqablate.record.rows import EndRow, ProgressRow
from seqablate.record.schema import RunInfo, Summary
from seqablate.record.table import write_signals
from seqablate.record.writer import RecordWriter


def rebuild(folder: RunFolder) -> RunInfo:
    """Write the event file, signals.parquet and run.json again; config.yaml only where it is missing or differs.

    The record and the checkpoints stay as they are.

    Returns:
        run.json.

    Raises:
        UsageError: the record is damaged, has no evaluation yet, or another process is writing it.
        RunFailure: the disk does not take a view; the earlier one stays.
    """
    with RecordWriter(folder.record):  # nobody writes it meanwhile
        record = Record(folder.record)
        summary = _last_summary(record)
        rebuild_events(folder.path, record, summary)
        write_signals(folder.path, record.stream_signals())
        try:
            folder.read_config()
        except UsageError:
            folder.write_config(record.header.config)
        info = RunInfo.of(record.facts, summary)
        write_info(folder.path, info)
    return info


def _last_summary(record: Record) -> Summary:
    last: Summary | None = None
    for row in record.rows():
        if isinstance(row, ProgressRow | EndRow):
            last = row
    if last is None:
        raise UsageError(f"{record.path} has no evaluation: there is nothing to rebuild; resume the run")
    return last
