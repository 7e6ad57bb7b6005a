from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqablate.errors import UsageError
from seqablate.tasks.lm_text import read_text

READ = """
import json, sys
from seqablate.errors import UsageError
from seqablate.tasks.lm_text import read_text
asked = []  # every connection that was tried
sys.addaudithook(lambda event, words: event == "socket.connect" and asked.append(words[1]))
try:
    print(json.dumps(read_text(sys.argv[1])))
except UsageError as error:
    print(json.dumps(asked))
    sys.exit(f"refused: {error}")
"""
CLOSED_PORT = "http://127.0.0.1:9"


def read_apart(name: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """read_text in a process of its own: the Hub's address and cache are read once, when its library is imported."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_") and "proxy" not in key.lower()}
    return subprocess.run(
        [sys.executable, "-c", READ, name],
        cwd=cwd,
        env=kept | {"HF_HOME": str(cwd / "hub"), "PYTHONPATH": str(Path(__file__).parents[2])} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the Hub's HTTP interface as serves the dataset ``some/verse``: line-wise text, two splits."""

    revision = "5" * 40
    files = {"train.txt": b"one\ntwo\n\n" * 40, "test.txt": b"three\n" * 9}  # noqa: RUF012 - constant

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        name = path.rsplit("/", 1)[-1]
        entries = [{"type": "file", "path": f, "size": len(d), "oid": "0" * 40} for f, d in self.files.items()]
        if "some/verse" not in path:
            self.reply(404, headers={"X-Error-Code": "RepoNotFound"})
        elif "/resolve/" in path and name in self.files:
            self.reply(200, self.files[name], {"X-Repo-Commit": self.revision, "ETag": f'"{name}"'})
        elif path.endswith(("/api/datasets/some/verse", f"/revision/{self.revision}")):
            siblings = [{"rfilename": f} for f in self.files]
            self.reply(200, json.dumps({"id": "some/verse", "sha": self.revision, "siblings": siblings}).encode())
        elif "/tree/" in path:
            self.reply(200, json.dumps(entries).encode())
        elif "/paths-info/" in path:
            wanted = json.loads(body)["paths"]
            self.reply(200, json.dumps([entry for entry in entries if entry["path"] in wanted]).encode())
        else:
            self.reply(404, headers={"X-Error-Code": "EntryNotFound"})

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_pydoc_is_english_text_of_the_standard_library():
    texts = read_text("pydoc")
    assert list(texts) == ["train"]
    assert len(texts["train"]) > 300_000
    assert "statement" in texts["train"]


@pytest.mark.parametrize("name", ["plain.txt", "a[1] *b?.txt", "no suffix"])
def test_a_file_is_read_whole_with_its_line_breaks(tmp_path, name):
    (tmp_path / name).write_bytes("un été\n\n  deux\n".encode())
    assert read_text(str(tmp_path / name)) == {"train": "un été\n\n  deux\n"}


def test_byte_order_mark_and_windows_line_ends_are_not_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    assert read_text(str(tmp_path / "a.txt"))["train"] == "one\ntwo\n"


def test_a_changed_file_is_read_anew(tmp_path):
    path = tmp_path / "a.txt"
    for text in ("first", "other"):
        path.write_text(text)
        os.utime(path, (1, 1))
        assert read_text(str(path))["train"] == text


def test_a_folder_is_its_txt_files_in_the_order_of_their_names(tmp_path):
    for name, text in {"b.txt": "two ", "a.txt": "one ", "c.md": "no", "d.txt": "three"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "d.txt").rename(tmp_path / "D.TXT")
    (tmp_path / "._a.txt").write_bytes(b"\xff\x00")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "e.txt").write_text("four\n")
    assert read_text(str(tmp_path))["train"] == "three\none \ntwo \nfour\n"  # capitals sort first


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\0" * 400, "holds NUL bytes, as a binary file"),
        ("a.txt", "plain text ".encode("utf-16-le") * 9, "holds NUL bytes, as UTF-16 text"),
        ("a.zip", b"PK\x03\x04" + b"x" * 50, "is no whole .zip file"),
        ("a.xz", b"x" * 50, "is no whole .xz file"),
        ("a.gz", b"x" * 50, "is no whole .gz file"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message) as refusal:
        read_text(str(tmp_path / name))
    assert "\n" not in str(refusal.value)


def test_a_table_is_read_by_its_column(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "hello", "n": 1}\n' * 3)
    (tmp_path / "a.csv").write_text("id,words\n1,hello world\n2,two\n")
    assert read_text(str(tmp_path / "a.jsonl")) == {"train": "hello\n" * 3}
    assert read_text(str(tmp_path / "a.csv"), "words") == {"train": "hello world\ntwo\n"}
    with pytest.raises(UsageError, match=r"task\.column=text: .* has no such column \(it has id, words\)"):
        read_text(str(tmp_path / "a.csv"))


@pytest.mark.parametrize("name", ["~nosuchuser/x.txt", "x" * 5000, "a\0b"])
def test_a_name_that_cannot_be_a_file_is_refused_in_a_short_line(name):
    with pytest.raises(UsageError) as refusal:
        read_text(name)
    assert len(str(refusal.value)) < 400


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.txt").write_text("at home")
    assert read_text("~/a.txt")["train"] == "at home"


@pytest.mark.parametrize("name", ["missing.txt", "./missing", "/missing/text", "owner/missing.txt", "missing", "a/b/c"])
def test_a_path_that_does_not_exist_is_refused_without_asking_the_hub(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"^task.corpus={name}: no such file or folder; give a text file"):
        read_text(name)


@pytest.mark.parametrize(("content", "message"), [(b"", "has no text in it"), (b" \n", "has no text in it")])
def test_an_empty_file_is_refused(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_text(str(tmp_path / "a.txt"))


def test_an_empty_name_is_refused():
    with pytest.raises(UsageError, match=r"task\.corpus is empty"):
        read_text("")


def test_a_folder_without_txt_files_is_refused(tmp_path):
    (tmp_path / "a.md").write_text("text")
    with pytest.raises(UsageError, match=r"no \.txt file in this folder"):
        read_text(str(tmp_path))


def test_the_file_of_a_folder_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("fine")
    (tmp_path / "b.txt").write_bytes("été".encode("latin-1"))
    with pytest.raises(UsageError, match=r"b\.txt is not UTF-8 text"):
        read_text(str(tmp_path))


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    for name in (tmp_path, tmp_path / "pipe.txt"):
        with pytest.raises(UsageError, match=r"pipe\.txt is neither a file nor a folder"):
            read_text(str(name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("is_folder", [False, True])
def test_what_may_not_be_read_is_refused_with_the_reason(tmp_path, is_folder):
    path = tmp_path / "closed.txt"
    path.mkdir() if is_folder else path.write_text("text")
    path.chmod(0)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        read_text(str(path))
    path.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that even root cannot read")
def test_a_file_that_fails_when_read_is_refused_with_the_reason():
    with pytest.raises(UsageError, match="cannot be read: Input/output error"):
        read_text("/proc/self/mem")


def test_progress_bars_and_log_level_are_as_before(tmp_path):
    from datasets.utils import are_progress_bars_disabled, logging

    (tmp_path / "a.txt").write_text("text")
    before = are_progress_bars_disabled(), logging.get_verbosity()
    read_text(str(tmp_path / "a.txt"))
    assert (are_progress_bars_disabled(), logging.get_verbosity()) == before == (False, logging.WARNING)


def test_a_hub_dataset_without_a_network_is_refused_after_one_try(tmp_path):
    """``datasets`` on its own would try for more than 20 s."""
    done = read_apart("some/verse", tmp_path, HF_ENDPOINT=CLOSED_PORT)
    assert json.loads(done.stdout) == [["127.0.0.1", 9]]
    assert done.stderr == (
        "refused: task.corpus=some/verse: no network (127.0.0.1:9 cannot be reached), and no copy in the local cache: "
        "fetch it once where there is a network; or use a local file (task.corpus=my.txt) or task.corpus=pydoc\n"
    )


def test_offline_mode_asks_nobody(tmp_path, hub):
    done = read_apart("some/verse", tmp_path, HF_ENDPOINT=hub, HF_HUB_OFFLINE="1")
    assert done.stderr.startswith("refused: task.corpus=some/verse: offline mode is on, and no copy in the local cache")
    assert json.loads(done.stdout) == []


def test_a_hub_dataset_gives_its_own_parts_and_later_the_cached_copy(tmp_path, hub):
    expected = {part: text.decode() for part, text in (("train", b"one\ntwo\n\n" * 40), ("test", b"three\n" * 9))}
    for endpoint in (hub, CLOSED_PORT):
        done = read_apart("some/verse", tmp_path, HF_ENDPOINT=endpoint)
        assert (json.loads(done.stdout), done.stderr) == (expected, "")


def test_a_dataset_that_the_hub_does_not_have_is_refused(tmp_path, hub):
    done = read_apart("some/prose", tmp_path, HF_ENDPOINT=hub)
    assert done.stderr == (
        "refused: task.corpus=some/prose: no such file or folder, nor a dataset of the Hub open to you\n"
    )


def test_a_config_that_the_dataset_does_not_have_is_refused_in_one_line(tmp_path, hub):
    done = read_apart("some/verse:rhymed", tmp_path, HF_ENDPOINT=hub)
    assert done.stderr.count("\n") == 1
    assert "BuilderConfig 'rhymed' not found" in done.stderr
