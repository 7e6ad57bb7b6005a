from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqablate.assemble import read_overrides
from seqablate.errors import UsageError
from seqablate.tasks.base import RunData
from seqablate.tasks.corpus import Level
from seqablate.tasks.lm import LanguageModelling, LmConfig, Streams


def build(
    path: Path, *, level: Level = Level.char, bptt: int = 5, batch: int = 4, eval_size: int = 2000, seed: int = 0
):
    config = LmConfig(corpus=str(path), column="text", level=level, bptt=bptt, vocab_size=10_000)
    return config.build(RunData(seed=seed, batch_size=batch, eval_seed=0, eval_size=eval_size))


@pytest.fixture
def text(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "text.txt"
    path.write_text("".join(rng.choice(list("abcde \n"), 6000, p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.15, 0.05])))
    return path


def used_steps(task: LanguageModelling) -> int:
    return len(task.streams["train"])


def test_training_windows_equal_a_plain_slicing_of_the_text(text):
    task = build(text)
    ids = task.corpus.ids["train"].tolist()
    windows = (len(ids) - 1) // (4 * 5)
    for step in (0, 1, 7, windows - 1):
        batch = task.train_batch(step)
        for b in range(4):
            start = b * windows * 5 + step * 5
            assert batch.x[:, b].tolist() == ids[start : start + 5]
            assert batch.y[:, b].tolist() == ids[start + 1 : start + 6]


def test_one_pass_predicts_every_token_at_most_once_and_leaves_less_than_one_window_over(text):
    # Positions in place of token ids, so that each token can be told from every other.
    positions = np.arange(len(build(text).corpus.ids["train"]))
    numbered = Streams.whole(positions, 4, 5)
    predicted = np.concatenate([numbered.window(w).y.ravel() for w in range(len(numbered))])
    assert sorted(predicted) == list(range(1, len(predicted) + 1))
    assert len(positions) - 1 - len(predicted) < 4 * 5


def test_state_is_reset_at_the_first_window_and_where_the_text_begins_again(text):
    task = build(text)
    steps = used_steps(task)
    resets = [step for step in range(2 * steps + 2) if task.train_batch(step).reset]
    assert resets == [0, steps, 2 * steps]
    np.testing.assert_array_equal(task.train_batch(3).x, task.train_batch(steps + 3).x)


def test_each_window_begins_where_the_one_before_ended(text):
    task = build(text)
    for step in range(used_steps(task) - 1):
        np.testing.assert_array_equal(task.train_batch(step).y[-1], task.train_batch(step + 1).x[0])


@pytest.mark.parametrize(("split", "part"), [("evaluation", "validation"), ("test", "test")])
def test_evaluation_reads_contiguous_streams_spread_over_its_part_no_token_twice(text, split, part):
    task = build(text)
    ids = task.corpus.ids[part]
    batches = list(task.eval_batches(split))
    assert [batch.reset for batch in batches] == [True] + [False] * (len(batches) - 1)
    positions = Streams.spread(np.arange(len(ids)), 2000, 5)  # in place of token ids
    predicted = np.concatenate([positions.window(w).y for w in range(len(positions))]).T
    assert (np.diff(predicted, axis=1) == 1).all()
    assert len(np.unique(predicted)) == predicted.size
    assert len(ids) - 1 - predicted.size < 5 * len(predicted)
    np.testing.assert_array_equal(np.concatenate([batch.y for batch in batches]).T, ids[predicted])
    np.testing.assert_array_equal(np.concatenate([batch.x for batch in batches]).T, ids[predicted - 1])


@pytest.mark.parametrize("size", [1, 4, 7, 30, 100])
def test_a_small_evaluation_is_spread_over_its_whole_part(size):
    streams = Streams.spread(np.arange(10_001), size, 5)
    starts = streams.x_BN[:, 0]
    gaps = np.diff([-starts[0] - len(streams.x_BN[0]), *starts, 20_000 - starts[-1]])
    assert abs(starts.mean() + streams.x_BN.shape[1] / 2 - 5000) < 5  # in the middle, on average
    assert len(starts) >= min(size, 4)
    assert gaps.max() < 1.1 * 10_000 / len(starts) + streams.x_BN.shape[1] + 5


def test_each_split_has_the_baselines_of_its_own_tokens(tmp_path):
    (tmp_path / "text.txt").write_text("aaaaaaabbc" * 117 + "a" * 65 + "c" * 65)
    task = build(tmp_path / "text.txt")
    share = {token: (117 * count + 1) / (1170 + 4) for token, count in (("a", 7), ("c", 1))}
    assert task.baselines["unigram"] == pytest.approx(-math.log2(share["a"]))
    assert task.test_baselines["unigram"] == pytest.approx(-math.log2(share["c"]))


def test_the_share_of_unknown_tokens_is_said(tmp_path):
    (tmp_path / "text.txt").write_text("often " * 9 + "once" + "".join(f" w{n} often" for n in range(200)))
    (note,) = build(tmp_path / "text.txt", level=Level.word, bptt=2, batch=1).notes
    assert "<unk> is 48.9 % of train" in note


def test_evaluation_is_the_same_for_every_batch_size_and_seed(text):
    first, second = (list(build(text, batch=batch, seed=batch).eval_batches("evaluation")) for batch in (2, 7))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.x, b.x)


@pytest.mark.parametrize("size", [1, 3, 9, 17, 50])
def test_evaluation_size_bounds_the_number_of_sequences(text, size):
    counts = [batch.x.shape for batch in build(text, eval_size=size).eval_batches("evaluation")]
    assert {steps for steps, _ in counts} == {5}
    total = sum(streams for _, streams in counts)
    assert size - counts[0][1] < total <= size


def test_the_unigram_baseline_is_the_loss_of_a_model_that_answers_unigram_frequencies(text):
    task = build(text)
    size = task.spec.output_size
    counts = torch.bincount(torch.from_numpy(task.corpus.ids["train"]), minlength=size).double()
    log_p = ((counts + 1) / (counts + 1).sum()).log()
    losses, steps = 0.0, 0
    for arrays in task.eval_batches("evaluation"):
        batch = arrays.tensors(torch.device("cpu"), torch.float64)
        loss_TB = task.step_losses(log_p.expand(*batch.x.shape, size), batch)
        assert loss_TB.shape == batch.y.shape
        losses, steps = losses + loss_TB.sum().item(), steps + loss_TB.numel()
    assert task.summarise(losses / steps, {})["bits_per_character"] == pytest.approx(
        task.baselines["unigram"], rel=1e-9
    )
    assert task.metrics[0].chance == task.baselines["unigram"]


def test_the_bigram_baseline_knows_a_text_whose_next_character_is_certain(tmp_path):
    (tmp_path / "text.txt").write_text("abcd\n" * 4000)
    task = build(tmp_path / "text.txt")
    assert task.baselines["unigram"] == pytest.approx(math.log2(5), rel=1e-3)
    assert task.baselines["bigram"] < 0.01


def test_step_losses_are_torchs_cross_entropy(text):
    task = build(text)
    batch = task.train_batch(0).tensors(torch.device("cpu"), torch.float64)
    logits = torch.randn(*batch.y.shape, task.spec.output_size, dtype=torch.float64)
    expected = F.cross_entropy(logits.permute(1, 2, 0), batch.y.T, reduction="none").T
    torch.testing.assert_close(task.step_losses(logits, batch), expected)


def test_metrics_are_bits_per_character_and_word_perplexity(text):
    assert build(text).summarise(math.log(2), {})["bits_per_character"] == pytest.approx(1.0)
    words = build(text, level=Level.word)
    assert words.summarise(math.log(50), {})["perplexity"] == pytest.approx(50.0)
    assert words.summarise(1e4, {})["perplexity"] == math.inf
    assert math.isnan(words.summarise(math.nan, {})["perplexity"])
    assert not words.solved(words.summarise(0.0, {}))


def test_a_sample_starts_after_a_line_break_and_follows_the_models_distribution(text):
    task = build(text)
    vocabulary = task.corpus.vocabulary
    asked = []

    def certain_cycle(tokens_11: np.ndarray, state: int | None):
        asked.append((int(tokens_11[0, 0]), state))
        logits = np.full(len(vocabulary), -np.inf)
        logits[vocabulary.index("abcde"[(state or 0) % 5])] = 0.0
        return logits, (state or 0) + 1

    assert task.sample(certain_cycle, np.random.default_rng(0)) == "abcde" * 40
    assert asked[0] == (vocabulary.index("\n"), None)
    assert asked[1] == (vocabulary.index("a"), 1)


def test_sampled_frequencies_are_the_softmax_of_the_logits(text):
    task = build(text)
    probabilities = np.array([0.0, *np.arange(1, len(task.corpus.vocabulary))])
    probabilities /= probabilities.sum()
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities) + 3.0
    rng = np.random.default_rng(1)
    drawn = "".join(task.sample(lambda tokens, state: (logits, None), rng) for _ in range(200))
    frequencies = [drawn.count(character) / len(drawn) for character in task.corpus.vocabulary]
    np.testing.assert_allclose(frequencies, probabilities, atol=4 * math.sqrt(0.25 / len(drawn)))


def test_a_word_sample_has_forty_tokens_and_starts_with_the_commonest_where_there_is_no_eos(tmp_path):
    (tmp_path / "text.txt").write_text("red blue blue " * 500)
    task = build(tmp_path / "text.txt", level=Level.word)
    first = []

    def always_red(tokens_11: np.ndarray, state: None):
        first.append(task.corpus.vocabulary[tokens_11[0, 0]])
        return np.where(np.array(task.corpus.vocabulary) == "red", 0.0, -np.inf), None

    assert task.sample(always_red, np.random.default_rng(0)) == " ".join(["red"] * 40)
    assert first[0] == "blue"


@pytest.mark.parametrize(("bptt", "batch"), [(5, 4), (5, 60), (64, 32)])
def test_the_length_named_when_a_text_is_too_short_is_enough_and_within_5_percent_of_needed(tmp_path, bptt, batch):
    path = tmp_path / "text.txt"
    path.write_text("ab\n" * 10)
    with pytest.raises(UsageError, match="too short") as refused:
        build(path, bptt=bptt, batch=batch)
    enough = int(str(refused.value).split("at least ")[1].split()[0])
    path.write_text(("ab\n" * enough)[: int(0.95 * enough)])
    with pytest.raises(UsageError, match="too short"):
        build(path, bptt=bptt, batch=batch)
    path.write_text(("ab\n" * enough)[:enough])
    assert len(list(build(path, bptt=bptt, batch=batch).eval_batches("evaluation"))) >= 1


def test_config_refuses_windows_and_vocabularies_that_cannot_be(text):
    for word in ("task.bptt=0", "task.vocab_size=1"):
        with pytest.raises(UsageError, match=word):
            read_overrides(["task=lm", f"task.corpus={text}", word])
