"""What computed a run: which files, versions, data and devices count, and what is said when one of them changes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import commit_row, header, raw, resume_row, run_info, train_row

import seqablate
from seqablate.api import resume_folder
from seqablate.assemble import read_overrides
from seqablate.record import identity
from seqablate.record.folder import RunFolder
from seqablate.record.identity import RESUMED, changes, fingerprint, package_versions
from seqablate.record.reader import read_record
from seqablate.record.rebuild import rebuild
from seqablate.record.rows import ResumeRow
from seqablate.record.schema import RunInfo
from seqablate.record.sources import sources
from seqablate.record.writer import RecordWriter

PACKAGE = Path(seqablate.__file__).parent
# Each file is edited in turn; which of them change the fingerprint of a run of the words that follow?
EDITING = """
import sys
from pathlib import Path
import seqablate
from seqablate.assemble import read_overrides
from seqablate.record import identity, sources
config = read_overrides(sys.argv[2:])
def now():
    for found in [*vars(identity).values(), *vars(sources).values()]:
        getattr(found, "cache_clear", int)()
    return identity.fingerprint(config, None, "cpu")
first = now()
for name in sys.argv[1].split():
    path = Path(seqablate.__file__).parent / name
    before = path.read_bytes()
    path.write_bytes(before + b"# edited\\n")
    print(name, now() != first)
    path.write_bytes(before)
assert now() == first
"""
# The identity of a run of the words; with a folder in front, also what has changed since the run in it.
ASKING = """
import json, sys
from pathlib import Path
from seqablate.assemble import read_overrides
from seqablate.config.codec import digest
from seqablate.record.identity import changes, fingerprint
from seqablate.record.info import read_info
from seqablate.record.sources import sources
folder, config = Path(sys.argv[1]), read_overrides(sys.argv[2:])
found = {"digest": digest(config), "fingerprint": fingerprint(config, None, "cpu"), "sources": sources(config)}
if folder.is_dir():
    found["changes"] = changes(folder, read_info(folder), config)
assert "torch" not in sys.modules
print(json.dumps(found))
"""
# The hash that a process has of a file that is edited after it was imported.
LATE = """
import json, sys
from pathlib import Path
from seqablate.assemble import read_overrides
from seqablate.record.sources import read_sources, sources
config = read_overrides(["clip=mine"])
read_sources()
Path(sys.argv[1]).write_text("edited")
print(json.dumps(sources(config)["my_clips/formula.py"]))
"""
FORMULA = "import my_numbers\nfactor = 2 * my_numbers.HALF\n"
PLUGIN = """
from dataclasses import dataclass
from my_clips.formula import factor
from seqablate.extend import variant
@variant("clip", "mine")
@dataclass
class Config:
    limit: float = 1.0
"""


def python(code: str, *words: str, path: Path, cwd: Path) -> str:
    places = [str(path), os.environ.get("PYTHONPATH", str(PACKAGE.parent))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def site(tmp_path) -> Path:
    """A package of two files that adds a clip, and a module beside it that it imports."""
    folder = tmp_path / "site"
    (folder / "my_clips").mkdir(parents=True)
    (folder / "my_clips/__init__.py").write_text(PLUGIN)
    (folder / "my_clips/formula.py").write_text(FORMULA)
    (folder / "my_numbers.py").write_text("HALF = 0.5\n")
    (folder / "my_notes.py").write_text("nobody imports this\n")
    info = folder / "my_clips-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-clips\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[seqablate.variants]\nmine = my_clips\n")
    return folder


@pytest.fixture
def config():
    return read_overrides(["model=rnn", "clip=norm", "device=cpu"])


@pytest.fixture
def make_run(tmp_path, config):
    """make_run(files={...}, **facts) -> the folder and run.json of a run that this code has computed, but for these."""

    def make(files: dict[str, str | None] | None = None, rows=(), **facts) -> tuple[Path, RunInfo]:
        found = {name: value for name, value in (sources(config) | (files or {})).items() if value}
        told = {"versions": package_versions(), "fingerprint": fingerprint(config, None, "cpu")} | facts
        if files or facts:
            told |= {"fingerprint": "1" * 64} | facts
        with RecordWriter(tmp_path / "record.jsonl", new=True) as writer:
            writer.append_many(map(raw, [header(sources=found, **told), *rows]))
        return tmp_path, run_info(**told)

    return make


def test_an_edit_counts_where_a_run_is_computed_and_nowhere_else(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "seqablate", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "configs", tmp_path / "configs")
    counts = [
        "tasks/base.py", "tasks/memory/adding.py", "models/base.py", "models/recurrent/lstm.py", "clip/norm.py",
        "clip/base.py", "schedule/base.py", "engine/recurrence.py", "engine/cells/gru.py", "probe/timestep.py",
        "diagnostics/lag.py", "training/step.py", "signals/decay.py", "streams.py", "assemble.py",
        "optim/adamw.py", "optim/adam.py",  # adamw builds on adam
    ]  # fmt: skip
    not_at_all = [
        "report/live.py",
        "cli/show.py",
        "figures/curve.py",
        "comparison/table.py",
        "text.py",
        "sweep/names.py",
    ]
    of_others = ["clip/value.py", "tasks/memory/copy.py", "models/recurrent/gru.py", "optim/sgd.py", "schedule/step.py"]
    files = [*counts, *not_at_all, *of_others]
    words = ["clip=norm", "optim=adamw"]
    found = python(EDITING, " ".join(files), *words, path=tmp_path, cwd=tmp_path).split("\n")
    assert found == [*(f"{name} {name in counts}" for name in files), ""]


def test_an_edited_formula_of_another_package_leaves_the_digest_and_changes_the_fingerprint(site, tmp_path):
    def ask() -> dict:
        return json.loads(python(ASKING, str(tmp_path / "run"), "clip=mine", "device=cpu", path=site, cwd=tmp_path))

    before = ask()
    assert {"my_clips/__init__.py", "my_clips/formula.py", "my_numbers.py"} <= before["sources"].keys()
    assert not {"my_notes.py", "seqablate/clip/norm.py"} & before["sources"].keys()
    facts = {key: before[key] for key in ("digest", "fingerprint")} | {"versions": package_versions()}
    (tmp_path / "run").mkdir()
    with RecordWriter(tmp_path / "run/record.jsonl", new=True) as writer:
        writer.append(raw(header(sources=before["sources"], **facts)))
    (tmp_path / "run/run.json").write_text(json.dumps(vars(run_info(**facts)), default=vars))
    (site / "my_clips/formula.py").write_text("import my_numbers\nfactor = 3 * my_numbers.HALF\n")
    edited = ask()
    assert edited["digest"] == before["digest"]
    assert edited["fingerprint"] != before["fingerprint"]
    assert edited["changes"] == "my_clips/formula.py"
    (site / "my_clips/formula.py").write_text(FORMULA)
    (site / "my_numbers.py").write_text("HALF = 0.6\n")
    assert ask()["changes"] == "my_numbers.py"


def test_a_process_that_has_read_its_sources_goes_on_with_them_whatever_is_edited(site, tmp_path):
    found = json.loads(python(LATE, str(site / "my_clips/formula.py"), path=site, cwd=tmp_path))
    assert found == hashlib.sha256(FORMULA.encode()).hexdigest()[:16]


def test_a_run_that_the_same_code_computed_has_no_changes(make_run, config):
    assert changes(*make_run(), config) is None


def test_the_values_of_keys_belong_to_the_digest_and_not_to_the_fingerprint(config):
    other = read_overrides(["model=rnn", "clip=norm", "device=cpu", "seed=3", "model.hidden_size=5", "clip.max_norm=9"])
    assert fingerprint(other, None, "cpu") == fingerprint(config, None, "cpu")
    assert fingerprint(read_overrides(["model=rnn", "clip=value"]), None, "cpu") != fingerprint(config, None, "cpu")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"seqablate/clip/norm.py": "0" * 16}, "seqablate/clip/norm.py"),
        ({"seqablate/clip/norm.py": None}, "seqablate/clip/norm.py (new)"),
        ({"seqablate/clip/gone.py": "0" * 16}, "seqablate/clip/gone.py (no longer used)"),
        (
            {f"seqablate/engine/{name}.py": "0" * 16 for name in ("cell", "gradients", "ports", "setup", "tanh")},
            "seqablate/engine/cell.py, seqablate/engine/gradients.py, seqablate/engine/ports.py and 2 more",
        ),
    ],
)
def test_the_files_that_have_changed_are_named(make_run, config, files, said):
    assert changes(*make_run(files), config) == said


def test_another_version_of_torch_in_the_record_is_named_with_both_versions(make_run, config):
    now = package_versions()["torch"]
    path, info = make_run(versions=package_versions() | {"torch": "2.0.1"})
    assert changes(path, info, config) == f"torch 2.0.1 (now {now})"


def test_a_package_that_was_missing_is_named_as_such(make_run, config):
    path, info = make_run(versions=package_versions() | {"numpy": None})
    assert changes(path, info, config) == f"numpy not installed (now {package_versions()['numpy']})"


@pytest.mark.parametrize("package", ["torch", "numpy", "numba"])
def test_each_version_counts_in_the_fingerprint(package, config, monkeypatch):
    before = fingerprint(config, None, "cpu")
    other = package_versions() | {package: "0.0.1"}
    monkeypatch.setattr(identity, "package_versions", lambda: other)
    identity._computing.cache_clear()
    after = fingerprint(config, None, "cpu")
    identity._computing.cache_clear()
    assert after != before


def test_the_kind_of_device_counts_and_its_number_does_not(make_run, config):
    cpu, first, second = (fingerprint(config, None, device) for device in ("cpu", "cuda:0", "cuda:1"))
    assert cpu != first == second
    path, info = make_run(device="cuda:1", fingerprint=second)
    assert changes(path, info, config) == "device cuda (now cpu)"
    assert changes(path, info, replace(config, device="cuda:0")) is None


def test_a_device_chosen_by_itself_is_the_one_that_training_would_find(make_run, config):
    from seqablate.assemble import find_device

    device = str(find_device("auto"))
    path, info = make_run(device=device, fingerprint=fingerprint(config, None, device))
    assert changes(path, info, replace(config, device="auto")) is None


def test_data_count_in_the_fingerprint(config):
    assert len({fingerprint(config, data, "cpu") for data in (None, "a" * 64, "b" * 64)}) == 3


def test_a_record_that_cannot_be_read_is_said_beside_what_run_json_tells(make_run, config):
    path, info = make_run(versions=package_versions() | {"torch": "2.0.1"})
    (path / "record.jsonl").write_text('{"kind":"hea')
    assert changes(path, info, config) == (
        f"torch 2.0.1 (now {package_versions()['torch']}), its record cannot be read"
    )


A, B = "a" * 64, "b" * 64
TRAINED = [train_row(0), train_row(1), commit_row(2), train_row(2)]


@pytest.mark.parametrize(
    ("resumptions", "expected"),
    [
        ([], A),
        ([resume_row(2, fingerprint=A)], A),
        ([resume_row(None, fingerprint=B)], B),  # nothing is left of what A had computed
        ([resume_row(2, fingerprint=B), train_row(2), resume_row(2, fingerprint=A)], A),  # nor here of B's
    ],
)
def test_a_run_has_the_fingerprint_of_what_computed_all_that_counts_of_it(make_run, resumptions, expected):
    path, _ = make_run(rows=[*TRAINED, *resumptions], fingerprint=A)
    assert read_record(path).facts.fingerprint == expected


def test_a_run_that_two_fingerprints_worked_on_has_neither(make_run):
    path, _ = make_run(rows=[*TRAINED, resume_row(2, fingerprint=B)], fingerprint=A)
    assert read_record(path).facts.fingerprint not in (A, B)
    assert read_record(path).header.fingerprint == A


def test_a_run_that_was_resumed_by_other_code_stays_changed_when_the_code_is_put_back(make_run, config):
    path, info = make_run(fingerprint="1" * 64)
    assert changes(path, info, config) == RESUMED


def test_a_run_that_is_resumed_by_other_code_warns_and_tells_it_from_then_on(tmp_path, capsys):
    words = ["model=rnn", "model.hidden_size=4", "task.length=10", "device=cpu", "steps=4", "eval.every=2"]
    words += ["eval.size=4", "batch_size=2", "checkpoint.every=2", "name=run", f"output_dir={tmp_path}"]
    path = seqablate.train(words).path
    begun = "2" * 64
    lines = [json.loads(line) for line in (path / "record.jsonl").read_text().splitlines()]
    committed = next(n for n, line in enumerate(lines) if line["kind"] == "commit" and line["step"] == 2)
    lines[0]["sources"]["seqablate/clip/norm.py"] = "0" * 16
    lines[0]["fingerprint"] = begun
    (path / "record.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[: committed + 1]))
    told = json.loads((path / "run.json").read_text()) | {"status": "interrupted", "fingerprint": begun}
    (path / "run.json").write_text(json.dumps(told))
    capsys.readouterr()
    assert resume_folder(path).status == "done"
    said = " ".join(capsys.readouterr().out.split())
    assert "has changed since it began: seqablate/clip/norm.py; going on from step 2" in said
    info = seqablate.load_run(path).info
    assert info.fingerprint not in (begun, read_record(path).of(ResumeRow)[0].fingerprint)
    assert rebuild(RunFolder(path)) == info
