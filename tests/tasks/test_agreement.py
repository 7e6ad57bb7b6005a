"""Sentences of the small grammar, parsed by a plain reader of words that knows nothing of how they are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seqablate.assemble import build_task, read_overrides
from seqablate.streams import stream
from seqablate.tasks.base import NO_TARGET
from seqablate.tasks.syntax.grammar import NOUNS, PREPOSITIONS, VERBS, WORDS, sample_sentences
from seqablate.tasks.syntax.scores import count_attractors

NUMBER = {word: number for pair in (*NOUNS, *VERBS) for number, word in enumerate(pair)}
IS_NOUN = {word for pair in NOUNS for word in pair}
IS_VERB = {word for pair in VERBS for word in pair}


def parse(words: list[str]) -> tuple[int, list[int]]:
    """The number of the subject and those of the intervening nouns; an assertion fails on what is no sentence."""
    words = [word for word in words if word != "."]
    if "," in words:
        place, words = words[: words.index(",")], words[words.index(",") + 1 :]
        assert len(place) == 3
        assert place[0] in PREPOSITIONS
        assert place[1] == "the"
        assert place[2] in IS_NOUN
    the, subject, *rest = words
    assert the == "the"
    assert subject in IS_NOUN
    between = []
    while rest:
        first, the, noun, *rest = rest
        assert the == "the"
        assert noun in IS_NOUN
        between.append(NUMBER[noun])
        if first == "that":
            verb, *rest = rest
            assert verb in IS_VERB
            assert NUMBER[verb] == NUMBER[noun]
        else:
            assert first in PREPOSITIONS
    return NUMBER[subject], between


def sentences(task, split: str = "train"):
    batches = [task.train_batch(s) for s in range(40)] if split == "train" else task.eval_batches(split)
    for batch in batches:
        for b in range(batch.x.shape[1]):
            yield [WORDS[i] for i in batch.x[:, b]], batch.y[..., b]


@pytest.mark.parametrize("split", ["train", "evaluation", "test"])
def test_the_target_is_the_number_of_the_subject(split):
    task = build_task(read_overrides(["task=agreement", "eval.size=500"]))
    plural = attracted = 0
    for words, y in sentences(task, split):
        number, between = parse(words)
        assert y == number
        plural += number
        attracted += sum(n != number for n in between)
        if split != "train":
            assert all(n != number for n in between)
    count = 40 * 32 if split == "train" else 500
    assert abs(plural - count / 2) < 5 * math.sqrt(count / 4)
    assert attracted > 0


def test_a_language_model_is_given_the_same_sentences_and_the_verb_as_its_last_target():
    one, other = (build_task(read_overrides(["task=agreement", f"task.variant={v}"])) for v in ("supervised", "lm"))
    for (words, number), (same, targets) in zip(sentences(one), sentences(other), strict=True):
        *rest, last = [WORDS[i] for i in targets if i != NO_TARGET]
        sentence = [word for word in words if word != "."]
        assert same == [".", *sentence] + ["."] * (len(same) - len(sentence) - 1)  # one end in front, as in a text
        assert rest == sentence
        assert all(targets[len(sentence) + 1 :] == NO_TARGET)
        verb = last
        assert verb in IS_VERB
        assert NUMBER[verb] == number


@pytest.mark.parametrize("opposite_only", [True, False])
def test_attractors_are_counted_as_a_reader_counts_them(opposite_only):
    words_TB, _, count_B = sample_sentences(np.random.default_rng(0), 3000, 4, opposite_only=opposite_only)
    parsed = [parse([WORDS[i] for i in words_TB[:, b]]) for b in range(3000)]
    by_hand = [sum(n != number for n in between) for number, between in parsed]
    np.testing.assert_array_equal(count_B, by_hand)
    np.testing.assert_array_equal(count_attractors(torch.from_numpy(np.ascontiguousarray(words_TB))), by_hand)
    lengths = np.bincount([len(between) for _, between in parsed], minlength=5) / 3000
    wanted = np.full(5, 0.2) if opposite_only else 0.5 ** np.arange(5) / (0.5 ** np.arange(5)).sum()
    np.testing.assert_allclose(lengths, wanted, atol=0 if opposite_only else 5 * 0.5 / math.sqrt(3000))


def test_an_evaluation_has_sentences_of_every_number_of_attractors_in_turns_and_none_is_an_error_that_is_not_a_number():
    names = [f"wrong_{k}" for k in range(5)]
    for size, missing in ((5, []), (2, names[2:])):
        task = build_task(read_overrides(["task=agreement", f"eval.size={size}"]))
        (arrays,) = task.eval_batches("evaluation")
        scores = task.scores(torch.zeros(size, 2), arrays.tensors(torch.device("cpu"), torch.float32))
        results = task.summarise(1.0, {name: float(value.mean()) for name, value in scores.items()})
        assert [name for name in names if math.isnan(results[name])] == missing


@pytest.mark.parametrize("variant", ["supervised", "lm"])
def test_errors_by_attractors_are_shares_of_the_sentences_that_have_so_many(variant):
    """Of a model that always gives the number of the last noun: right without attractors, wrong with any."""
    task = build_task(read_overrides(["task=agreement", f"task.variant={variant}", "eval.size=600"]))
    scores: dict[str, list[torch.Tensor]] = {}
    for arrays in task.eval_batches("test"):
        batch = arrays.tensors(torch.device("cpu"), torch.float64)
        output = torch.zeros((*batch.y.shape, task.spec.output_size), dtype=torch.float64)
        for b in range(batch.x.shape[1]):
            last = [WORDS[i] for i in batch.x[:, b] if WORDS[i] in IS_NOUN][-1]
            said = [NUMBER[last]] if variant == "supervised" else [WORDS.index(pair[NUMBER[last]]) for pair in VERBS]
            last_word = int((batch.x[:, b] != 0).nonzero().max())
            for place in said:
                (output[b] if variant == "supervised" else output[last_word, b])[place] = 1.0
        for name, value in task.scores(output, batch).items():
            scores.setdefault(name, []).append(value)
    means = {name: float(torch.cat(parts).mean()) for name, parts in scores.items()}
    results = task.summarise(1.0, means)
    assert results["wrong_0"] == 0
    assert [results[f"wrong_{k}"] for k in range(1, 5)] == [1.0] * 4
    assert results["wrong"] == pytest.approx(1 - means["share_0"])


def test_the_baselines_are_those_of_counting_by_hand():
    task = build_task(read_overrides(["task=agreement", "eval.size=300"]))
    seen, verbs, _ = sample_sentences(stream(0, "agreement/ngrams"), 20_000, 4, opposite_only=False)
    votes: dict[tuple, list[int]] = {}
    for b in range(20_000):
        votes.setdefault(tuple(seen[-2:, b]), [0, 0])[NUMBER[WORDS[verbs[b]]]] += 1
    wrong = []
    for batch in task.eval_batches("evaluation"):
        for b in range(batch.x.shape[1]):
            singular, plural = votes.get(tuple(batch.x[-2:, b]), [1, 1])
            wrong.append(int(plural > singular) != batch.y[b])
    assert task.baselines["trigram"] == pytest.approx(np.mean(wrong))
    assert abs(task.baselines["majority"] - 0.5) < 5 * 0.5 / math.sqrt(300)
