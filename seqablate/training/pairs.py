"""Minimal pairs scored by a language model: which of two texts is more probable.

Shapes: T tokens, B texts, V vocabulary.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from seqablate.errors import UsageError
from seqablate.tasks.base import NO_TARGET
from seqablate.tasks.corpus import UNK
from seqablate.tasks.syntax.pairs import Pair
from seqablate.text import counted

BATCH = 32  # texts at once
LEFT_OUT = {
    "too_long": "with a text longer than the model can read",
    "equal": "whose texts are the same, or empty",
    "unknown_word": "with a word outside the vocabulary, without which they cannot be told apart",
}  # why a pair is not scored


@dataclass(kw_only=True)
class Tally:
    """How many pairs of a group were scored, and of how many the good text was more probable."""

    right: int = 0
    scored: int = 0


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a model says of a list of pairs.

    Attributes:
        groups: by name, in the order of the pairs.
        unknown: pairs with a token that is not in the vocabulary, where <unk> stands for it.
        too_long: pairs left out because the model reads no text as long as one of theirs.
        equal: pairs left out because both texts are the same tokens, or one has none.
        unknown_word: pairs left out because of such tokens: there is no <unk>, or they differ in nothing else.
    """

    groups: dict[str, Tally]
    unknown: int
    too_long: int
    equal: int
    unknown_word: int


def score_pairs(model: Any, task: Any, pairs: Sequence[Pair]) -> Scored:
    """Score pairs with the log-probability of each text, a sum over its tokens.

    Args:
        model: trained, on the CPU.
        task: its task, a language model: see ``first_token`` and ``tokens`` of
            :class:`seqablate.tasks.lm.LanguageModelling`.
        pairs: in any order.

    Raises:
        UsageError: the task is no language model, or no pair can be scored.
    """
    if not hasattr(task, "tokens") or not task.spec.causal_only:
        raise UsageError("pairs= needs a run that trained a language model: task=lm, or task=agreement task.variant=lm")
    ids = {name: number for number, name in enumerate(task.input_names)}
    tokens = [(task.tokens(pair.good), task.tokens(pair.bad)) for pair in pairs]
    coded = [tuple(_encoded(text, ids) for text in both) for both in tokens]
    most = _most_tokens(model, task)
    why = [_why_not(words, both, most) for words, both in zip(tokens, coded, strict=True)]
    usable = [n for n, found in enumerate(why) if found is None]
    left_out = {kind: why.count(kind) for kind in LEFT_OUT}
    if not usable:
        raise UsageError(f"pairs= has none that can be scored: {left_out_in_words(left_out)}")
    found = log_probabilities(model, task.first_token, [text for n in usable for text in coded[n]])
    groups: dict[str, Tally] = {}
    for n, good, bad in zip(usable, found[::2], found[1::2], strict=True):
        tally = groups.setdefault(pairs[n].group, Tally())
        tally.scored += 1
        tally.right += int(good > bad)
    unknown = sum(not ids.keys() >= {*good, *bad} for good, bad in tokens)
    return Scored(groups=groups, unknown=unknown, **left_out)


def _encoded(tokens: Iterable[str], ids: dict[str, int]) -> list[int]:
    """Ids of tokens; -1 for one that is unknown where there is no <unk>."""
    unknown = ids.get(UNK, -1)
    return [ids.get(token, unknown) for token in tokens]


def _why_not(words: Sequence[list[str]], ids: Sequence[list[int]], most: int) -> str | None:
    """Why a pair cannot be scored, one of LEFT_OUT; None where it can be."""
    (good, bad), (good_ids, bad_ids) = words, ids
    if good == bad or not good or not bad:
        return "equal"
    if max(len(good), len(bad)) > most:
        return "too_long"
    return "unknown_word" if good_ids == bad_ids or -1 in (*good_ids, *bad_ids) else None


def left_out_in_words(counts: dict[str, int]) -> str:
    """How many pairs were left out, and why."""
    return "; ".join(f"{counted(count, 'pair')} {LEFT_OUT[kind]}" for kind, count in counts.items() if count)


@torch.no_grad()
def _most_tokens(model: Any, task: Any) -> int:
    """As many as a text may have: a model without a state reads no more than it was trained on."""
    _, state = model(torch.tensor([[task.first_token]]), None, None, None)
    horizon: int = task.spec.horizon
    return horizon if state is None else sys.maxsize


@torch.no_grad()
def log_probabilities(model: Any, first: int, texts: Sequence[list[int]]) -> list[float]:
    """The log-probability of each text, which follows the token ``first``; in float64."""
    found: list[float] = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        y_TB = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in batch], padding_value=NO_TARGET)
        x_TB = torch.cat([torch.full_like(y_TB[:1], first), y_TB[:-1].clamp(min=0)])
        logits_TBV = model(x_TB, None, None, None)[0].double()
        losses_N = F.cross_entropy(logits_TBV.flatten(0, 1), y_TB.flatten(), ignore_index=NO_TARGET, reduction="none")
        found += (-losses_N.view(y_TB.shape).sum(0)).tolist()
    return found
