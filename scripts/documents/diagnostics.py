"""The gallery of diagnostics: a picture of each, out of runs that show what it is read for."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from documents.runs import Runs

PLACE = "seqablate/diagnostics/pictures"
MODELS = ("model=rnn", "model=lstm", "model=gru")


def of_three_models(kind: str, runs: Runs, path: Path) -> None:
    """rnn, lstm and gru side by side, early in training."""
    runs.show(kind, path, *(runs.train(model, "steps=200", f"name={model[6:]}") for model in MODELS))


def layers(runs: Runs, path: Path) -> None:
    """A deep net without skips and with residual ones."""
    words = ("model=mlp", "model.depth=12", "task.length=20", "steps=100")
    skips = ("none", "residual")
    runs.show("layers", path, *(runs.train(*words, f"model.skip={skip}", f"name=mlp-{skip}") for skip in skips))


def pairs(runs: Runs, path: Path) -> None:
    """An encoder and decoder with attention that are trained to reverse their input."""
    words = ("model=seq2seq", "model.attention=dot", "task=reverse", "task.length=6", "name=reverse")
    runs.show("pair", path, runs.train(*words))


FILES = {
    f"{PLACE}/lag.png": partial(of_three_models, "lag"),
    f"{PLACE}/profile.png": partial(of_three_models, "profile"),
    f"{PLACE}/layers.png": layers,
    f"{PLACE}/pairs.png": pairs,
}
