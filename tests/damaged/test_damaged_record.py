"""A record that is damaged, foreign, endless or hostile: said in one line, or what is whole is used."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from damaged.conftest import fifo
from recorded import resume_row

TRAIN = {"kind": "train", "step": 3, "loss": 1, "grad_norm": 1, "grad_norm_clipped": 1, "update_ratio": 1, "lr": 1}
TRAIN |= {"clipped": 0}
SIGNAL = {"kind": "signal", "step": 40, "quantity": "total", "part": "", "layer": 0, "direction": "forward"}
SIGNAL |= {"state": "h", "loss_step": "all", "at": None, "values": []}
MATRIX = {"at": [0, 1], "values": [[1.0, 2.0], [3.0, 4.0]]}


def row(base: dict, **new) -> str:
    return json.dumps({key: value for key, value in (base | new).items() if value is not ...})


def cut(share: float):
    def damage(x):
        x.record.write_bytes(x.record.read_bytes()[: int(x.record.stat().st_size * share)])

    return damage


def append(line: bytes, times: int):
    def damage(x):
        with x.record.open("ab") as file:
            file.write(line * times)

    return damage


def replace(old: bytes, new: bytes):
    def damage(x):
        assert old in x.record.read_bytes()
        x.record.write_bytes(x.record.read_bytes().replace(old, new, 1))

    return damage


WHOLE_FILE = {
    "one bit of a key": (replace(b"grad_norm", b"gred_norm"), "grad_norm"),
    "one bit of a kind": (replace(b'"kind":"train","step":7', b'"kind":"tbain","step":7'), "steps 7 to 7 are missing"),
    "one bit of the syntax": (replace(b'{"kind":"train","step":7', b'{"kind":"train"<"step":7'), "7 are missing"),
    "random bytes": (lambda x: x.record.write_bytes(os.urandom(5000)), ""),
    "emptied": (lambda x: x.record.write_bytes(b""), "nothing was recorded"),
    "half of its first row": (lambda x: x.record.write_bytes(x.record.read_bytes()[:100]), "nothing was recorded"),
    "no header": (lambda x: x.record.write_bytes(x.record.read_bytes().split(b"\n", 1)[1]), "no header"),
    "of another run": (lambda x: shutil.copy(x.other / "record.jsonl", x.record), "another run"),
    "a FIFO": (lambda x: fifo(x.record), "not a regular file"),
    "a folder": (lambda x: (x.record.unlink(), x.record.mkdir()), "not a regular file"),
    "6 GB, sparse": (lambda x: os.truncate(x.record, 6 << 30), "longer than"),
    "100,000 lines of garbage": (append(b"garbage\n", 100_000), "no rows"),
    "a digest of its own": (lambda x: replace(b'"digest":"', b'"digest":"0')(x), "digest"),
}
ROWS = {
    "arrays nested 200,000 deep": ('{"kind":"train","step":' + "[" * 200_000 + "]" * 200_000 + "}", -3),
    "arrays nested 900 deep": ('{"kind":"x","step":' + "[" * 900 + "]" * 900 + "}", -3),
    "a train row without loss": ('{"kind":"train","step":3}', -3),
    "a second train row of one step": (row(TRAIN), -3),
    "a loss that is text": (row(TRAIN, loss="zz"), -3),
    "a step that is text": (row(TRAIN, step="x"), -3),
    "a step that is huge": (row(TRAIN, step=10**30), -3),
    "a step that is true": (row(TRAIN, step=True), -3),
    "a signal without anything": ('{"kind":"signal"}', -3),
    "a signal whose values are text": (row(SIGNAL, values=["a"]), -3),
    "a signal whose values are lists": (row(SIGNAL, values=[[1.0]]), -3),
    "a signal without loss_step": (row(SIGNAL, loss_step=...), -3),
    "a signal of a layer below 0": (row(SIGNAL, layer=-1), -3),
    "a signal with escapes in its state": (row(SIGNAL, state="\x1b[31m"), -3),
    "a signal with markup in its state": (row(SIGNAL, state="[/red]"), -3),
    "a signal whose quantity is a path": (row(SIGNAL, quantity="../a"), -3),
    "a curve with a second axis": (row(SIGNAL, at=[0, 1], values=[1.0, 2.0]), -3),
    "a matrix without its second axis": (row(SIGNAL | MATRIX, at=None), -3),
    "a matrix with rows of two lengths": (row(SIGNAL | MATRIX, values=[[1.0, 2.0], [3.0]]), -3),
    "a matrix with one column too many": (row(SIGNAL | MATRIX, at=[0]), -3),
    "a matrix with a number for a row": (row(SIGNAL | MATRIX, values=[[1.0, 2.0], 3.0]), -3),
    "a matrix of three axes": (row(SIGNAL | MATRIX, values=[[[1.0], [2.0]]]), -3),
    "a matrix of text": (row(SIGNAL | MATRIX, values=[["a", "b"]]), -3),
    "a second axis that turns back": (row(SIGNAL | MATRIX, at=[1, 0]), -3),
    "a second axis that is not a number": (row(SIGNAL | MATRIX, at=[0, "nan"]), -3),
    "a second axis without an end": (row(SIGNAL | MATRIX, at=[0, "inf"]), -3),
    "a curve of three million values": (row(SIGNAL, values=[0] * 3_000_000), -3),
    "a matrix of three million values": (row(SIGNAL, at=list(range(1000)), values=[[0] * 1000] * 3000), -3),
    "an evaluation without metrics": ('{"kind":"eval","step":40}', -3),
    "a commit without hash": ('{"kind":"commit","step":40,"checkpoint":"step_00000040.pt"}', -1),
    "a commit of a number": ('{"kind":"commit","step":40,"checkpoint":3,"sha256":"","bytes":1}', -1),
    "a resume row without checkpoint": ('{"kind":"resume","step":40}', -3),
    "a resume row of what was never committed": (row(resume_row(7)), -3),
    "a header without version": ('{"kind":"header"}', 0),
    "a second header": ('{"kind":"header"}', 5),
    "terminal escapes in the version": ('{"kind":"header","version":"\\u001b[31mX\\u001b]0;pwn\\u0007[bold]"}', 0),
}


@pytest.mark.parametrize("name", WHOLE_FILE)
def test_a_damaged_record_is_refused_in_one_line(name, refused):
    damage, word = WHOLE_FILE[name]
    refused(damage, "record.jsonl", word)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_no_run_writes_is_refused_with_its_line(name, refused):
    line, at = ROWS[name]
    refused(lambda x: x.insert(line, at), "record.jsonl", "line ")


def test_a_record_that_lost_its_end_is_resumed_from_the_newest_checkpoint_that_it_names(resumed):
    def damage(x):
        lines = x.record.read_bytes().splitlines(keepends=True)
        at = max(n for n, line in enumerate(lines) if b'"commit"' in line)
        x.record.write_bytes(b"".join(lines[: at + 1]))
        shutil.copy(x.last, x.checkpoints / "step_00000055.pt")

    resumed(damage, "step_00000055.pt is not in the record", "from step 40")


def test_a_record_that_names_no_checkpoint_any_more_is_refused_rather_than_begun_again(refused):
    refused(cut(0.6), "checkpoints", "step_00000040.pt is not in the record", show=False)


def test_zeros_at_the_end_of_a_record_are_passed_over(resumed):
    resumed(lambda x: x.record.write_bytes(x.record.read_bytes()[:-200] + bytes(200)), "resumed at step 40")


def test_rows_of_another_kind_and_some_garbage_are_passed_over(resumed):
    def damage(x):
        x.insert("garbage")
        x.insert("[1, 2]")
        x.record.write_bytes(x.record.read_bytes().replace(b"\n", b"\r\n"))
        append(b'{"kind":"note","step":1}\n', 100_000)(x)

    resumed(damage, "resumed at step 40")


def test_a_folder_in_which_nothing_was_recorded_says_so(originals, tmp_path, run):
    (tmp_path / "x" / "checkpoints").mkdir(parents=True)
    shutil.copy(originals / "good" / "config.yaml", tmp_path / "x")
    run("resume", tmp_path / "x").is_one_line("nothing was recorded", "start the run again")
