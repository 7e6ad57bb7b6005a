"""The documents are true: examples give what they say, links lead somewhere, commands are valid."""

from __future__ import annotations

import doctest
import io
import re
import shlex
import tokenize
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

from seqablate.cli import COMMANDS
from seqablate.cli import main as seqablate

ROOT = Path(__file__).parents[1]
EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "seqablate").rglob("*.py"))
    if ">>>" in path.read_text()
]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
DOCUMENTS += sorted(path for room in ("configs", "scripts", "seqablate") for path in (ROOT / room).rglob("*.md"))
SOURCES = [path.relative_to(ROOT) for room in ("scripts", "seqablate", "tests") for path in (ROOT / room).rglob("*.py")]
PLACEHOLDER = r"\b[A-Z]{3,}|^\.\.\.$"  # model=NAME, RUN, ...
NOT_HERE = ("leaky", "majority", "jacobian", "hydra/launcher", "launch=")  # other packages, and other machines


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("module", EXAMPLES)
def test_every_example_in_a_docstring_gives_what_it_says(module):
    failed, tried = doctest.testmod(import_module(module))
    assert tried
    assert not failed  # the captured output says where


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_in_a_document_leads_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" not in target:
            path, _, heading = target.partition("#")
            found = (document.parent / path) if path else document
            assert found.exists(), target
            assert not heading or heading in headings(found), target


def headings(document: Path) -> set[str]:
    """The names under which a page on the web has the headings of a document."""
    lines = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_source_file_that_a_document_names_exists(document):
    assert not strangers(document.read_text())


@pytest.mark.parametrize("room", ["scripts", "seqablate"])
def test_every_source_file_that_a_comment_or_a_docstring_names_exists(room):
    found = {named(path): strangers(said(path)) for path in sorted((ROOT / room).rglob("*.py"))}
    assert not {path: names for path, names in found.items() if names}


def strangers(text: str) -> list[str]:
    """The Python files named in a text that are none of seqablate's, placeholders and examples left out."""
    return [
        name
        for name in re.findall(r"\b[\w/]+\.py\b", text)
        if not any(f"/{path}".endswith(f"/{name}") for path in SOURCES)
        if not re.search(PLACEHOLDER, name) and name != "my_variants.py"
    ]


def said(path: Path) -> str:
    """The comments and strings of a file."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return "\n".join(token.string for token in tokens if token.type in (tokenize.COMMENT, tokenize.STRING))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_in_a_document_is_one_that_seqablate_takes(document, capsys):
    for command, *words in commands(document.read_text()):
        assert command in COMMANDS, command
        if command == "train" and not any(name in word for word in words for name in NOT_HERE):
            assert seqablate(["train", *words, *([] if "--help" in words else ["--cfg", "job"])]) == 0, words
            capsys.readouterr()


def commands(text: str) -> Iterator[list[str]]:
    """The words of every ``seqablate COMMAND ...`` in an indented or fenced line or between backticks, once each."""
    lines = re.findall(r"^(?: {4}|\$ )(?:.*&& )?seqablate ([a-z][^#&\n]*)", text, re.MULTILINE)
    spans = re.findall(r"`(?:[^`]*&& )?seqablate ([a-z][^`&]*)`", text)
    for line in dict.fromkeys(" ".join(found.split()) for found in lines + spans):
        words = shlex.split(line)
        yield [word.replace("range(10)", "range(1)") for word in words if not re.search(PLACEHOLDER, word)]


class TextModel(nn.Module):
    """A model with the modules that the documents of the probe name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(3, 8, 1)
        self.encoder = nn.Module()
        self.encoder.rnn = nn.LSTM(8, 8)
        self.encoder.layers = nn.ModuleList([nn.Linear(8, 8)])
        self.fc = nn.Linear(8, 1)

    def forward(self, x_BIT: torch.Tensor) -> torch.Tensor:
        h_TBD = self.encoder.layers[0](self.conv1(x_BIT).permute(2, 0, 1))
        return self.fc(self.encoder.rnn(h_TBD)[0][-1])


@pytest.mark.parametrize("document", ["README.md", "seqablate/probe/README.md"])
def test_the_code_of_the_probes_documents_runs(document, tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    model = TextModel()
    x, y = torch.randn(4, 3, 20), torch.randn(4, 1)
    names = {"model": model, "x": x, "y": y, "criterion": nn.MSELoss(), "loader": [(x, y)] * 3, "step": 0}
    names |= {"optimizer": torch.optim.Adam(model.parameters()), "writer": SummaryWriter(tmp_path / "events")}
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    blocks = [block for block in blocks if "seqablate.train" not in block]
    assert blocks
    for block in blocks:
        if "Recurrence(" in block:
            names["x"] = torch.randn(20, 4, 3)
        exec(compile(block, document, "exec"), names)
    names["writer"].close()
