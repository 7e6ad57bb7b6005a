"""The command line as a user meets it: real processes, their exit codes, and every line they print."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from seqablate.cli.completion import candidates
from seqablate.cli.train_help import help_text
from seqablate.config.compose import sweep_keys
from seqablate.config.lookup import keys_of
from seqablate.config.registry import ALL_GROUPS, GROUPS, registered, variants
from seqablate.sweep.options import option_keys, option_values

SMALL = [
    "task.length=10",
    "model.hidden_size=6",
    "batch_size=4",
    "steps=20",
    "eval.every=10",
    "eval.size=20",
    "device=cpu",
]


def call(*words: str, timeout: float = 100, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "seqablate", *words], capture_output=True, text=True, timeout=timeout, **kwargs
    )


def modules_after(*words: str) -> set[str]:
    code = (
        "import sys\nfrom seqablate.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    return set(done.stdout.rpartition("MODULES ")[2].split())


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("nonsense",), ()])
def test_the_front_page_needs_neither_torch_nor_hydra(words):
    assert not {"torch", "hydra", "omegaconf", "rich", "numpy"} & modules_after(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--help"),
        ("train", "--cfg", "job"),
        ("train", "model=foo"),
        ("train", "optim.lr=-1"),
        ("show", "nowhere"),
    ],
)
def test_explanations_and_complaints_come_before_torch(words):
    assert "torch" not in modules_after(*words)


def test_help_lists_every_choice_and_key():
    shown = "".join(
        call("train", "--help", *more).stdout.replace("\n", " \n")
        for more in ((), ("optim=momentum",), ("optim=rmsprop",), ("optim=adagrad",))
    )
    choices = [f"{name} " for names in map(variants, ALL_GROUPS) for name in names]
    keys = [f.name for cls in registered().values() for f in fields(cls)]
    assert [word for word in (*choices, *keys, "checkpoint.every", "-m", *sweep_keys()) if word not in shown] == []


@pytest.mark.parametrize(
    "word",
    [
        pytest.param("batch_size=1000000000000", marks=pytest.mark.slow),
        "model.hidden_size=9223372036854775807",
        pytest.param("model.num_layers=9999", marks=pytest.mark.slow),
        pytest.param("task.length=1000000000000", marks=pytest.mark.slow),
        pytest.param("eval.size=100000000000", marks=pytest.mark.slow),
        pytest.param("steps=10000000000000", marks=pytest.mark.slow),
        "model.match_params=10000000000000",
    ],
)
def test_what_no_machine_can_carry_out_is_refused_by_its_key_before_torch_is_imported(word):
    more = ["model.hidden_size=20000"] if word.startswith("model.num_layers") else []
    assert "torch" not in modules_after("train", "device=cpu", word, *more)
    refused = call("train", "device=cpu", word, *more)
    assert refused.returncode == 2
    assert word.split("=")[0] in refused.stderr


def test_cfg_job_prints_the_composed_config():
    import yaml

    done = call("train", "--cfg", "job", "model=gru", "seed=4")
    config = yaml.safe_load(done.stdout)
    assert config["seed"] == 4
    assert config["model"]["name"] == "gru"
    assert config["model"]["hidden_size"] == 64


# One of each kind; what every message must say is tested in tests/config/test_compose.py.
BAD = [
    ["train", "model=foo"],
    ["train", "optim.lr=nan"],
    ["train", "task=lm", "model.bidirectional=true"],
    ["train", "task=lm", "task.corpus=missing.txt"],
    ["train", "-m", "seed=range(0)"],
    ["train", "--unknown-option"],
    ["train", "--cfg"],
    ["train", "--cfg", "banana"],
    ["train", "threads=100000"],
    ["train", "-m", "name=a,b"],
    ["tensorboard", "."],
    ["train", "-m", "model=lstm,rnn", "task.length=3,20"],
    ["train", "device=cuda:99"],
    ["train", "-m", "device=cpu,cuda:99"],
    ["train", "model=mlp", "output_dir=/proc/nowhere"],
    ["resume", "nowhere"],
    ["show", "nowhere"],
    ["tensorboard", "nowhere"],
    ["nonsense"],
]


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_a_bad_request_gets_one_line_exit_code_2_and_leaves_nothing_behind(words, tmp_path):
    done = call(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_run_prints_its_scale_its_progress_and_what_to_type_next(tmp_path):
    done = call("train", *SMALL, "name=first", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for part in (
        "chance 0.167, solved below 0.01",
        "step 10/20",
        "step 20/20",
        "held-out test: mse",
        "seqablate show outputs/first",
    ):
        assert part in done.stdout, done.stdout
    folder = tmp_path / "outputs" / "first"
    assert {p.name for p in folder.iterdir() if not p.name.startswith("events")} == {
        "record.jsonl", "run.json", "config.yaml", "signals.parquet", "checkpoints"}  # fmt: skip
    assert json.loads((folder / "run.json").read_text())["status"] == "done"
    assert call("train", *SMALL, "name=first", "quiet=true", cwd=tmp_path).stdout == ""
    assert (tmp_path / "outputs" / "first-2").is_dir()
    refused = call("resume", "outputs/first", cwd=tmp_path)
    assert refused.returncode == 2
    assert "nothing to resume" in refused.stderr


def test_a_reader_that_goes_away_does_not_end_the_run(tmp_path):
    command = f"{sys.executable} -m seqablate train {' '.join(SMALL)} name=run | head -1"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, timeout=60)
    assert json.loads((tmp_path / "outputs" / "run" / "run.json").read_text())["status"] == "done"


def test_completion_offers_commands_choices_and_keys(tmp_path):
    script = call("completion", "bash").stdout
    (tmp_path / "complete.sh").write_text(script)

    def complete(line: str) -> list[str]:
        words = line.split(" ")
        shell = (
            f"source complete.sh; COMP_WORDS=({' '.join(words)}); [[ '{line}' == *' ' ]] && COMP_WORDS+=(''); "
            f"COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; _seqablate; "
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=tmp_path, env={"PATH": path})
        return done.stdout.split()

    assert complete("seqablate tr") == ["train"]
    assert complete("seqablate train model=ls") == ["model=lstm"]
    assert "model.hidden_size=" in complete("seqablate train model.h")
    assert complete("seqablate train model.skip=re") == ["model.skip=residual"]
    assert complete("seqablate train model=rnn,g") == ["model=rnn,gru"]


def test_completion_offers_values_as_they_are_written_and_the_keys_of_the_chosen_variants():
    assert candidates(["train", "model.skip="]) == [
        f"model.skip={name}" for name in ("none", "residual", "dense", "dense_residual", "highway")
    ]
    assert candidates(["train", "quiet="]) == ["quiet=true", "quiet=false"]
    assert candidates(["train", "model=gru", "model.up"]) == ["model.update_bias="]
    assert candidates(["train", "model.up"]) == []
    assert candidates(["train", "clip=v"]) == ["clip=value"]
    assert candidates(["train", "diagnostic=[lag,p"]) == ["diagnostic=[lag,pairs", "diagnostic=[lag,profile"]
    assert candidates(["train", "+diagnostic=la"]) == ["+diagnostic=lag", "+diagnostic=layers"]
    assert candidates(["train", "--mul"]) == ["--multirun"]
    assert candidates(["train", "sweep.st"]) == []  # of a sweep, which this is not
    assert candidates(["train", "-m", "sweep.st"]) == ["sweep.stale="]
    assert candidates(["train", "-m", "sweep.stale=re"]) == ["sweep.stale=refuse", "sweep.stale=rerun"]
    assert candidates(["train", "--multirun", "launch=lo"]) == ["launch=local"]
    assert candidates(["completion", "z"]) == ["zsh"]


def test_help_explains_every_key_of_every_variant_on_a_line_and_marks_what_is_chosen():
    groups = {group: variants(group) for group in GROUPS}
    for number in range(max(map(len, groups.values()))):  # a page with the first variant of every group, and so on
        chosen = {group: (names[number % len(names)],) for group, names in groups.items()}
        launchers = variants("launch")
        launcher = launchers[number % len(launchers)]
        lines = help_text(chosen, option_values([f"launch={launcher}"])).splitlines()
        marked = [line.split()[1] for line in lines if line.startswith("  * ")]
        assert marked == [*(f"{group}={name}" for group, (name,) in chosen.items()), f"launch={launcher}"]
        for key in (*keys_of(chosen), *option_keys(launcher)):
            (line,) = (line for line in lines if line.strip().startswith(f"{key}="))
            assert len(line.split()) > 1, f"{key} has no explanation"
