"""What the driver of a Ray sweep decides, with no cluster: places, the call back of tasks, runs that others took."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from recorded import DIGEST, info

from seqablate.errors import UsageError
from seqablate.launch.cluster.driver import Driver
from seqablate.launch.cluster.parcel import ARRIVING, pack
from seqablate.launch.cluster.placing import Errands, Task
from seqablate.launch.cluster.ray import _places
from seqablate.launch.cluster.remote import Desk
from seqablate.sweep.claims import Claims
from seqablate.sweep.folder import PlannedRun
from seqablate.sweep.queue import Orders


def cluster(*nodes: dict[str, float]) -> SimpleNamespace:
    return SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": node} for node in nodes])


@pytest.mark.parametrize(
    ("cpus", "gpus", "places"),
    [(1, 0, 12), (3, 0, 3), (8, 0, 1), (1, 1, 2), (4, 1, 2), (5, 2, 1)],
)
def test_each_node_has_places_for_as_many_workers_as_fit_on_it(cpus, gpus, places):
    there = cluster({"CPU": 4.0}, {"CPU": 8.0, "GPU": 2.0})
    assert _places(there, SimpleNamespace(cpus=cpus, gpus=gpus)) == places


@pytest.mark.parametrize(("cpus", "gpus"), [(9, 0), (1, 3)])
def test_what_no_node_has_is_refused_with_what_there_is(cpus, gpus):
    there = cluster({"CPU": 4.0}, {"CPU": 8.0, "GPU": 2.0})  # 12 CPUs together, but a worker is on one node
    with pytest.raises(UsageError, match=f"launch.cpus={cpus} launch.gpus={gpus}: .*4 CPUs and 0 GPUs; 8 CPUs and 2"):
        _places(there, SimpleNamespace(cpus=cpus, gpus=gpus))


def test_a_node_that_is_lost_has_no_place():
    lost = SimpleNamespace(nodes=lambda: [{"Alive": False, "Resources": {"CPU": 4.0}}])
    with pytest.raises(UsageError, match="no node of the Ray cluster"):
        _places(lost, SimpleNamespace(cpus=1, gpus=0))


class Cancelled(Exception):
    pass


def test_the_end_of_a_sweep_calls_back_the_tasks_that_have_not_begun_and_blames_no_run():
    desk, cancelled, lost, notes = Desk(), [], [], []
    desk.arrive("ray 1")
    errors = SimpleNamespace(TaskCancelledError=Cancelled, RayTaskError=ValueError, RayError=OSError)

    def get(reference):
        if reference in cancelled:
            raise Cancelled
        return reference

    driver = Driver.__new__(Driver)
    driver.ray = SimpleNamespace(get=get, cancel=cancelled.append, exceptions=errors)
    driver.desk = SimpleNamespace(close=SimpleNamespace(remote=desk.close))
    driver.placing = SimpleNamespace(lose=lambda task, status: lost.append((task.name, status)))
    driver.screen = SimpleNamespace(event=notes.append)
    driver.tasks = {"first": Task("ray 1"), "second": Task("ray 2")}
    driver.losses, driver.count, driver.over = 0, 2, False
    driver.stop()
    assert cancelled == ["second"]
    assert desk.is_closed()
    driver._end("second", driver.tasks.pop("second"))
    assert lost == [("ray 2", "interrupted")]
    assert notes == []


@pytest.fixture
def errands(tmp_path):
    """Errands of a sweep that is not there but for its folder."""
    folder = SimpleNamespace(path=tmp_path, claims=tmp_path / ".claims", run_path=lambda run: tmp_path / run.name)
    ray = SimpleNamespace(remote=lambda function: SimpleNamespace(options=lambda **options: None))
    sweep = SimpleNamespace(folder=folder, orders=lambda leave: Orders(leave=leave))
    return lambda: Errands(ray, sweep, None, {})


def a_run(folder: Path, step: int) -> Path:
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(info(step=step, status="interrupted")))
    return folder


@pytest.mark.parametrize("taken", [False, True])
def test_what_comes_back_for_a_run_that_another_worker_has_taken_over_is_left_out(tmp_path, errands, taken):
    placing, told = errands(), []
    home, archive = a_run(tmp_path / "seed=0", step=1), pack(a_run(tmp_path / "away", step=5))
    claim = placing.queue.claims.take("seed=0")
    if taken:  # as another machine takes it after the lease
        assert Claims(tmp_path / ".claims", "other")._make("seed=0", claim.generation + 1) is not None
    task = Task("ray 1", PlannedRun("seed=0", [], DIGEST, {}), claim)
    placing.end(task, ("done", archive), told.append)
    assert json.loads((home / "run.json").read_text())["step"] == (1 if taken else 5)
    assert ["another worker has taken it over" in event.text for event in told] == [True] * taken
    assert not (tmp_path / ARRIVING).exists()


def test_a_linked_place_for_arriving_runs_is_refused_before_any_run_is_sent_out(tmp_path, errands):
    (tmp_path / ARRIVING).symlink_to(tmp_path)
    with pytest.raises(UsageError, match="not a folder of its own"):
        errands()
