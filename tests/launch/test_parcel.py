"""Run folders that travel as bytes: what arrives is whole or nothing, and no other place is touched."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from recorded import DIGEST, info

from seqablate.errors import UsageError
from seqablate.launch.cluster.parcel import bring_home, pack, settle, unpack


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def a_run(folder: Path, step: int = 3, status: str = "done") -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(info(step=step, status=status)))
    (folder / "record.jsonl").write_bytes(b"{}\n" * step)
    (folder / "checkpoints" / "step_00000003.pt").write_bytes(bytes(range(256)))
    return folder


def archive(first: object, data: bytes = b"") -> bytes:
    """An archive as anybody may write it."""
    return json.dumps(first).encode() + b"\n" + data


def entry(path: object, data: bytes = b"x", **new: object) -> dict[str, object]:
    return {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} | new


def listing(*entries: dict[str, object], **new: object) -> dict[str, object]:
    return {"version": 1, "folders": [], "files": list(entries)} | new


def test_a_folder_comes_out_as_it_went_in(tmp_path):
    run = a_run(tmp_path / "run")
    (run / "empty").mkdir()
    unpack(pack(run), tmp_path / "out")
    assert contents(tmp_path / "out") == contents(run)
    assert (tmp_path / "out" / "empty").is_dir()


def test_an_archive_says_what_it_holds_in_its_first_line(tmp_path):
    run = a_run(tmp_path / "run")
    first, _, rest = pack(run).partition(b"\n")
    files = json.loads(first)["files"]
    assert {f["path"]: f["sha256"] for f in files} == {
        path: hashlib.sha256(data).hexdigest() for path, data in contents(run).items()
    }
    assert rest == b"".join(contents(run)[f["path"]] for f in files)


def test_links_pipes_and_hidden_files_stay_behind(tmp_path):
    run = a_run(tmp_path / "run")
    whole = contents(run)
    (tmp_path / "secret").write_text("secret")
    (run / "link").symlink_to(tmp_path / "secret")
    (run / "folder").symlink_to(tmp_path)
    (run / ".run.json").write_text("half")
    os.mkfifo(run / "pipe")
    unpack(pack(run), tmp_path / "out")
    assert contents(tmp_path / "out") == whole
    assert not (tmp_path / "out" / "folder").exists()


@pytest.mark.parametrize(
    "path", ["/etc/x", "../x", "a/../../x", "a//x", ".hidden", "a/.x", "", "a\\x", "a\nx", "a/b/c/d/e", 7, "./x", "a/"]
)
def test_a_path_that_is_not_plain_is_refused_before_anything_is_written(tmp_path, path):
    for listed in (listing(entry("good"), entry(path)), listing(entry("good"), folders=[path])):
        with pytest.raises(UsageError, match="archive of a run is damaged"):
            unpack(archive(listed, b"xx"), tmp_path / "out" / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damaged",
    [
        archive(listing(entry("a")), b"y"),  # other contents
        archive(listing(entry("a")), b""),  # too few
        archive(listing(entry("a")), b"xx"),  # too many
        archive(listing(entry("a"), entry("a")), b"xx"),  # one path twice
        archive(listing(entry("a"), entry("a/b")), b"xx"),  # a file inside of a file
        archive(listing(entry("a"), folders=["a"]), b"x"),  # a file that is a folder
        archive(listing(entry("a", bytes=-1)), b"x"),
        archive(listing(entry("a"), version=2), b"x"),
        archive([], b""),
        b"",
        b"no JSON",
    ],
)
def test_an_archive_that_is_not_what_its_list_says_is_refused_before_anything_is_written(tmp_path, damaged):
    with pytest.raises(UsageError, match="archive of a run is damaged"):
        unpack(damaged, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_run_that_went_on_elsewhere_takes_the_place_of_what_it_began_from(tmp_path):
    home = a_run(tmp_path / "sweep" / "seed=0", step=1, status="interrupted")
    there = a_run(tmp_path / "there", step=5)
    bring_home(pack(there), home, DIGEST)
    assert contents(home) == contents(there)
    assert [path.name for path in home.parent.iterdir()] == ["seed=0"]


@pytest.mark.parametrize("flaw", ["a byte", "another run"])
def test_what_does_not_arrive_whole_leaves_the_run_at_home_as_it_was(tmp_path, flaw):
    home = a_run(tmp_path / "sweep" / "seed=0", step=1, status="interrupted")
    before = contents(home)
    data = bytearray(pack(a_run(tmp_path / "there", step=5)))
    if flaw == "a byte":
        data[-1] ^= 1
    with pytest.raises(UsageError, match="damaged" if flaw == "a byte" else "another run"):
        bring_home(bytes(data), home, DIGEST if flaw == "a byte" else "1" * 64)
    assert contents(home) == before
    assert not list((tmp_path / "sweep").rglob("*.new"))


@pytest.mark.parametrize("status", ["done", "diverged"])
def test_a_run_that_was_finished_meanwhile_is_not_replaced(tmp_path, status):
    home = a_run(tmp_path / "sweep" / "seed=0", step=4, status=status)
    before = contents(home)
    with pytest.raises(UsageError, match="was finished meanwhile"):
        bring_home(pack(a_run(tmp_path / "there", step=5)), home, DIGEST)
    assert contents(tmp_path / "sweep") == {f"seed=0/{path}": data for path, data in before.items()}


@pytest.mark.parametrize("linked", [".arriving", ".arriving/seed=0.new", ".arriving/seed=0.before"])
def test_a_link_where_runs_arrive_is_refused_and_not_followed(tmp_path, linked):
    home = a_run(tmp_path / "sweep" / "seed=0", step=1, status="interrupted")
    for name in ("seed=0.new", "seed=0.before"):
        a_run(tmp_path / "elsewhere" / name)
    link = home.parent / linked
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "elsewhere")
    archive = pack(a_run(tmp_path / "there", step=5))
    before = contents(tmp_path)
    for refused in (lambda: bring_home(archive, home, DIGEST), lambda: settle(home)):
        with pytest.raises(UsageError, match="not a folder of its own"):
            refused()
    assert contents(tmp_path) == before


@pytest.mark.parametrize("number", [0, 1])
def test_a_process_that_is_killed_at_one_of_the_two_renames_loses_no_run(tmp_path, monkeypatch, number):
    """The first rename takes the old run out of the way, the second one puts the new run at its place."""
    home = a_run(tmp_path / "sweep" / "seed=0", step=1, status="interrupted")
    old, there = contents(home), a_run(tmp_path / "there", step=5)
    done, rename = [], Path.rename

    def killed(self, target):
        if len(done) == number:
            raise KeyboardInterrupt
        done.append(self.name)
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            bring_home(pack(there), home, DIGEST)
    assert home.exists() == (number == 0)
    settle(home)
    assert contents(home) == old
    bring_home(pack(there), home, DIGEST)
    assert contents(home) == contents(there)
