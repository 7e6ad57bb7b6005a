"""A small grammar of English-like sentences in which a verb agrees with a noun that may stand far before it.

    sentence    [place ,] the SUBJECT modifier* VERB
    place       PREPOSITION the NOUN                              near the gardens ,
    modifier    PREPOSITION the NOUN | that the NOUN VERB         the key to the cabinets that the men like ...

SUBJECT and VERB have the same number, and so have the noun and the verb inside of a modifier. A noun between the
subject and the last verb is called intervening; an attractor is one of the other number. A place before the subject
keeps the first noun of a sentence from being its subject always.

Shapes: B sentences, M most modifiers, T words before the last verb.
"""

from __future__ import annotations

import numpy as np

END = "."
NOUNS = (
    ("author", "authors"), ("bird", "birds"), ("cabinet", "cabinets"), ("child", "children"), ("doctor", "doctors"),
    ("friend", "friends"), ("garden", "gardens"), ("key", "keys"), ("man", "men"), ("picture", "pictures"),
    ("teacher", "teachers"), ("woman", "women"),
)  # fmt: skip
VERBS = (
    ("is", "are"), ("has", "have"), ("likes", "like"), ("knows", "know"), ("sees", "see"), ("finds", "find"),
    ("helps", "help"), ("wants", "want"),
)  # fmt: skip
PREPOSITIONS = ("near", "behind", "with", "above", "beside", "to")

# The words by id. Each singular is followed by its plural, so that the last bit of an offset is the number.
WORDS = (
    END,
    "the",
    ",",
    "that",
    *PREPOSITIONS,
    *(w for pair in NOUNS for w in pair),
    *(w for pair in VERBS for w in pair),
)
ID = {word: number for number, word in enumerate(WORDS)}
FIRST_PREPOSITION, FIRST_NOUN, FIRST_VERB = ID[PREPOSITIONS[0]], ID[NOUNS[0][0]], ID[VERBS[0][0]]
NONE = -1  # of a slot: no word


def words_before_verb(most: int) -> int:
    """T of sentences with at most ``most`` modifiers: an end of sentence, a place, the subject, the modifiers."""
    return 1 + 4 + 2 + 4 * most


def sample_sentences(
    rng: np.random.Generator, count: int, most: int, *, opposite_only: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sentences of equal length: what is shorter has ends of sentences before it.

    Args:
        rng, count: of the sentences; more of them leave the first as they are.
        most: modifiers M.
        opposite_only: how modifiers are drawn. True: the sentences have 0, 1, ... M of them in turns, and every
            intervening noun is an attractor. False, as in texts: one more is half as likely each time, and an
            intervening noun is an attractor in one case of two.

    Returns:
        Words before the last verb [T, B], that verb [B], and how many attractors there are [B].
    """
    draw_BN = rng.random((count, 7 + 5 * most))  # a row for each sentence
    number_B, verb_B = _whole(draw_BN[:, 0], 2), _whole(draw_BN[:, 1], len(VERBS))
    modifiers_B = np.arange(count) % (most + 1) if opposite_only else _geometric(draw_BN[:, 2], most)
    draw_BM5 = draw_BN[:, 7:].reshape(count, most, 5)
    present_BM = np.arange(most) < modifiers_B[:, None]
    other_BM = present_BM & (opposite_only | (draw_BM5[..., 0] < 0.5))
    slots = [
        np.zeros((count, 1), dtype=np.int64),
        _place(draw_BN[:, 3:6]),
        _subject(draw_BN[:, 6], number_B),
        _modifiers(draw_BM5[..., 1:], present_BM, number_B[:, None] ^ other_BM),
    ]
    words_BT = _pushed_to_the_end(np.concatenate(slots, axis=1))
    return words_BT.T, FIRST_VERB + 2 * verb_B + number_B, other_BM.sum(1)


def from_the_start(words_TB: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sentences of :func:`sample_sentences` as a text has them: one end of a sentence, then the words.

    Returns:
        Words before the last verb [T', B] from timestep 0 on, ends of sentences behind them up to the longest, and
        the valid steps of each [B].
    """
    ends_B = (words_TB == ID[END]).sum(0)
    lengths_B = len(words_TB) + 1 - ends_B
    t_T1 = np.arange(lengths_B.max())[:, None]
    moved_TB = np.take_along_axis(words_TB, np.minimum(t_T1 + ends_B - 1, len(words_TB) - 1), axis=0)
    return np.where(t_T1 < lengths_B, moved_TB, ID[END]), lengths_B


def _whole(draw: np.ndarray, below: int) -> np.ndarray:
    """0, 1, ... ``below`` - 1, equally likely, of numbers from [0, 1)."""
    return (draw * below).astype(np.int64)


def _geometric(draw_B: np.ndarray, most: int) -> np.ndarray:
    """0, 1, 2, ... ``most`` with probabilities in proportion to 1, 1/2, 1/4, ..."""
    share = 0.5 ** np.arange(most + 1)
    return np.searchsorted(np.cumsum(share / share.sum())[:-1], draw_B, side="right")


def _place(draw_B3: np.ndarray) -> np.ndarray:
    """[B, 4]: in three sentences of ten a place, else nothing."""
    words_B4 = np.full((len(draw_B3), 4), ID[","])
    words_B4[:, 0] = FIRST_PREPOSITION + _whole(draw_B3[:, 0], len(PREPOSITIONS))
    words_B4[:, 1] = ID["the"]
    words_B4[:, 2] = FIRST_NOUN + _whole(draw_B3[:, 1], 2 * len(NOUNS))
    words_B4[draw_B3[:, 2] >= 0.3] = NONE
    return words_B4


def _subject(draw_B: np.ndarray, number_B: np.ndarray) -> np.ndarray:
    noun_B = FIRST_NOUN + 2 * _whole(draw_B, len(NOUNS)) + number_B
    return np.stack([np.full_like(noun_B, ID["the"]), noun_B], axis=1)


def _modifiers(draw_BM4: np.ndarray, present_BM: np.ndarray, number_BM: np.ndarray) -> np.ndarray:
    """[B, 4 M]: ``PREPOSITION the NOUN`` or ``that the NOUN VERB`` where one is present, else nothing."""
    clause_BM = draw_BM4[..., 0] < 0.5
    words_BM4 = np.full(draw_BM4.shape, ID["the"])
    preposition_BM = FIRST_PREPOSITION + _whole(draw_BM4[..., 1], len(PREPOSITIONS))
    words_BM4[..., 0] = np.where(clause_BM, ID["that"], preposition_BM)
    words_BM4[..., 2] = FIRST_NOUN + 2 * _whole(draw_BM4[..., 2], len(NOUNS)) + number_BM
    words_BM4[..., 3] = np.where(clause_BM, FIRST_VERB + 2 * _whole(draw_BM4[..., 3], len(VERBS)) + number_BM, NONE)
    words_BM4[~present_BM] = NONE
    return words_BM4.reshape(len(present_BM), -1)


def _pushed_to_the_end(slots_BT: np.ndarray) -> np.ndarray:
    """The words of each row in their order, behind as many ends of sentences as there are empty slots."""
    order_BT = np.argsort(slots_BT != NONE, axis=1, kind="stable")
    return np.maximum(np.take_along_axis(slots_BT, order_BT, axis=1), 0)
