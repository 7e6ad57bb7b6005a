"""A recorded run as data: config, status, metrics and signals, without torch."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqablate.errors import printable
from seqablate.record.folder import RunFolder
from seqablate.record.info import read_info
from seqablate.record.reader import Record, read_record
from seqablate.record.rows import EvalRow, PenaltyRow, TrainRow
from seqablate.record.table import signals_table

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """A run folder, read lazily.

    Attributes:
        path: the folder.
        folder: the paths in it.
        name: its name.
        info: run.json, see :class:`seqablate.record.schema.RunInfo`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.folder = RunFolder(self.path)
        self.name = printable(self.path.name)
        self.info = read_info(self.path)

    def __repr__(self) -> str:
        return f"<Run {self.name}: {self.info.standing}>"

    @property
    def status(self) -> str:
        return self.info.status

    @cached_property
    def config(self) -> dict[str, Any]:
        return self.folder.read_config(self.record)  # which is the record of this run

    @cached_property
    def record(self) -> Record:
        return read_record(self.path, self.info.digest)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Indexed by step: what training measured at every step, and ``eval_...`` where it was evaluated."""
        import pandas as pd

        train, penalties, evals = [], [], []
        for row in self.record.rows():
            if isinstance(row, TrainRow):
                train.append(vars(row))
            elif isinstance(row, PenaltyRow):
                penalties.append({"step": row.step, "penalty": row.value, "penalty_grad_norm": row.grad_norm})
            elif isinstance(row, EvalRow):
                metrics = {f"eval_{name}": value for name, value in row.metrics.items() if name != "loss"}
                evals.append({"step": row.step, "eval_loss": row.loss, **metrics})
        frames = [pd.DataFrame(rows).set_index("step") for rows in (train, penalties, evals) if rows]
        return pd.concat(frames, axis=1).sort_index() if frames else pd.DataFrame()

    @cached_property
    def signals(self) -> pd.DataFrame:
        """Tidy: step, quantity, part, layer, direction, state, loss_step, index, at, value.

        ``layer`` is missing for a curve over layers, and ``at`` where a signal has no second axis.
        """
        return signals_table(self.record.signals).to_pandas().astype({"layer": "Int64"})
