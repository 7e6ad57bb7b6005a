from __future__ import annotations

import hashlib
import pickle
import resource
import signal
import tracemalloc
import zipfile

import pytest
import torch

from seqablate.errors import RunFailure
from seqablate.record.rows import CommitRow
from seqablate.training.checkpoint import VERSION, load_checkpoint, newest_whole, prune, save_checkpoint


def commit(folder, step: int) -> dict:
    return save_checkpoint(folder, step, {"model": {"w": torch.full((50,), float(step))}})


def committed(path, step: int) -> CommitRow:
    """The row that a stranger's folder would have for any file."""
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    return CommitRow(step=step, checkpoint=path.name, sha256=sha256, bytes=len(data))


def fits(state: dict) -> bool:
    return True


def test_what_is_saved_comes_back_and_the_hash_is_the_files(tmp_path):
    row = commit(tmp_path, 500)
    path = tmp_path / row.checkpoint
    assert path.name == "step_00000500.pt"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
    saved = load_checkpoint(path, row)
    assert (saved["step"], saved["version"]) == (500, VERSION)
    assert torch.equal(saved["model"]["w"], torch.full((50,), 500.0))


@pytest.mark.parametrize("damage", ["truncated", "bit flipped", "empty", "missing"])
def test_a_damaged_newest_checkpoint_is_passed_over_for_the_one_before(tmp_path, damage):
    commits = [commit(tmp_path, 10), commit(tmp_path, 20)]
    newest = tmp_path / commits[1].checkpoint
    data = bytearray(newest.read_bytes())
    if damage == "missing":
        newest.unlink()
    else:
        data[len(data) // 2] ^= 1
        newest.write_bytes(
            {"truncated": bytes(data[: len(data) // 2]), "bit flipped": bytes(data), "empty": b""}[damage]
        )
    state, damaged = newest_whole(tmp_path, commits, fits)
    assert state["step"] == 10
    assert damaged == ([] if damage == "missing" else [newest.name])


def test_without_a_whole_checkpoint_there_is_none(tmp_path):
    assert newest_whole(tmp_path, [], fits) == (None, [])


def test_loading_executes_nothing(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    path = tmp_path / "step_00000001.pt"
    torch.save({"version": VERSION, "step": Payload()}, path)
    assert load_checkpoint(path, committed(path, 1)) is None
    path.write_bytes(pickle.dumps(Payload(), protocol=2))
    assert load_checkpoint(path, committed(path, 1)) is None
    assert not (tmp_path / "executed").exists()


def test_a_full_disk_leaves_the_earlier_checkpoint_and_no_half_written_one(tmp_path):
    row = commit(tmp_path, 10)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # a real write fails with EFBIG
    try:
        with pytest.raises(RunFailure, match=r"cannot write .*step_00000020\.pt"):
            save_checkpoint(tmp_path, 20, {"model": {"w": torch.zeros(5000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in tmp_path.iterdir()] == [row.checkpoint]
    assert load_checkpoint(tmp_path / row.checkpoint, row)["step"] == 10


def test_pruning_keeps_the_newest_committed_and_clears_what_a_killed_process_left(tmp_path):
    for step in (10, 20, 30):
        commit(tmp_path, step)
    (tmp_path / ".step_00000040.pt").write_bytes(b"half")
    prune(tmp_path, step=30, keep=0, committed={10, 20, 30})
    assert len(list(tmp_path.iterdir())) == 3
    prune(tmp_path, step=30, keep=2, committed={10, 20, 30})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_00000020.pt", "step_00000030.pt"]


def test_damaged_files_of_later_steps_never_push_out_good_ones(tmp_path):
    for step in (10, 20, 300, 350):
        commit(tmp_path, step)  # 300 and 350 were damaged, and the run began again before them
    prune(tmp_path, step=20, keep=2, committed={10, 20, 300, 350})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_00000010.pt", "step_00000020.pt"]
    commit(tmp_path, 100_000_000)
    every = {10, 20, 100_000_000}  # nine digits: the number counts, not the name
    prune(tmp_path, step=100_000_000, keep=1, committed=every)
    assert [p.name for p in tmp_path.iterdir()] == ["step_100000000.pt"]


def test_pruning_leaves_every_file_alone_that_the_run_has_not_committed(tmp_path):
    for step in (10, 20, 30):
        commit(tmp_path, step)
    theirs = ["step_best.pt", "step_00000020 (copy).pt", "step_00000099.pt", "notes.txt", ".step_mine"]
    for name in theirs:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".step_dir").mkdir()
    (tmp_path / "step_00000005.pt").mkdir()
    prune(tmp_path, step=30, keep=1, committed={5, 10, 20, 30})
    expected = [*theirs, ".step_dir", "step_00000005.pt", "step_00000030.pt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(expected)


def test_a_compressed_checkpoint_that_would_fill_the_memory_is_not_unpacked(tmp_path):
    path = tmp_path / "step_00000001.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    assert load_checkpoint(path, committed(path, 1)) is None
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
