"""run.json and config.yaml that are damaged, edited or hostile: one line that names the file and the key."""

from __future__ import annotations

import os

import pytest
from damaged.conftest import fifo

INFO = {
    "a FIFO": (lambda x: fifo(x.info), "not a regular file"),
    "a link to a decoy": (lambda x: x.link("run.json", "../outside/victim.txt"), "not a regular file"),
    "6 GB, sparse": (lambda x: os.truncate(x.info, 6 << 30), "bytes"),
    "arrays nested 200,000 deep": (lambda x: x.info.write_text("[" * 200_000 + "]" * 200_000), "damaged"),
    "cut": (lambda x: x.info.write_bytes(x.info.read_bytes()[:300]), "damaged"),
    "emptied": (lambda x: x.info.write_bytes(b""), "damaged"),
    "random bytes": (lambda x: x.info.write_bytes(os.urandom(999)), "damaged"),
    "rich markup in the status": (lambda x: x.set(status="[/nope] x"), "status"),
    "terminal escapes in the status": (lambda x: x.set(status="\x1b[31mred\x1b]0;title\x07"), "status"),
    "a status that is a list": (lambda x: x.set(status=[1]), "status"),
    "rich markup in the seed": (lambda x: x.set(seed="[/x]"), "seed"),
    "a step that is infinite": (lambda x: x.set(step="inf"), "step"),
    "metric is text": (lambda x: x.set(metric="x"), "metric"),
    "metric is empty": (lambda x: x.set(metric={}), "metric"),
    "metric has markup in its name": (lambda x: x.metric(name="[/b]x[bold]"), "metric.name"),
    "metric is not among the results": (lambda x: x.metric(name="accuracy"), "accuracy"),
    "chance is text": (lambda x: x.metric(chance="abc"), "metric.chance"),
    "final is text": (lambda x: x.set(final="x"), "final"),
    "a result is text": (lambda x: x.set(final={"loss": 1, "mse": "x"}), "final.mse"),
    "decay is text": (lambda x: x.set(decay="x"), "decay"),
    "decay is [{}]": (lambda x: x.set(decay=[{}]), "decay.0."),
    "seconds are text": (lambda x: x.set(seconds={"total": "x", "train": 1, "eval": 1}), "seconds.total"),
    "clipped_share is text": (lambda x: x.set(clipped_share="x"), "clipped_share"),
    "test is text": (lambda x: x.set(test="x"), "test"),
    "device is code": (lambda x: x.set(device='__import__("os")'), "device"),
    "a version that is text": (lambda x: x.set(version="\x1b[31m"), "version"),
    "another version": (lambda x: x.set(version=1), "version 1"),
    "another digest": (lambda x: x.set(digest="0" * 64), ""),
    **{
        f"{key} missing": (lambda x, key=key: x.drop(key), key)
        for key in ("device", "backend", "data_sha256", "baselines", "name", "status", "seconds", "test")
    },
    "a name with escapes and a line break": (lambda x: x.set(name="\x1b]0;pwn\x07<b>a</b>\n$x_{$"), "name"),
}


def aliases(first: str, more: str):
    lines = [first, *(more.format(i=i, j=i - 1) for i in range(1, 26))]
    return lambda x: x.config.write_text(x.config.read_text() + "\n".join(lines) + "\n")


def add(text: str):
    return lambda x: x.config.write_text(x.config.read_text() + text)


def half(x) -> None:
    lines = x.config.read_text().splitlines()
    x.config.write_text("\n".join(lines[: len(lines) // 2]))


def corpus(x) -> None:
    text = x.config.read_text()
    begin = text.index("task:")
    task = "task:\n  name: lm\n  corpus: '/nope/${oc.env:SECRET}.txt'\n  level: char\n  bptt: 8\n  vocab_size: 100"
    x.config.write_text(text[:begin] + task + text[text.index("\n", text.index("shuffle_labels")) :])


CONFIG = {
    "a FIFO": (lambda x: fifo(x.config), "not a regular file"),
    "6 GB, sparse": (lambda x: os.truncate(x.config, 6 << 30), "bytes"),
    "missing": (lambda x: x.config.unlink(), "cannot read"),
    "emptied": (lambda x: x.config.write_text(""), "damaged"),
    "no UTF-8": (lambda x: x.config.write_bytes(b"\xff\xfe\xfa"), "damaged"),
    "the first half only": (half, "different in the record"),
    "aliases of tables": (aliases("a0: &a0 {x: 1, y: 2}", "a{i}: &a{i} {{p: *a{j}, q: *a{j}, r: *a{j}}}"), "alias"),
    "aliases of lists": (aliases("a0: &a0 [1, 2]", "a{i}: &a{i} [*a{j}, *a{j}, *a{j}]"), "alias"),
    "a node that holds itself": (add("zz: &z {a: *z}\n"), "alias"),
    "lists nested 5,000 deep": (add("zz: " + "[" * 5000 + "]" * 5000 + "\n"), "damaged"),
    "lists nested 20 deep": (add("zz: " + "[" * 20 + "]" * 20 + "\n"), "deep"),
    "a key that is a number": (add("3: 4\n"), "key 3"),
    "a key that does not exist": (add("zz: 4\n"), "zz"),
    "a date": (add("zz: 2001-01-01\n"), "zz"),
    "an environment variable as a number": (
        lambda x: x.edit("batch_size: 4", "batch_size: ${oc.env:SECRET}"),
        "batch_size",
    ),
    "an environment variable in a corpus": (corpus, "task.corpus"),
    "lr edited": (lambda x: x.edit("lr: 0.01", "lr: 0.5"), "optim.lr"),
    "seed edited": (lambda x: x.edit("\nseed: 0\n", "\nseed: 5\n"), "seed"),
    "optim edited": (lambda x: x.edit("name: adam\n", "name: adamw\n"), "optim"),
    "steps edited upwards": (lambda x: x.edit("steps: 60", "steps: 80"), "steps"),
    "steps edited below what is done": (lambda x: x.edit("steps: 60", "steps: 10"), "steps"),
    "hidden_size edited": (lambda x: x.edit("hidden_size: 8", "hidden_size: 16"), "model.hidden_size"),
    "a Python tag": (lambda x: x.edit("seed: 0", "seed: !!python/object/apply:os.getcwd []"), "tags"),
    "a tag of YAML's own": (lambda x: x.edit("seed: 0", "seed: !!int '0'"), "tags"),
}


@pytest.mark.parametrize("name", INFO)
def test_a_run_json_that_is_not_as_declared_is_refused_naming_the_key(name, refused):
    damage, word = INFO[name]
    refused(damage, "record.jsonl" if name == "another digest" else "run.json", word)


@pytest.mark.parametrize("name", CONFIG)
def test_a_config_that_is_not_the_one_of_the_beginning_is_refused_naming_the_keys(name, refused):
    damage, word = CONFIG[name]
    refused(damage, "config.yaml", word)


def test_what_does_not_change_the_result_may_be_edited_before_a_resumption(resumed):
    def damage(x):
        x.edit("keep: 2", "keep: 1")
        x.edit("quiet: false", "quiet: true")

    assert len(list(resumed(damage).checkpoints.iterdir())) == 1


def test_markup_and_dollars_in_a_name_are_printed_as_text(copy, run, tmp_path):
    x = copy("good")
    x.set(name="[bold]$x_{$<b>", message="\x1b[31m[red]")
    outcome = run("show", x.path, "--out", tmp_path / "pictures")
    assert outcome.code == 0, outcome.text
