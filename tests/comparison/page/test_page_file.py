"""The file: nothing in it is markup that was not ours, and it asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from seqablate.comparison.arms.compare import compare_runs
from seqablate.comparison.arms.formats import to_markdown
from seqablate.comparison.page import write_page
from seqablate.comparison.page.html import embedded
from seqablate.comparison.page.tables import every_table
from seqablate.comparison.result import LeftOut

HOSTILE = "</script><img src=x onerror=alert(1)>&amp;\u2028\u202e{{7*7}}"


class Page(HTMLParser):
    """Its elements, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.inside = ""
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside in self.raw:
            self.raw[self.inside][-1] += data
        else:
            self.words.append(data)


@pytest.fixture
def page_of(make_run, tmp_path):
    """The written page of two arms, parsed; keywords are the comparison's."""

    def written(command=(), runs=None, **new) -> Page:
        runs = runs or [make_run("a"), make_run("b", seed=1, model={"name": "rnn", "hidden_size": 8})]
        write_page(replace(compare_runs(runs), **new), runs, tmp_path / "page.html", command)
        return Page((tmp_path / "page.html").read_text(encoding="utf-8"))

    return written


@pytest.mark.parametrize("value", [HOSTILE, {HOSTILE: [HOSTILE]}, "<!--", "]]>", "é\ud800"])
def test_embedded_data_is_the_same_json_without_a_letter_that_markup_has(value):
    text = embedded(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_hostile_names_become_text(page_of, make_run):
    runs = [
        make_run("a", info={"message": HOSTILE, "command": [HOSTILE]}),
        make_run("b", seed=1, clip={"name": HOSTILE}),
    ]
    page = page_of([HOSTILE], runs, claim=HOSTILE, notes=[HOSTILE], left_out=[LeftOut(path=HOSTILE, why=HOSTILE)])
    assert "img" not in [tag for tag, _ in page.elements]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    shown = HOSTILE.replace("\u2028", "\\u2028").replace("\u202e", "\\u202e")  # control characters as escapes
    assert "".join(page.words).count(shown) >= 6
    data = json.loads(page.raw["script"][0])
    assert data["runs"][0]["message"] == shown


def test_only_our_scripts_and_styles_may_run_and_nothing_is_fetched(page_of):
    page = page_of()
    (policy,) = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for name, texts in (("script-src", page.raw["script"][1:]), ("style-src", page.raw["style"])):
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        assert rules[name].split() == [f"'sha256-{digest}'" for digest in digests]
    links = {name for _, attributes in page.elements for name in attributes} & {
        "src",
        "href",
        "srcset",
        "action",
        "style",
    }
    assert not links


def test_the_licence_of_what_is_built_in_goes_with_every_page(page_of):
    _, library, _ = page_of().raw["script"]
    assert "https://github.com/leeoniya/uPlot (v1.6." in library
    assert "Permission is hereby granted, free of charge" in library


def test_every_run_can_be_reached_with_its_command(page_of):
    page = page_of()
    data = json.loads(page.raw["script"][0])
    assert [run["command"] for run in data["runs"]] == ["seqablate train"] * 2
    assert len([1 for tag, attributes in page.elements if attributes.get("class") == "opener"]) == 2


def test_a_page_without_curves_has_no_section_for_them(page_of, make_run):
    page = page_of(runs=[make_run("a", rows=[])])
    sections = [attributes["id"] for tag, attributes in page.elements if tag == "section"]
    assert sections == ["arms", "runs", "repeat"]


def test_a_page_replaces_a_link_and_not_what_it_leads_to(page_of, tmp_path):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "page.html").symlink_to(tmp_path / "kept")
    page_of()
    assert (tmp_path / "kept").read_text() == "kept"
    assert not (tmp_path / "page.html").is_symlink()


def test_the_tables_are_those_of_the_other_formats(make_run):
    comparison = compare_runs([make_run("a"), make_run("b", clip={"name": "norm"})])
    tables, text = every_table(comparison), to_markdown(comparison)
    for _, cells in tables["arms"].rows + tables["contrasts"].rows:
        assert f"| {' | '.join(cell.line for cell in cells)} |" in text
    assert len(tables["arms"].rows) == 2
    assert len(tables["contrasts"].rows) == 1


def test_runs_stand_arm_after_arm_with_the_look_of_their_arm(make_run):
    runs = [make_run("a"), make_run("b", clip={"name": "norm"}), make_run("c", seed=1)]
    table = every_table(compare_runs(runs))["runs"]
    assert [(arm, cells[-1].text) for arm, cells in table.rows] == [(0, "a"), (0, "c"), (1, "b")]
