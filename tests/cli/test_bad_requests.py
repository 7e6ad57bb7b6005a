"""The table of bad requests: every refusal in this process, and (slow) what reads or builds something as a process."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from seqablate import api
from seqablate.cli import main

SCRIPT = Path(__file__).parents[2] / "scripts" / "bad_requests.py"
spec = importlib.util.spec_from_file_location("bad_requests", SCRIPT)
assert spec is not None
assert spec.loader is not None
bad_requests = importlib.util.module_from_spec(spec)
sys.modules["bad_requests"] = bad_requests
spec.loader.exec_module(bad_requests)

# What can be refused before anything is read or built.
QUICK = [
    request
    for request in bad_requests.read_table()
    if request.codes == (2,)
    and "@TMP@" not in request.line
    and "task.corpus" not in request.line
    and "match_params" not in request.line  # only known once models are built
]


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fixtures")
    bad_requests.make_fixtures(folder)
    return folder


@pytest.mark.parametrize("request_", QUICK, ids=lambda r: r.line[:60].encode("ascii", "backslashreplace").decode())
def test_a_bad_request_is_refused_in_one_short_line_that_names_what_is_wrong(
    request_, fixtures, tmp_path, capsys, monkeypatch
):
    def started(config, command, **more):
        raise AssertionError("it was accepted")

    monkeypatch.setattr(api, "run_config", started)
    code = main(request_.words(fixtures))
    said = capsys.readouterr()
    assert list(bad_requests._faults(request_, code, said.err, [])) == [], said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_requests_that_read_or_build_something_are_answered_as_they_must_be_by_whole_processes():
    """And every tenth of the others: they are refused by the same code in a process as above."""
    others = [request for request in bad_requests.read_table() if request not in QUICK]
    assert bad_requests.ask([*others, *QUICK[::10]]) == 0
