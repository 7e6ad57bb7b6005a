"""Claims of a sweep: real processes that are killed, stopped and race; owners elsewhere; folders that are damaged."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from seqablate.errors import RunFailure, UsageError
from seqablate.sweep import claim_file, claims
from seqablate.sweep.claims import Claim, Claims

# A worker that does what it is told on its input and says what came of it: "take NAME", "at TIME NAME", "release
# STATUS", "fork", "full BYTES", "end". Its arguments: the folder, the lease, and the machine it pretends to be on.
WORKER = """
import os, resource, signal, sys, time
from pathlib import Path
from seqablate.errors import RunFailure
from seqablate.sweep import claims
if len(sys.argv) > 3:
    claims.boot_id = lambda: sys.argv[3]
mine, claim = claims.Claims(Path(sys.argv[1]), f"worker {os.getpid()}", lease=float(sys.argv[2])), None
for line in sys.stdin:
    order, _, rest = line.strip().partition(" ")
    answer = "ok"
    if order in ("take", "at"):
        if order == "at":
            moment, _, rest = rest.partition(" ")
            time.sleep(max(0, float(moment) - time.monotonic()))
        try:
            claim = mine.take(rest)
            answer = "mine" if claim else "none"
        except RunFailure as error:
            answer = f"failed: {error}"
        if claim:
            claim.on_lost = lambda: print("lost", flush=True)
    elif order == "release":
        claim.release(rest)
    elif order == "fork":
        if os.fork():
            continue
        print(os.getpid(), flush=True)  # the child answers: it is ready then
        signal.pause()
    elif order == "full":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(rest), int(rest)))
    elif order == "end":
        break
    print(answer, flush=True)
"""


class Worker:
    """The process above."""

    def __init__(self, folder: Path, lease: float = 120.0, machine: str | None = None) -> None:
        words = [str(folder), str(lease), *([machine] if machine else [])]
        command = [sys.executable, "-c", WORKER, *words]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, order: str) -> None:
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        return self.process.stdout.readline().strip()

    def ask(self, order: str) -> str:
        self.tell(order)
        return self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=30)

    def close(self) -> None:
        self.kill()
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def workers(count: int, folder: Path, *more):
    started = [Worker(folder, *more) for _ in range(count)]
    try:
        yield started
    finally:
        for worker in started:
            worker.close()


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / ".claims"


@pytest.fixture
def ours(folder) -> Claims:
    return Claims(folder, "ours")


def by(folder: Path, name: str = "a", generation: int = 1, age: float = 0.0, **new) -> Path:
    """The claim file of an owner on another machine, renewed ``age`` seconds ago."""
    folder.mkdir(exist_ok=True)
    owner = {"run": name, "worker": "theirs", "host": "far", "boot": "elsewhere", "pid": 1, "at": 0.0, "lease": 120.0}
    path = folder / f"{name}.{generation}"
    path.write_text(json.dumps(owner | new) + "\n")
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def until(holds, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_one_of_two_gets_a_run_and_the_other_gets_it_after_its_release(folder, ours):
    theirs = Claims(folder, "theirs")
    with ours.take("a") as claim:
        assert theirs.take("a") is None
        assert theirs.holder("a") == claims.Holder("ours", alive=True)
        claim.release("interrupted")
    assert theirs.holder("a") is None
    with theirs.take("a") as claim:
        assert claim.generation == 2


def test_a_killed_owner_is_replaced_at_once_and_a_stopped_one_never(folder, ours):
    with workers(1, folder, 0.2) as (worker,):
        assert worker.ask("take a") == "mine"
        worker.process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)  # longer than the lease
        assert ours.take("a") is None
        assert ours.holder("a") == claims.Holder(f"worker {worker.process.pid}", alive=True)
        worker.kill()
        assert not ours.holder("a").alive
        with ours.take("a") as claim:
            assert claim.generation == 2


def test_others_who_look_at_the_same_moment_do_not_make_a_dead_owner_look_alive(folder, ours):
    path = by(folder, boot=claim_file.boot_id())
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not ours.holder("a").alive
        with ours.take("a") as claim:
            assert claim.generation == 2


def test_a_claim_does_not_outlive_its_owner_in_a_forked_child(folder, ours):
    with workers(1, folder) as (worker,):
        assert worker.ask("take a") == "mine"
        child = int(worker.ask("fork"))
        try:
            assert ours.take("a") is None
            worker.kill()
            with ours.take("a") as claim:
                assert claim.generation == 2
        finally:
            os.kill(child, signal.SIGKILL)


def test_the_end_of_a_forked_child_releases_nothing(folder, ours):
    with ours.take("a") as claim:
        child = os.fork()
        if child == 0:
            claim.release("done")
            os._exit(0)
        os.waitpid(child, 0)
        assert Claims(folder, "theirs").take("a") is None
        assert ours.log()[0].release is None


def test_renewing_does_not_keep_a_process_alive(folder, ours):
    with workers(1, folder) as (worker,):
        assert worker.ask("take a") == "mine"
        worker.tell("end")
        assert worker.process.wait(timeout=30) == 0
        assert ours.deaths("a") == 1


@pytest.mark.parametrize("rounds", [21, pytest.param(200, marks=pytest.mark.slow)])
def test_of_ten_processes_that_race_for_a_run_one_wins(rounds, folder, ours):
    with workers(10, folder) as racing:
        for worker in racing:
            assert worker.ask("take warm-up of " + str(worker.process.pid)) == "mine"
        for number in range(rounds):
            name = f"run {number}"
            if number % 3 == 0:
                by(folder, name, age=500.0)  # of a machine that has died
            elif number % 3 == 1:
                by(folder, name, boot=claim_file.boot_id())  # of a process here that has died
            moment = time.monotonic() + 0.03
            for worker in racing:
                worker.tell(f"at {moment} {name}")
            assert sorted(worker.answer() for worker in racing) == ["mine", *["none"] * 9]
            assert ours.log()[-1].run == name
            assert ours.deaths(name) == (number % 3 != 2)


@pytest.mark.parametrize("age", [500.0, -500.0])
def test_an_owner_elsewhere_is_replaced_when_its_last_renewal_is_a_lease_away(age, folder, ours):
    """Whether it lies in the past or, after the file server's clock was put back, in the future."""
    by(folder, age=age)
    assert ours.holder("a") == claims.Holder("theirs", alive=False)
    with ours.take("a") as claim:
        assert claim.generation == 2


@pytest.mark.parametrize("age", [100.0, 0.0, -100.0])
def test_an_owner_elsewhere_that_renewed_within_its_lease_is_left_alone(age, folder, ours):
    by(folder, age=age)
    assert ours.take("a") is None
    assert ours.holder("a") == claims.Holder("theirs", alive=True)


def test_the_lease_of_the_owner_counts_and_not_that_of_who_asks(folder):
    by(folder, age=100.0)
    assert Claims(folder, "hasty", lease=1.0).take("a") is None


def test_a_lease_that_nobody_would_wait_for_is_not_believed(folder, ours):
    by(folder, age=100_000.0, lease=1e300)
    with ours.take("a") as claim:
        assert claim.generation == 2


def test_clocks_of_machines_are_not_compared(folder, ours, monkeypatch):
    by(folder, age=100.0)
    by(folder, "b", age=500.0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert ours.holder("a").alive
    assert not ours.holder("b").alive


def test_a_suspended_owner_elsewhere_learns_that_it_was_replaced(folder, ours):
    with workers(1, folder, 1.0, "another machine") as (worker,):
        assert worker.ask("take a") == "mine"
        worker.process.send_signal(signal.SIGSTOP)
        taken: list[Claim | None] = []
        assert until(lambda: taken.append(ours.take("a")) or taken[-1])
        with taken[-1] as claim:
            assert claim.generation == 2
            worker.process.send_signal(signal.SIGCONT)
            assert worker.answer() == "lost"
            assert worker.ask("release done") == "ok"
            assert [r.release and r.release.status for r in ours.log()] == ["lost", None]
            assert not claim.lost


def test_a_claim_that_was_renewed_while_it_was_taken_over_is_not_taken_over(folder, ours, monkeypatch):
    path = by(folder, age=500.0)
    real = claims.make

    def make(*arguments):
        os.utime(path)
        return real(*arguments)

    monkeypatch.setattr(claims, "make", make)
    assert ours.take("a") is None
    assert [r.release and r.release.status for r in ours.log()] == [None, "withdrawn"]


def test_renewals_move_the_modification_time(folder):
    with Claims(folder, "ours", lease=0.4).take("a"):
        for _ in range(2):
            os.utime(folder / "a.1", (1.0, 1.0))
            assert until(lambda: (folder / "a.1").stat().st_mtime > 1.0)


def test_a_claim_whose_file_is_deleted_is_lost(folder):
    with Claims(folder, "ours", lease=0.4).take("a") as claim:
        (folder / "a.1").unlink()
        assert until(lambda: claim.lost)


def test_a_claim_that_cannot_be_renewed_for_a_lease_is_lost(folder, monkeypatch):
    failures = []

    def fails(*_):
        failures.append(claim.lost)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Claims(folder, "ours", lease=1.0).take("a") as claim:
        monkeypatch.setattr(os, "utime", fails)
        assert until(lambda: claim.lost)
        assert len(failures) > 1


def test_the_log_tells_every_claim_and_deaths_are_counted(folder, ours):
    with ours.take("b") as claim:
        claim.release("done")
    for _ in range(2):
        with workers(1, folder) as (worker,):
            assert worker.ask("take a") == "mine"
            assert ours.deaths("a") == _  # those before; this one lives
    with ours.take("a") as claim:
        claim.release("done")
    with ours.take("c"):
        pass
    told = [(r.run, r.generation, r.release and r.release.status) for r in ours.log()]
    assert told == [("b", 1, "done"), ("a", 1, None), ("a", 2, None), ("a", 3, "done"), ("c", 1, "abandoned")]
    assert [ours.deaths(name) for name in "abcd"] == [2, 0, 0, 0]
    last = ours.log()[-1]
    assert (last.owner.worker, last.owner.pid, last.owner.boot) == ("ours", os.getpid(), claim_file.boot_id())
    assert last.owner.at <= last.release.released


def test_a_full_disk_gives_no_claim_and_leaves_none(folder, ours):
    with workers(1, folder) as (worker,):
        worker.ask("full 10")
        assert worker.ask("take a").startswith("failed: cannot write")
        with ours.take("a") as claim:
            assert claim.generation == 1


def test_a_release_on_a_full_disk_reads_as_a_death(folder, ours):
    with workers(1, folder) as (worker,):
        assert worker.ask("take a") == "mine"
        size = (folder / "a.1").stat().st_size
        assert worker.ask(f"full {size + 10}") == "ok"  # room for a part of the line
        assert worker.ask("release done") == "ok"
        assert (folder / "a.1").stat().st_size == size + 10
        assert not ours.holder("a").alive
        with ours.take("a") as claim:
            assert claim.generation == 2


@pytest.mark.parametrize("content", [b"", b'{"run": "a", "worker": "x"', b"\0" * 99, b"[" * 9999, b"x" * (1 << 20)])
def test_a_damaged_claim_blocks_for_a_lease_at_most(content, folder, ours):
    path = by(folder)
    path.write_bytes(content)
    os.utime(path, (1.0, 1.0))
    assert ours.deaths("a") == 1
    assert ours.log()[0].owner is None
    with ours.take("a") as claim:
        assert claim.generation == 2


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "link to itself"])
def test_what_is_no_regular_file_blocks_nobody_and_is_not_followed(kind, folder, ours):
    living = by(folder, "b")
    path = folder / "a.1"
    {
        "link": lambda: path.symlink_to(living),
        "fifo": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "link to itself": lambda: path.symlink_to(path),
    }[kind]()
    before = living.read_bytes(), living.stat().st_mtime_ns
    with ours.take("a") as claim:
        assert claim.generation == 2
    assert (living.read_bytes(), living.stat().st_mtime_ns) == before


def test_a_claims_folder_that_is_a_link_or_a_file_is_refused(folder, ours, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for make in (lambda: folder.symlink_to(tmp_path / "elsewhere"), lambda: folder.write_text("")):
        make()
        for ask in (ours.take, ours.holder, ours.deaths):
            with pytest.raises(UsageError, match="not a folder of its own"):
                ask("a")
        folder.unlink()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_claims_folder_that_cannot_be_made_or_written_is_a_failure_in_one_line(tmp_path):
    for folder in (tmp_path / "missing" / ".claims", Path("/proc/.claims")):
        assert Claims(folder, "ours").holder("a") is None
        with pytest.raises(RunFailure, match="cannot write"):
            Claims(folder, "ours").take("a")


def test_a_claim_that_cannot_be_read_does_not_count_as_dead(folder, ours, monkeypatch):
    """Such as when too many files are open."""
    by(folder, age=500.0)
    real = os.open

    def fails(path, *more, **named):
        if str(path).endswith("a.1"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, *more, **named)

    monkeypatch.setattr(os, "open", fails)
    with pytest.raises(UsageError, match="Too many open files"):
        ours.take("a")
    assert sorted(os.listdir(folder)) == ["a.1"]


NAMES = ["lr=0.01,model=lstm", "a.1", "a.1.2", "a b\"'$(x)", "é" * 100, "\N{SNAKE}" * 100, ".hidden", "x/y", "a\nb"]


def test_every_name_can_be_claimed_and_is_itself_in_the_log(folder, ours):
    for name in NAMES:
        for generation in (1, 2):
            with ours.take(name) as claim:
                assert (claim.run, claim.generation) == (name, generation)
                assert ours.holder(name).alive
                assert Claims(folder, "theirs").take(name) is None
    assert [r.run for r in ours.log()] == [name.replace("\n", "\\n") for name in NAMES for _ in range(2)]


def test_a_thousand_claims_are_listed_a_few_times_and_not_once_each(folder, ours, monkeypatch):
    for number in range(1000):
        by(folder, f"run {number}")
    calls = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda *place: calls.append(place) or real(*place))
    assert all(ours.holder(f"run {number}").alive for number in range(1000))
    assert 1 <= len(calls) < 100


def test_many_claims_leave_no_descriptor_and_no_thread(folder, ours):
    import threading

    def count() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    before = count()
    for number in range(50):
        with ours.take(f"run {number}"):
            assert ours.take(f"run {number}") is None
    assert until(lambda: count() == before)


def test_a_file_system_without_hard_links_has_claims_as_well(folder, ours, monkeypatch):
    def refuses(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuses)
    with ours.take("a") as claim:
        assert claim.generation == 1
        assert Claims(folder, "theirs").take("a") is None
        assert ours.holder("a") == claims.Holder("ours", alive=True)
    with ours.take("a") as claim:
        assert claim.generation == 2
    (folder / "b.1").touch()  # reserved; its owner may be about to fill it
    assert ours.take("b") is None
    assert sorted(os.listdir(folder)) == [".clock", "a.1", "a.2", "b.1"]


def test_an_answer_of_the_file_server_that_was_lost_loses_no_claim(folder, ours, monkeypatch):
    real = os.link

    def twice(draft, path):
        real(draft, path)
        real(draft, path)

    monkeypatch.setattr(os, "link", twice)
    with ours.take("a") as claim:
        assert claim.generation == 1
