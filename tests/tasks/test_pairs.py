"""Minimal pairs: what is read of each layout, and what a language model says of them, against plain loops."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from seqablate import load_run, train
from seqablate.assemble import build_task, read_overrides
from seqablate.cli import main
from seqablate.errors import UsageError
from seqablate.tasks.syntax.grammar import VERBS, WORDS
from seqablate.tasks.syntax.pairs import Pair, read_pairs
from seqablate.training.pairs import log_probabilities, score_pairs

BLIMP = [
    {
        "sentence_good": "The cats sleep.",
        "sentence_bad": "The cats sleeps.",
        "linguistics_term": "agreement",
        "UID": "a1",
    },
    {"sentence_good": "He ran.", "sentence_bad": "Him ran."},
]
GULORDAVA = [
    "pattern\tconstr_id\tclass\tform\tprefix\tn_attr\tsent",
    "N\t1\tcorrect\tpromises\tThis wagon and\t0\tThis wagon and refuses",
    "N\t1\twrong\tpromise\tThis wagon and\t0\tThis wagon and refuses",
    'N\t2\tcorrect\tare\t"The ""old"" men near the key"\t1\tx',
    'N\t2\twrong\tis\t"The ""old"" men near the key"\t1\tx',
]
LINZEN = [
    "sentence\torig_sentence\tverb\tverb_pos\tverb_index\tn_intervening\tn_diff_intervening",
    "x\tthe key to the cabinets is here\tis\tVBZ\t6\t1\t1",
    "x\tthe men try it\ttry\tVBP\t3\t0\t0",
    "x\tthe key to the man with the dogs works\tworks\tVBZ\t9\t2\t1",
]


def written(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "pairs"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_layout_of_blimp(tmp_path):
    assert read_pairs(written(tmp_path, [json.dumps(row) for row in BLIMP])) == [
        Pair("The cats sleep.", "The cats sleeps.", "agreement / a1"),
        Pair("He ran.", "Him ran.", "all"),
    ]


def test_the_layout_of_gulordava(tmp_path):
    assert read_pairs(written(tmp_path, GULORDAVA)) == [
        Pair("This wagon and promises", "This wagon and promise", "0 attractors"),
        Pair('The "old" men near the key are', 'The "old" men near the key is', "1 attractor"),
    ]


def test_the_layout_of_linzen(tmp_path):
    assert read_pairs(written(tmp_path, LINZEN)) == [
        Pair("the key to the cabinets is", "the key to the cabinets are", "1 attractor"),
        Pair("the men try", "the men tries", "0 attractors"),
        Pair("the key to the man with the dogs works", "the key to the man with the dogs work", "mixed"),
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "is neither lines of JSON"),
        (["a text"], "is neither lines of JSON"),
        (["{no json"], "line 1 is no JSON"),
        (['{"sentence_good": "a"}'], "line 1 has no sentence_bad"),
        (['{"sentence_good": "a", "sentence_bad": 3}'], "line 1 has no sentence_bad"),
        ([json.dumps(BLIMP[0]), "[" * 100_000], "line 2 is no JSON"),
        ([json.dumps(BLIMP[0]), "[1]"], "line 2 has no sentence_good"),
        (GULORDAVA[:1], "has no pairs"),
        (GULORDAVA[:2], "no row of class wrong after it"),
        ([*GULORDAVA[:1], GULORDAVA[2]], "must follow each other"),
        ([*GULORDAVA[:2], GULORDAVA[4]], "line 3: its prefix"),
        ([GULORDAVA[0], "N\t1\tcorrect\tare\t" + 200_000 * "x" + "\t1\tx"], "line 2: field larger than"),
        ([*GULORDAVA[:1], "N\t1"], "line 2 has 2 fields, and the first line 7"),
        ([LINZEN[0], LINZEN[1].replace("\t6\t", "\t60\t")], "verb_index=60 is no place"),
        ([LINZEN[0], LINZEN[1].replace("\t6\t", "\tsix\t")], "verb_index=six: must be a whole number"),
        ([LINZEN[0], LINZEN[1].replace("\tis\t", "\tare\t")], "line 2: verb=are is not a form of VBZ"),
        ([LINZEN[0], LINZEN[1].replace("VBZ", "NN")], "verb_pos=NN: must be VBZ or VBP"),
    ],
)
def test_a_bad_file_is_refused_with_one_line(lines, said, tmp_path, capsys):
    path = written(tmp_path, lines)
    with pytest.raises(UsageError) as refused:
        read_pairs(path)
    assert said in str(refused.value)
    assert main(["evaluate", "no_run", f"pairs={path}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "binary", tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="pairs="):
            read_pairs(path)


@pytest.mark.parametrize("model", ["lstm", "transformer"])
def test_a_texts_probability_is_the_product_of_those_of_its_tokens(model):
    from seqablate.assemble import assemble

    words = ["task=agreement", "task.variant=lm", f"model={model}", "model.hidden_size=8", "dtype=float64"]
    parts = assemble(read_overrides(words))
    texts = [[1, 10, 34], [5, 1, 12, 2, 1, 20, 40], [3]]
    found = log_probabilities(parts.model, 0, texts)
    for text, total in zip(texts, found, strict=True):
        before, by_hand = [0], 0.0
        for token in text:
            logits = parts.model(torch.tensor(before)[:, None], None, None, None)[0][-1, 0].tolist()
            by_hand += logits[token] - math.log(sum(map(math.exp, logits)))
            before.append(token)
        assert total == pytest.approx(by_hand, rel=1e-9)


class Unigram:
    """A model that finds each word as probable as its id is large, whatever stands before it."""

    def __call__(self, x, lengths, state, generator):
        return torch.arange(46.0).expand(*x.shape, 46), ()


def test_pairs_are_counted_by_group_and_unknown_words_are_said():
    task = build_task(read_overrides(["task=agreement", "task.variant=lm"]))
    pairs = [
        Pair("the key", "the cabinet", "a"),  # of a larger id
        Pair("the author", "the key", "a"),
        Pair("the key is", "the key is", "a"),  # the same
        Pair("the key are", "the key is", "b"),
        Pair("the zebra is", "the zebra are", "b"),  # unknown
    ]
    found = score_pairs(Unigram(), task, pairs)
    assert {name: (tally.right, tally.scored) for name, tally in found.groups.items()} == {"a": (1, 2), "b": (1, 1)}
    assert (found.unknown, found.too_long, found.equal, found.unknown_word) == (1, 0, 1, 1)


@pytest.mark.parametrize("model", ["lstm", "transformer"])
def test_the_accuracy_of_pairs_is_that_of_the_tasks_own_evaluation_on_its_sentences(model):
    from contextlib import nullcontext

    from seqablate.assemble import assemble
    from seqablate.training.evaluate import evaluate
    from seqablate.training.step import train_step

    words = ["task=agreement", "task.variant=lm", f"model={model}", "eval.size=300", "dtype=float64", "optim.lr=0.01"]
    parts = assemble(read_overrides(words))
    for step in range(12):
        train_step(parts, step, parts.task, None, nullcontext(), measure_update=False)
    pairs = []
    for batch in parts.task.eval_batches("evaluation"):
        for x, y in zip(batch.x.T, batch.y.T, strict=True):
            *sentence, verb = [WORDS[i] for i in y if i >= 0]
            assert [WORDS[i] for i in x if i != 0] == sentence
            ((other,),) = ({one, two} - {verb} for one, two in VERBS if verb in (one, two))
            pairs.append(Pair(" ".join([*sentence, verb]), " ".join([*sentence, other]), "all"))
    tally = score_pairs(parts.model, parts.task, pairs).groups["all"]
    wrong = evaluate(parts, "evaluation").metrics["wrong"]
    assert tally.scored == 300
    assert tally.right == round(300 * (1 - wrong))
    assert 0.05 < wrong < 0.95  # not all one way, which any two ways of reading would agree on


def test_a_corpus_stands_unknown_words_with_its_token_for_them(tmp_path):
    (tmp_path / "a.txt").write_text("the cat sleeps . the dog sleeps .\n" * 300)
    words = [
        "task=lm",
        "task.level=word",
        f"task.corpus={tmp_path / 'a.txt'}",
        "task.bptt=8",
        "steps=30",
        "eval.every=30",
    ]
    run = train([*words, f"output_dir={tmp_path}", "model.hidden_size=8", "diagnostic=[]"])
    task = build_task(read_overrides(words))
    pairs = [
        Pair("the zebra sleeps", "the zebra cat", "a"),
        Pair("the yak", "the gnu", "a"),
        Pair("the cat", "cat the", "b"),
    ]
    found = score_pairs(run.load_model(), task, pairs)
    assert {name: (tally.right, tally.scored) for name, tally in found.groups.items()} == {"a": (1, 1), "b": (1, 1)}
    assert (found.unknown, found.too_long, found.equal, found.unknown_word) == (2, 0, 0, 1)


def test_pairs_of_which_none_can_be_scored_are_refused_with_the_counts_of_each_reason():
    from seqablate.assemble import assemble

    parts = assemble(read_overrides(["task=agreement", "task.variant=lm", "model=transformer", "model.hidden_size=4"]))
    long = "the key near " * 8
    pairs = [Pair("the key is", "the key is", "a"), Pair(f"{long} is", f"{long} are", "a")]
    pairs += [Pair("the yak is", "the yak are", "a")] * 2
    with pytest.raises(UsageError, match=r"1 pair with a text longer.*; 1 pair whose .*; 2 pairs with a word outside"):
        score_pairs(parts.model, parts.task, pairs)
    found = score_pairs(parts.model, parts.task, [*pairs, Pair("the key is", "the key are", "b")])
    assert (found.too_long, found.equal, found.unknown_word) == (1, 1, 2)
    assert found.groups["b"].scored == 1


def test_the_command_prints_accuracy_by_group_and_writes_nothing(tmp_path, capsys):
    words = ["task=agreement", "task.variant=lm", "steps=2", "eval.every=2", "eval.size=10", "model.hidden_size=4"]
    run = train([*words, "diagnostic=[]", f"output_dir={tmp_path}"])
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    path = written(tmp_path, LINZEN[:2])
    assert main(["evaluate", str(run.path), f"pairs={path}", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown["groups"]) == ["1 attractor"]
    assert main(["evaluate", str(run.path), f"pairs={path}"]) == 0
    assert "1 attractor" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


def test_a_run_of_another_task_is_refused(tmp_path, capsys):
    run = train(["task=copy", "task.length=3", "steps=1", "eval.every=1", "eval.size=4", f"output_dir={tmp_path}"])
    path = written(tmp_path, GULORDAVA)
    assert main(["evaluate", str(run.path), f"pairs={path}"]) == 2
    assert "task=lm" in capsys.readouterr().err
    assert load_run(run.path).info.status == "done"
    assert main(["evaluate", str(run.path), str(path)]) == 2
