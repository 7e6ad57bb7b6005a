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
        opposite_only: how modifiers are drawn. True: each number of them, 0 to M, is equally likely, and every
            intervening noun is an attractor. False, as in texts: one more is half as likely each time, and an
            intervening noun is an attractor in one case of two.

    Returns:
        Words before the last verb [T, B], that verb [B], and how many attractors there are [B].
    """
    kinds = rng.spawn(7)
    number_B = kinds[0].integers(0, 2, count)
    modifiers_B = kinds[1].integers(0, most + 1, count) if opposite_only else _geometric(kinds[1], count, most)
    present_BM = np.arange(most) < modifiers_B[:, None]
    other_BM = present_BM & (opposite_only | (kinds[2].random((count, most)) < 0.5))
    slots = [np.zeros((count, 1), dtype=np.int64), _place(kinds[3], count), _subject(kinds[4], number_B)]
    slots.append(_modifiers(kinds[5], present_BM, number_B[:, None] ^ other_BM))
    verb_B = FIRST_VERB + 2 * kinds[6].integers(0, len(VERBS), count) + number_B
    return _pushed_to_the_end(np.concatenate(slots, axis=1)).T, verb_B, other_BM.sum(1)


def _geometric(rng: np.random.Generator, count: int, most: int) -> np.ndarray:
    """0, 1, 2, ... ``most`` with probabilities in proportion to 1, 1/2, 1/4, ..."""
    share = 0.5 ** np.arange(most + 1)
    return np.searchsorted(np.cumsum(share / share.sum())[:-1], rng.random(count), side="right")


def _place(rng: np.random.Generator, count: int) -> np.ndarray:
    """[B, 4]: in three sentences of ten a place, else nothing."""
    draw_B4 = rng.random((count, 4))
    words_B4 = np.full((count, 4), ID[","])
    words_B4[:, 0] = FIRST_PREPOSITION + (draw_B4[:, 0] * len(PREPOSITIONS)).astype(np.int64)
    words_B4[:, 1] = ID["the"]
    words_B4[:, 2] = FIRST_NOUN + (draw_B4[:, 1] * 2 * len(NOUNS)).astype(np.int64)
    return np.where(draw_B4[:, 2:3] < 0.3, words_B4, NONE)


def _subject(rng: np.random.Generator, number_B: np.ndarray) -> np.ndarray:
    noun_B = FIRST_NOUN + 2 * rng.integers(0, len(NOUNS), len(number_B)) + number_B
    return np.stack([np.full_like(noun_B, ID["the"]), noun_B], axis=1)


def _modifiers(rng: np.random.Generator, present_BM: np.ndarray, number_BM: np.ndarray) -> np.ndarray:
    """[B, 4 M]: ``PREPOSITION the NOUN`` or ``that the NOUN VERB`` where one is present, else nothing."""
    draw_BM4 = rng.random((*present_BM.shape, 4))
    clause_BM = draw_BM4[..., 0] < 0.5
    preposition_BM = FIRST_PREPOSITION + (draw_BM4[..., 1] * len(PREPOSITIONS)).astype(np.int64)
    noun_BM = FIRST_NOUN + 2 * (draw_BM4[..., 2] * len(NOUNS)).astype(np.int64) + number_BM
    verb_BM = FIRST_VERB + 2 * (draw_BM4[..., 3] * len(VERBS)).astype(np.int64) + number_BM
    words = [np.where(clause_BM, ID["that"], preposition_BM), np.full_like(noun_BM, ID["the"]), noun_BM]
    words_BM4 = np.stack([*words, np.where(clause_BM, verb_BM, NONE)], axis=-1)
    return np.where(present_BM[..., None], words_BM4, NONE).reshape(len(present_BM), -1)


def _pushed_to_the_end(slots_BT: np.ndarray) -> np.ndarray:
    """The words of each row in their order, behind as many ends of sentences as there are empty slots."""
    order_BT = np.argsort(slots_BT != NONE, axis=1, kind="stable")
    return np.maximum(np.take_along_axis(slots_BT, order_BT, axis=1), 0)
