"""Which request of a sweep planned a run, and what is planned and has not begun."""

from __future__ import annotations

from seqablate.sweep.folder import PlannedRun, Request, make_sweep
from seqablate.sweep.growth import not_begun, requests_of

DIGESTS = [f"{n:064x}" for n in range(4)]


def planned(n: int) -> PlannedRun:
    return PlannedRun(f"seed={n}", [f"seed={n}"], DIGESTS[n], {"seed": str(n)})


def test_a_run_belongs_to_the_first_request_that_asked_for_it(tmp_path):
    sweep = make_sweep(tmp_path)
    with sweep.planning():
        sweep.extend(Request(["seed=0,1"], "a", ["seed=0", "seed=1"]), [planned(0), planned(1)])
        sweep.extend(Request(["seed=range(4)"], "a", [f"seed={n}" for n in range(4)]), [planned(2), planned(3)])
    runs = [tmp_path / f"seed={n}" for n in range(4)]
    assert requests_of([*runs, tmp_path / "another"]) == dict(zip(runs, (0, 0, 1, 1), strict=True))
    runs[0].mkdir()
    assert not_begun([tmp_path, tmp_path / "no-sweep"]) == runs[1:]


def test_a_plan_that_cannot_be_read_says_nothing(tmp_path):
    (tmp_path / "sweep.jsonl").write_text('{"kind": "run", "name": 3}\n')
    assert requests_of([tmp_path / "a"]) == {}
