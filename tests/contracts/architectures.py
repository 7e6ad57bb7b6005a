"""The matrix of architectures: models x skips over depth x directions x layers, and what of it there is not.

Everything that can be chosen is either built and tested, or refused with the line that stands here. A model that is not
listed here is in the matrix as well, as the kind that its keys and the tasks it accepts make it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields

from choices import REVERSE, accepts, task_for

from seqablate.config.registry import variant_class, variants

SKIPS = ("none", "residual", "dense", "dense_residual", "highway")
D, T, B = 4, 9, 3  # hidden size, timesteps and samples of what is tested


@dataclass(frozen=True)
class Kind:
    """What a model is in this matrix.

    Args:
        words: that choose it.
        task: that it is built for.
        layers_key: how its number of layers is called.
        skips, ways: whether it has the keys ``skip`` and ``bidirectional``.
        causal: whether an output depends on no later input (unless bidirectional).
        padded: whether it takes sequences of several lengths in one batch.
        variant: whether it is another kind with one key changed: the default run then has one case of it.
    """

    words: str
    task: str = "task=copy task.length=10"
    layers_key: str = "num_layers"
    skips: bool = True
    ways: bool = True
    causal: bool = True
    padded: bool = True
    variant: bool = False


LISTED = {
    "rnn": Kind("model=rnn"),
    "lstm": Kind("model=lstm"),
    "gru": Kind("model=gru"),
    "mgu": Kind("model=mgu"),
    "lstm-nfg": Kind("model=lstm model.variant=no_forget_gate", variant=True),
    "lstm-cifg": Kind("model=lstm model.variant=coupled_gates", variant=True),
    "gru-norm": Kind("model=gru model.norm=layer", variant=True),
    "tcn": Kind("model=tcn model.kernel_size=2", ways=False),
    "mlp": Kind("model=mlp", "task=adding task.length=10", "depth", ways=False, causal=False, padded=False),
    "cnn": Kind("model=cnn", "task=digits", "depth", ways=False, causal=False, padded=False),
    "transformer": Kind("model=transformer model.num_heads=2 model.dim_feedforward=6", skips=False, ways=False),
    "t5": Kind("model=t5 model.num_heads=2 model.dim_feedforward=6", REVERSE, skips=False, ways=False, padded=False),
    "seq2seq": Kind("model=seq2seq", REVERSE, padded=False),
    "seq2seq-dot": Kind("model=seq2seq model.attention=dot", REVERSE, padded=False, variant=True),
    "seq2seq-additive": Kind("model=seq2seq model.attention=additive", REVERSE, padded=False, variant=True),
}


def kind_of(model: str) -> Kind:
    """What its keys, and the tasks that it accepts, say of a model."""
    keys = {f.name for f in fields(variant_class("model", model))}
    layers_key = "depth" if "depth" in keys else "num_layers"
    shallow = f"model={model} model.{layers_key}=1"
    return Kind(
        f"model={model}",
        task_for(shallow),
        layers_key,
        skips="skip" in keys,
        ways="bidirectional" in keys,
        causal=accepts(shallow, REVERSE),  # where later inputs are the targets
        padded=accepts(shallow, "task=temporal_order task.variant=hs97 task.length=10"),
    )


KINDS = {name: kind_of(name) for name in variants("model")} | LISTED


@dataclass(frozen=True)
class Case:
    """One cell of the matrix."""

    name: str
    skip: str
    bidirectional: bool
    layers: int

    def __str__(self) -> str:
        return f"{self.name}-{self.skip}-{'bi' if self.bidirectional else 'uni'}-{self.layers}"

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    @property
    def words(self) -> list[str]:
        """Override words of the model and its task."""
        return self.on(self.kind.task)

    def on(self, task: str) -> list[str]:
        """Override words of the model with another task."""
        words = [*self.kind.words.split(), *task.split(), f"model.hidden_size={D}"]
        words.append(f"model.{self.kind.layers_key}={self.layers}")
        words += [f"model.skip={self.skip}"] if self.skip != "none" else []
        return words + (["model.bidirectional=true"] if self.bidirectional else [])

    @property
    def refusal(self) -> str | None:
        """The line with which the case is refused; None where it can be built."""
        if self.skip != "none" and not self.kind.skips:
            return "has no key model.skip"
        if self.bidirectional and not self.kind.ways:
            return "has no key model.bidirectional"
        if self.skip != "none" and self.layers == 1:
            return f"model.skip={self.skip} acts from the second layer on: it needs model.{self.kind.layers_key} of 2"
        return None


CASES = [Case(*cell) for cell in itertools.product(KINDS, SKIPS, (False, True), (1, 3))]


def pairwise(cases: list[Case]) -> list[Case]:
    """A few cases that hold every pair of values that occurs in any of them (greedy)."""
    open_pairs = {pair for case in cases for pair in _pairs(case)}
    chosen = []
    while open_pairs:
        best = max(cases, key=lambda case: len(open_pairs & _pairs(case)))
        chosen.append(best)
        open_pairs -= _pairs(best)
    return chosen


def _pairs(case: Case) -> set[tuple]:
    values = [("name", case.name), ("skip", case.skip), ("bi", case.bidirectional), ("layers", case.layers)]
    return set(itertools.combinations(values, 2))


POSSIBLE = [case for case in CASES if case.refusal is None]
CHOSEN = pairwise([case for case in POSSIBLE if not case.kind.variant])
CHOSEN += [Case(name, "highway", kind.ways, 3) for name, kind in KINDS.items() if kind.variant]
OTHERS = [case for case in POSSIBLE if case not in CHOSEN]
REFUSED = [case for case in CASES if case.refusal is not None]
REFUSED_CHOSEN = list({(case.name, case.skip): case for case in REFUSED if not case.kind.variant}.values())
REFUSED_OTHERS = [case for case in REFUSED if case not in REFUSED_CHOSEN]
