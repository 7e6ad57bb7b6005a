from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from seqablate.errors import UsageError
from seqablate.tasks.corpus import EOS, UNK, Corpus, Level, load_corpus

TEXT = "The cat sat. Don't\nmove, the cat said!\n" * 30


def corpus_of(tmp_path: Path, text: str, level: Level, vocab_size: int = 10_000) -> Corpus:
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    return load_corpus(str(path), level, vocab_size)


def test_a_plain_text_is_cut_into_contiguous_90_5_5_percent(tmp_path):
    text = "".join(chr(97 + i * i % 23) for i in range(1007))
    corpus = corpus_of(tmp_path, text, Level.char)
    train, validation, test = (corpus.decode(corpus.ids[split]) for split in ("train", "validation", "test"))
    assert train + validation + test == text
    assert (len(train), len(validation), len(test)) == (907, 50, 50)


def test_character_vocabulary_is_unk_and_the_sorted_characters_of_the_training_part(tmp_path):
    corpus = corpus_of(tmp_path, "bca\n" * 90 + "zz zz " * 6, Level.char)
    assert corpus.vocabulary == (UNK, "\n", "a", "b", "c")
    assert set(corpus.ids["test"]) == {0}
    assert corpus.decode(corpus.ids["test"][:2]) == UNK * 2


def test_characters_beyond_the_basic_plane_are_one_token_each(tmp_path):
    corpus = corpus_of(tmp_path, "a🙂é" * 40, Level.char)
    assert corpus.vocabulary == (UNK, "a", "é", "🙂")
    assert corpus.ids["train"][:4].tolist() == [1, 3, 2, 1]


def test_words_are_split_at_punctuation_and_line_breaks_become_eos(tmp_path):
    corpus = corpus_of(tmp_path, TEXT, Level.word)
    words = [corpus.vocabulary[i] for i in corpus.ids["train"][:13]]
    assert words == ["The", "cat", "sat", ".", "Don't", EOS, "move", ",", "the", "cat", "said", "!", EOS]


def test_word_ids_equal_a_dictionary_loop(tmp_path):
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in rng.geometric(0.08, 2000)]
    corpus = corpus_of(tmp_path, " ".join(words), Level.word, vocab_size=40)
    counts = Counter(words[:1800])
    kept = [word for word, count in counts.most_common() if count >= 2][:39]  # ties: in order of appearance
    assert corpus.vocabulary == (UNK, *kept)
    expected = [1 + kept.index(word) if word in kept else 0 for word in words]
    assert np.concatenate([corpus.ids[s] for s in ("train", "validation", "test")]).tolist() == expected


def test_words_seen_once_in_training_are_unknown(tmp_path):
    corpus = corpus_of(tmp_path, "once " + "often " * 100, Level.word)
    assert corpus.vocabulary == (UNK, "often")
    assert corpus.ids["train"][:2].tolist() == [0, 1]


def test_unk_written_in_the_text_is_the_unknown_token(tmp_path):
    corpus = corpus_of(tmp_path, "a <unk> b " * 50, Level.word)
    assert corpus.vocabulary == (UNK, "a", "b")
    assert corpus.ids["train"][:3].tolist() == [1, 0, 2]


def test_decoded_words_are_the_text_with_blanks_around_every_token(tmp_path):
    corpus = corpus_of(tmp_path, TEXT, Level.word)
    decoded = corpus.decode(corpus.ids["train"][:13])
    assert decoded == "The cat sat . Don't\nmove , the cat said !\n"
    assert re.sub(r" (?=[.,!])", "", decoded) == TEXT[: len("The cat sat. Don't\nmove, the cat said!\n")]


@pytest.mark.parametrize("level", list(Level))
def test_sha256_is_that_of_the_file(tmp_path, level):
    corpus = corpus_of(tmp_path, TEXT + "é🙂", level)
    assert corpus.sha256 == hashlib.sha256((tmp_path / "text.txt").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "un cafe\u0301 noir",
        "\u0627\u0644\u0633\u064e\u0651\u0644\u0627\u0645 x",
        "हिन्दी भाषा",
        "שָׁלוֹם x",
        "می\u200cخواهم x",
        "co\u00adop x",
        "col·legi x",
        "צה\u05f4ל x",
    ],
    ids=[
        "accent",
        "Arabic vowel signs",
        "Devanagari",
        "Hebrew points",
        "joiner",
        "soft hyphen",
        "Catalan",
        "gershayim",
    ],
)
def test_a_word_keeps_its_combining_marks(tmp_path, text):
    corpus = corpus_of(tmp_path, f"{text}\n" * 60, Level.word)
    assert set(corpus.vocabulary) == {UNK, EOS, *text.split()}


def test_scripts_without_blanks_have_a_token_for_each_character_with_its_marks(tmp_path):
    corpus = corpus_of(tmp_path, "วันนี้漢字です。\n" * 60, Level.word)
    assert corpus.vocabulary == (UNK, EOS, "วั", "น", "นี้", "漢", "字", "で", "す", "。")  # as often: a line break first


@pytest.mark.parametrize(
    ("text", "level", "named"),
    [
        (" ".join(f"w{n}" for n in range(400)), Level.word, UNK),
        ("a" * 400, Level.char, "'a'"),
        ("a " * 400, Level.word, "'a'"),
    ],
)
def test_a_text_of_one_token_only_is_refused(tmp_path, text, level, named):
    with pytest.raises(UsageError, match="vocabulary") as refusal:
        corpus_of(tmp_path, text, level)
    assert named in str(refusal.value)
