"""One line of explanation for every key: the comment that stands beside its value in ``configs/``.

A key that is declared with :func:`seqablate.config.keys.key` is explained there.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from seqablate.config.compose import CONFIG_NAME, config_folder
from seqablate.config.keys import declaration
from seqablate.config.registry import section, variant_class

LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?P<value>[^#]*)(?:# *(?P<comment>.*))?$")


def explain_run() -> dict[str, str]:
    """Of every key that no group holds."""
    return _comments(config_folder() / f"{CONFIG_NAME}.yaml")


def explain_variant(group: str, name: str) -> dict[str, str]:
    """Of every key of a variant, by its whole name: ``model.hidden_size``."""
    cls = variant_class(group, name)
    found: dict[str, str] = {}
    for file in (f"shared/{group}", getattr(cls, "shared_values", None), _shared(group, name), f"{group}/{name}"):
        if file:
            found |= _comments(config_folder() / f"{file}.yaml")
    found |= {f.name: text for f in fields(cls) if (text := declaration(f).text)}
    return {f"{section(group, name)}.{key}": text for key, text in found.items()}


def summary(group: str, name: str) -> str:
    """A variant in a few words: the first line of its YAML, or of its dataclass's docstring."""
    path = config_folder() / group / f"{name}.yaml"
    text = path.read_text() if path.is_file() else (variant_class(group, name).__doc__ or "")
    return next(line.strip("# ") for line in text.splitlines() if not line.startswith("# @"))  # Hydra's own line


def _shared(group: str, name: str) -> str | None:
    """The file of values that a variant's YAML begins with."""
    path = config_folder() / group / f"{name}.yaml"
    found = re.search(r"- /(shared/\w+)@", path.read_text()) if path.is_file() else None
    return found and found[1]


def _comments(path: Path) -> dict[str, str]:
    """The comment of each key of a YAML file of ours, with the lines that continue it; sections as ``probe.every``."""
    found: dict[str, str] = {}
    section = key = ""
    for line in path.read_text().splitlines() if path.is_file() else ():
        entry = LINE.match(line)
        if entry:
            section = section if entry["indent"] else ""
            key = section + entry["key"]
            if not entry["value"].strip():
                section = f"{entry['key']}."
            found[key] = entry["comment"] or ""
        elif line.strip().startswith("#") and key:
            found[key] += " " + line.strip("# ")
    return {key: text for key, text in found.items() if text}
