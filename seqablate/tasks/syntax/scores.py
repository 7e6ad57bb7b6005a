"""Losses and scores of agreement: of a class after the last word, or of a language model.

Shapes: T words, B sentences, V vocabulary, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from seqablate.tasks.base import NO_TARGET, Batch
from seqablate.tasks.objectives import Classification
from seqablate.tasks.syntax.grammar import FIRST_NOUN, FIRST_VERB, ID


@dataclass(frozen=True, slots=True)
class NumberOfVerb(Classification):
    """Cross-entropy of singular (0) and plural (1); the error by how many attractors a sentence has.

    Args:
        attractors: most of them.
    """

    attractors: int = 0

    def scores(self, output: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """``wrong`` [B], and for each number k of attractors ``share_k`` (1 where a sentence has so many) and
        ``wrong_k`` (1 where it is wrong as well)."""
        wrong_B, count_B = self.wrong(output, batch).to(output.dtype), count_attractors(batch.x)
        found = {"wrong": wrong_B}
        for k in range(self.attractors + 1):
            found[f"share_{k}"] = (count_B == k).to(output.dtype)
            found[f"wrong_{k}"] = wrong_B * found[f"share_{k}"]
        return found

    def wrong(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """[B]: whether the other number has the larger output [B, 2]."""
        return output.argmax(-1) != batch.y


@dataclass(frozen=True, slots=True)
class WordByWord(NumberOfVerb):
    """Cross-entropy of the next word at every step; wrong is a verb whose other form is at least as probable."""

    def wrong(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """[B], of the logits [T, B, V] at each sample's last step with a target."""
        asked_TB = batch.y != NO_TARGET
        last_B = len(asked_TB) - 1 - asked_TB.flip(0).int().argmax(0)
        all_B = torch.arange(len(last_B), device=last_B.device)
        right_B, logits_BV = batch.y[last_B, all_B], output[last_B, all_B]
        other_B = FIRST_VERB + ((right_B - FIRST_VERB) ^ 1)
        return logits_BV[all_B, right_B] <= logits_BV[all_B, other_B]


def count_attractors(words_TB: torch.Tensor) -> torch.Tensor:
    """How many nouns [B] after the subject have another number than it.

    The subject is the first noun, or the first after a comma.
    """
    comma_TB = words_TB == ID[","]
    noun_TB = (words_TB >= FIRST_NOUN) & (words_TB < FIRST_VERB) & (comma_TB.cumsum(0) == comma_TB.sum(0))
    plural_TB = (words_TB - FIRST_NOUN) % 2 == 1
    subject_TB = noun_TB & (noun_TB.cumsum(0) == 1)
    plural_B = (subject_TB & plural_TB).any(0)
    return (noun_TB & (plural_TB != plural_B)).sum(0)
