"""Checkpoints that are damaged or hostile, and files of others beside them and beside the record."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from damaged.conftest import contents, fifo

import seqablate


class Payload:
    """What a hostile pickle would do: here it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path / "EXECUTED"), "w"))


def shrink(state: dict) -> None:
    state["model"].update({key: value[:1].clone() for key, value in state["model"].items()})


def forget_momentum(state: dict) -> None:
    for kept in state["optimizer"]["state"].values():
        del kept["exp_avg"]


def other_momentum(state: dict) -> None:
    for kept in state["optimizer"]["state"].values():
        kept["exp_avg"] = torch.zeros(3)


FORGED = {
    "a tensor": lambda x: x.forge(lambda f: torch.save(torch.zeros(3), f)),
    "a list": lambda x: x.forge(lambda f: torch.save([1, 2], f)),
    "only a version": lambda x: x.forge(lambda f: torch.save({"version": 1, "step": 40}, f)),
    "without the optimizer": lambda x: x.change(lambda s: s.pop("optimizer")),
    "the optimizer's state lacks a part": lambda x: x.change(forget_momentum),
    "the optimizer's state has other shapes": lambda x: x.change(other_momentum),
    "the optimizer has another rule": lambda x: x.change(lambda s: s["optimizer"]["param_groups"][0].update(eps=1.0)),
    "one more entry in progress": lambda x: x.change(lambda s: s["progress"].update(foo=1)),
    "a best that is empty": lambda x: x.change(lambda s: s["progress"].update(best={})),
    "seconds that are text": lambda x: x.change(lambda s: s["progress"].update(seconds="x")),
    "parameters of other shapes": lambda x: x.change(shrink),
    "parameters of another type": lambda x: x.change(lambda s: s["model"].update(dict.fromkeys(s["model"], 0))),
    "step is text": lambda x: x.change(lambda s: s.update(step="x")),
    "step is another": lambda x: x.change(lambda s: s.update(step=20)),
    "carried is text": lambda x: x.change(lambda s: s.update(carried="x")),
    "that of another run, with its hash": lambda x: x.forge(
        lambda f: shutil.copy(x.other / "checkpoints/step_00000060.pt", f)
    ),
    "a pickle with a payload": lambda x: x.forge(lambda f: f.write_bytes(pickle.dumps(Payload(x.outside)))),
    "a payload through torch.save": lambda x: x.change(lambda s: s.update(model=Payload(x.outside))),
    "truncated": lambda x: x.last.write_bytes(x.last.read_bytes()[:-100]),
    "random bytes": lambda x: x.last.write_bytes(os.urandom(4000)),
    "a FIFO": lambda x: fifo(x.last),
    "a folder": lambda x: (x.last.unlink(), x.last.mkdir()),
    "a link to a decoy": lambda x: x.link(f"checkpoints/{x.last.name}", "../../outside/victim.txt"),
    "6 GB, sparse": lambda x: os.truncate(x.last, 6 << 30),
}
REFUSED = {
    "checkpoints is a file": (lambda x: (shutil.rmtree(x.checkpoints), x.checkpoints.write_text("x")), "checkpoints"),
    "checkpoints is a link to a folder": (lambda x: elsewhere(x), "checkpoints"),
    "the commits name a number": (lambda x: x.recommit(checkpoint=3), "record.jsonl"),
    "the commits name a file outside": (lambda x: x.recommit(checkpoint="../../outside/x.pt"), "record.jsonl"),
    "the commits name the folder": (lambda x: x.recommit(checkpoint="."), "record.jsonl"),
}


def elsewhere(x) -> None:
    for file in x.checkpoints.iterdir():
        shutil.copy(file, x.outside)
    (x.outside / "step_00000099.pt").write_text("mine")
    x.link("checkpoints", "../outside")


@pytest.mark.parametrize("name", FORGED)
def test_a_checkpoint_that_is_not_of_this_run_is_passed_over_and_named(name, copy, run, originals):
    """With the one before still there, the run goes on from it; without, it is refused and nothing changes."""
    x = copy("half")
    FORGED[name](x)
    before = contents(x.path), contents(x.outside)
    run("resume", x.path).is_one_line("no checkpoint to go on from", "step_00000040.pt is damaged")
    loaded, message = None, ""
    try:
        loaded = seqablate.load_run(x.path).load_model().state_dict()
    except seqablate.UsageError as error:
        message = str(error)
    if loaded is None:
        assert "step_00000040" in message
    else:  # only what a run goes on with is damaged
        whole = seqablate.load_run(originals / "half").load_model().state_dict()
        assert all(loaded[key].equal(whole[key]) for key in whole)
    assert (contents(x.path), contents(x.outside)) == before
    assert not (x.outside / "EXECUTED").exists()


def test_a_forged_checkpoint_is_passed_over_for_the_one_before(copy, run, tmp_path):
    whole = ["eval.every=20", "checkpoint.every=20", "checkpoint.keep=0", "steps=60", "eval.size=20", "batch_size=4"]
    words = [*whole, "model.hidden_size=8", "task.length=10", "stop_when_solved=false", "name=run", "quiet=true"]
    assert run("train", *words, f"output_dir={tmp_path}").code == 0
    path = tmp_path / "run"
    lines = (path / "record.jsonl").read_bytes().splitlines(keepends=True)
    cut = max(n for n, line in enumerate(lines) if b'"commit"' in line and b"00000040" in line)
    (path / "record.jsonl").write_bytes(b"".join(lines[: cut + 1]))
    info = (path / "run.json").read_text()
    (path / "run.json").write_text(info.replace('"status": "done"', '"status": "running"'))
    shutil.copy(path / "checkpoints/step_00000020.pt", path / "checkpoints/step_00000040.pt")
    (path / "checkpoints/step_00000060.pt").unlink()
    outcome = run("resume", path)
    assert outcome.code == 0, outcome.text
    assert "step_00000040.pt is damaged; going on from step 20" in outcome.err
    assert seqablate.load_run(path).status == "done"


@pytest.mark.parametrize("name", REFUSED)
def test_checkpoints_are_files_in_their_folder_or_the_run_is_refused(name, refused):
    damage, word = REFUSED[name]
    refused(damage, word, show=False)


def test_files_of_others_in_checkpoints_are_left_alone(resumed):
    def damage(x):
        shutil.copy(x.last, x.checkpoints / "step_best.pt")
        shutil.copy(x.last, x.checkpoints / "step_00000040 (copy).pt")
        (x.checkpoints / ".step_dir").mkdir()

    names = {path.name for path in resumed(damage).checkpoints.iterdir()}
    assert names >= {"step_best.pt", "step_00000040 (copy).pt", ".step_dir", "step_00000060.pt"}


@pytest.mark.parametrize("name", ["record.jsonl", "config.yaml", "run.json"])
def test_a_link_in_the_place_of_a_file_is_refused_and_not_followed(name, refused):
    def damage(x):
        shutil.copy(x.path / name, x.outside / "victim.txt")
        x.link(name, "../outside/victim.txt")

    refused(damage, name, "not a regular file")


def test_a_record_with_a_second_name_is_not_appended_to(copy, run):
    x = copy("half")
    os.link(x.record, x.outside / "second.jsonl")
    before = contents(x.outside)
    run("resume", x.path).is_one_line("record.jsonl", "hard link")
    assert contents(x.outside) == before


@pytest.mark.parametrize("name", [".run.json", ".signals.parquet", "signals.parquet", "checkpoints/.step_00000060.pt"])
def test_links_in_the_place_of_what_is_written_are_replaced_never_followed(name, resumed):
    to = "../../outside/victim.txt" if "/" in name else "../outside/victim.txt"
    x = resumed(lambda x: x.link(name, to))
    assert not list(x.path.rglob("*victim*"))


@pytest.mark.parametrize("kind", ["a link", "a folder", "a FIFO", "gone"])
def test_an_event_file_that_is_none_is_made_again(kind, resumed):
    def damage(x):
        name = x.events.name
        x.events.unlink()
        if kind == "a link":
            x.events.symlink_to("../outside/victim.txt")
        elif kind == "a folder":
            x.events.mkdir()
        elif kind == "a FIFO":
            os.mkfifo(x.path / name)

    x = resumed(damage)
    assert [p for p in x.path.glob("events.out*") if p.is_file() and not p.is_symlink()]


def test_an_event_file_of_the_users_own_stays(resumed):
    mine = "events.out.tfevents.1.mine"
    x = resumed(lambda x: (x.path / mine).write_text("mine"))
    assert (x.path / mine).read_text() == "mine"
    assert len(list(x.path.glob("events.out*"))) == 2


def test_a_loop_of_links_is_passed(resumed, run, copy, tmp_path):
    resumed(lambda x: (x.path / "loop").symlink_to(".."))
    x = copy("good")
    (x.path / "loop").symlink_to("..")
    assert run("show", tmp_path / "good-x", "--out", tmp_path / "pictures").code == 0
    assert run("rebuild", tmp_path).code == 0


def test_tensorboard_is_not_opened_on_what_is_no_file(copy, run):
    x = copy("good")
    fifo(x.events)
    run("tensorboard", x.path).is_one_line(x.events.name, "not a regular file")
