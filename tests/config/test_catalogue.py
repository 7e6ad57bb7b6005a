"""What help, listings and configs/README.md say of every choice is what it declares."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from seqablate.assemble import load_variants
from seqablate.cli import COMMANDS, main
from seqablate.config import catalogue
from seqablate.config.compose import compose_config, config_folder
from seqablate.config.keys import declaration
from seqablate.config.lookup import SECTIONS, run_keys
from seqablate.config.registry import ALL_GROUPS, GROUPS, registered, variants
from seqablate.config.schema import TrainConfig
from seqablate.sweep.options import SweepKeys, SweepOptions

ROOT = Path(__file__).parents[2]


def test_the_page_of_keys_is_the_one_that_the_declarations_make(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    made = importlib.import_module("documents.catalogue")
    assert (ROOT / "configs" / "README.md").read_text() == made.page(), f"run {made.COMMAND}"


def test_the_table_of_models_is_the_one_that_the_declarations_make(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    made, text = importlib.import_module("documents.catalogue"), (ROOT / "seqablate/models/README.md").read_text()
    assert text == made.with_models(text), "run python scripts/make_documents.py seqablate/models/README.md"
    assert text == made.with_models(text.replace("| `rnn` |", "| `rnm` |"))


def test_every_key_has_a_description_of_one_line_that_repeats_neither_its_name_nor_its_choices():
    load_variants(ALL_GROUPS)
    holders = {"sweep": SweepKeys, "of a sweep": SweepOptions}
    holders |= {**{f"{group}={name}": cls for (group, name), cls in registered().items()}, **SECTIONS, "": TrainConfig}
    for holder, cls in holders.items():
        for f in fields(cls):
            text = declaration(f).text
            assert text, f"{holder} {f.name}"
            assert "\n" not in text
            assert not text.endswith(".")
            assert len(text) <= 100


def test_every_variant_is_described_in_one_sentence():
    load_variants(ALL_GROUPS)
    for group in ALL_GROUPS:
        for entry in catalogue.variant_entries(group):
            assert re.fullmatch(r"\S.*[.?]", entry.summary), f"{group}={entry.name}: {entry.summary!r}"
            assert entry.package is None


def test_the_values_are_those_of_a_run_in_which_nothing_else_is_chosen():
    (lr,) = (entry for entry in catalogue.variant_key_entries("optim", "sgd") if entry.name == "optim.lr")
    assert lr.value == str(compose_config(["optim=sgd"]).optim.lr)
    (betas,) = (entry for entry in catalogue.variant_key_entries("optim", "adam") if entry.name == "optim.betas")
    assert betas.value == "[0.9,0.999]"
    assert compose_config(["optim.betas=" + betas.value]) == compose_config([])
    assert [entry.name for entry in catalogue.run_key_entries()] == list(run_keys())


def test_no_yaml_explains_what_a_declaration_explains():
    """A comment beside a value would be a second home of a key's description."""
    for file in config_folder().rglob("*.yaml"):
        assert not re.search(r"^[^#\n]+#", file.read_text(), re.MULTILINE), file


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "model"])
def test_a_group_is_listed_with_the_keys_and_the_reference_of_each_of_its_variants(group, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert f"{group}s" in COMMANDS
    assert main([f"{group}s", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["variants"]}
    assert list(listed) == variants(group)
    assert main([f"{group}s"]) == 0
    shown = capsys.readouterr().out
    for name, entry in listed.items():
        assert name in shown
        assert entry["summary"] in shown
        assert entry["reference"] in shown
        for key in entry["keys"].values():
            assert f"{key['name'].removeprefix(group + '.')}={key['value']}" in shown
