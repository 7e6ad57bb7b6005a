"""Digits: a scanned digit read pixel by pixel, or row by row; at the end, say which digit it is.

The 1,797 images of 8 by 8 pixels that scikit-learn brings along (the test part of Alpaydin & Kaynak's optdigits, UCI
1998), row by row, one grey value from 0 to 1 a timestep. The first image begins so (``|`` separates the rows)::

    input   0 0 0.31 0.81 0.56 0.06 0 0 | 0 0 0.81 0.94 0.62 0.94 0.31 0 | ...      class 0

``permuted`` reads the same pixels in another order, one and the same for every image and every run: what stands close
together in the image lies far apart in time. Both as Le et al. 2015 did with MNIST. ``task.step=row`` reads eight of
the pixels at a time, in the same order: 8 timesteps of 8 features.

Shapes: T the 64 or 8 timesteps, P the 64 pixels, I pixels of a timestep, N images, B batch, C the 65 columns of the
file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from seqablate.config.keys import key
from seqablate.config.metric import Metric
from seqablate.config.registry import variant
from seqablate.config.task_spec import EVAL_BATCH, TaskSpec, TaskTraits
from seqablate.errors import UsageError
from seqablate.streams import stream
from seqablate.tasks.base import Batch, ByObjective, NextLogits, RunData

if TYPE_CHECKING:
    from seqablate.tasks.objectives import Classification

SIDE, CLASSES, WHITEST = 8, 10, 16
HELD_OUT = 30  # images of each class in evaluation, and as many in test: chance is 10 % exactly


class DigitsStep(Enum):
    """What is read at a timestep."""

    pixel = "pixel"
    row = "row"


class DigitsOrder(Enum):
    """In which order the pixels are read."""

    rows = "rows"
    permuted = "permuted"


@variant("task", "digits")
@dataclass(kw_only=True, slots=True)
class DigitsConfig:
    """Digits: scikit-learn's 8x8 scans, one pixel (or row) a timestep, to be told apart at the end.

    With ``shuffle_labels`` the labels of the training images are shuffled among them, once (Zhang et al. 2017).
    Evaluation and test keep theirs.
    """

    reference: ClassVar[str] = "Alpaydin & Kaynak 1998; permuted pixels: Le et al. 2015"
    restrictions: ClassVar[str] = "needs scikit-learn: pip install 'seqablate[digits]'"

    order: DigitsOrder = key("of the pixels; permuted: one fixed random order")
    step: DigitsStep = key("what a timestep is: pixel (64 timesteps) or row, 8 pixels (8 timesteps)")
    shuffle_labels: bool = key("true: train on shuffled labels, which can only be memorised (a control)")

    @property
    def size(self) -> int:
        """Pixels of a timestep."""
        return SIDE if self.step is DigitsStep.row else 1

    @property
    def traits(self) -> TaskTraits:
        """One class after the last pixel. Permuted pixels are no image: neighbours are not next to each other."""
        if self.step is DigitsStep.row:
            return TaskTraits(horizon=SIDE, length=SIDE)
        image = (SIDE, SIDE) if self.order is DigitsOrder.rows else None
        return TaskTraits(horizon=SIDE * SIDE, length=SIDE * SIDE, image=image)

    def build(self, data: RunData) -> Digits:
        """The task for one run (UsageError without scikit-learn, or for a batch larger than the training part)."""
        from seqablate.tasks.objectives import Classification

        table_NC = read_table()
        parts = self._parts(table_NC)
        train = parts["train"]
        if data.batch_size > len(train):
            raise UsageError(f"batch_size={data.batch_size}: task=digits has {len(train)} training images, use no more")
        if self.shuffle_labels:
            parts["train"] = Images(train.x_TNI, train.y_N[stream(data.seed, "labels").permutation(len(train))])
        return Digits(
            spec=self.traits.sized(input_size=self.size, output_size=CLASSES),
            metrics=(_accuracy(parts["evaluation"].y_N[: data.eval_size]),),
            parts=parts,
            objective=Classification(),
            data=data,
            input_names=("grey value",) if self.step is DigitsStep.pixel else (),
            fingerprint=hashlib.sha256(table_NC.tobytes()).hexdigest(),
        )

    def _parts(self, table_NC: np.ndarray) -> dict[str, Images]:
        x_PN = np.ascontiguousarray(table_NC[:, :-1].T, dtype=np.float32) / np.float32(WHITEST)
        if self.order is DigitsOrder.permuted:
            x_PN = x_PN[stream(0, "digits/order").permutation(len(x_PN))]  # 0 whatever the run's seed
        y_N = table_NC[:, -1].astype(np.int64)
        x_TNI = np.ascontiguousarray(x_PN.reshape(-1, self.size, len(y_N)).transpose(0, 2, 1))
        return {name: Images(x_TNI[:, chosen], y_N[chosen]) for name, chosen in split_by_class(y_N).items()}


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images [T, N, I] and their classes [N]."""

    x_TNI: np.ndarray
    y_N: np.ndarray

    def __len__(self) -> int:
        return len(self.y_N)

    def batch(self, chosen_B: np.ndarray) -> Batch:
        """x [T, B, I] and y [B] of the images chosen."""
        return Batch(x=np.take(self.x_TNI, chosen_B, axis=1), y=self.y_N[chosen_B])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Digits(ByObjective):
    """See :class:`seqablate.tasks.base.Task`.

    Training goes through the images in epochs, each a fresh shuffle; a batch may straddle two. The order of the images
    is the same for every batch size: it says how many are read at a step. ``eval.size`` takes the first images of a
    part, and beyond its 300 means all of them.
    """

    spec: TaskSpec
    metrics: tuple[Metric, ...]
    parts: dict[str, Images]
    objective: Classification
    data: RunData
    fingerprint: str
    input_names: tuple[str, ...] = ()
    baselines: dict[str, float] = field(default_factory=dict)
    test_baselines: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def train_batch(self, step: int) -> Batch:
        images, size = self.parts["train"], self.data.batch_size
        epoch, start = divmod(step * size, len(images))
        epochs = (epoch,) if start + size <= len(images) else (epoch, epoch + 1)
        order = np.concatenate([stream(self.data.seed, "data", e).permutation(len(images)) for e in epochs])
        return images.batch(order[start : start + size])

    def eval_batches(self, split: str) -> Iterator[Batch]:
        images = self.parts[split]
        chosen = np.arange(min(self.data.eval_size, len(images)))
        return (images.batch(chosen[start : start + EVAL_BATCH]) for start in range(0, len(chosen), EVAL_BATCH))

    def summarise(self, loss: float, scores: dict[str, float]) -> dict[str, float]:
        return {"loss": loss, **scores}

    def solved(self, results: dict[str, float]) -> bool:
        """Never: the task has no goal."""
        return False

    def sample(self, next_logits: NextLogits, rng: np.random.Generator) -> str | None:
        return None


def read_table() -> np.ndarray:
    """scikit-learn's file of digits, uint8 [N, C]: of 1,797 images the 64 pixels, 0 to 16, and the class.

    Read where it lies: importing ``sklearn.datasets`` would take a second, reading the file takes milliseconds.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    found = find_spec("sklearn")
    folders = (found.submodule_search_locations if found else None) or []
    files = [path for folder in folders if (path := Path(folder, "datasets", "data", "digits.csv.gz")).is_file()]
    if not files:
        raise UsageError("task=digits needs scikit-learn: pip install 'seqablate[digits]'")
    return np.loadtxt(files[0], delimiter=",", dtype=np.uint8)


def split_by_class(y_N: np.ndarray) -> dict[str, np.ndarray]:
    """Which images are for training, evaluation and test: disjoint, and the same for every run.

    Evaluation and test hold 30 images of each class, in turns, so that the first k of them are balanced as well;
    training has the other 1,197. All parts share their 13 writers: this measures new images, not new writers.
    """
    drawn_N = stream(0, "digits/split").permutation(len(y_N))
    by_class = [drawn_N[y_N[drawn_N] == digit] for digit in range(CLASSES)]
    held_out = np.stack([of_class[: 2 * HELD_OUT] for of_class in by_class], axis=1).ravel()
    evaluation, test = held_out[: CLASSES * HELD_OUT], held_out[CLASSES * HELD_OUT :]
    return {"train": np.concatenate([c[2 * HELD_OUT :] for c in by_class]), "evaluation": evaluation, "test": test}


def _accuracy(y_N: np.ndarray) -> Metric:
    return Metric(
        name="accuracy",
        chance=float(np.bincount(y_N).max() / len(y_N)),
        goal=None,
        lower_is_better=False,
        unit="share of images",
        source=f"always the same of {CLASSES} digits, on the {len(y_N)} images evaluated",
    )
