"""Every request of ``bad_requests.tsv`` as a real process, and what each of them must not do.

    python scripts/bad_requests.py                  all of them, two at a time
    python scripts/bad_requests.py output_dir -v    those that contain a word; -v prints what each one said

A refused request (exit code 2) says so in one line that begins with "seqablate: ", is shorter than 400 characters and
names the key or the file; it leaves nothing behind. An accepted one (0) leaves nothing on standard error. No request
may print a traceback or take longer than 20 seconds.

A line of the table: the words after ``seqablate`` (as for a shell), a tab, the right exit codes (``0/2``: both are),
a tab, the words that a refusal must contain. Each request runs in an empty folder of its own.

Placeholders: @A@ a tiny run, @B@ the same without a task.length, @L@ the same on a text, @TMP@ the folder of the
fixtures, @Xn@ n letters x, @Nn@ n nines, @Dn@ n names of 200 letters as a path, @LISTn@ n brackets, \\n and \\t a line
break and a tab.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_suffix(".tsv")
LONGEST, MOST_CHARACTERS, WORKERS = 120.0, 400, 2  # seconds until it counts as one without an end; a line; at once
TINY = "steps=2 eval.size=4 batch_size=2 model.hidden_size=4"


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the table."""

    line: str
    codes: tuple[int, ...]
    named: tuple[str, ...]

    def words(self, fixtures: Path) -> list[str]:
        """As the process gets them."""
        line = self.line
        short = {"A": f"{TINY} task.length=10", "B": TINY, "L": f"{TINY} task=lm task.bptt=4", "TMP": str(fixtures)}
        for name, text in short.items():
            line = line.replace(f"@{name}@", text)
        line = re.sub(r"@X(\d+)@", lambda m: "x" * int(m[1]), line)
        line = re.sub(r"@N(\d+)@", lambda m: "9" * int(m[1]), line)
        line = re.sub(r"@D(\d+)@", lambda m: "/".join(["d" * 200] * int(m[1])), line)
        line = re.sub(r"@LIST(\d+)@", lambda m: "[" * int(m[1]) + "]" * int(m[1]), line)
        return [word.replace("\\n", "\n").replace("\\t", "\t") for word in shlex.split(line)]


def read_table(path: Path = TABLE) -> list[Request]:
    """Every request."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [Request(row[0], tuple(map(int, row[1].split("/"))), tuple(row[2].split())) for row in rows]


def faults(request: Request, fixtures: Path) -> tuple[list[str], str]:
    """What is wrong with the answer to a request, and what it said on standard error."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", COLUMNS="200")
        command = [sys.executable, "-m", "seqablate", *request.words(fixtures)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LONGEST, cwd=folder, env=environment, check=False
            )
        except subprocess.TimeoutExpired:
            return ["did not end"], ""
        left = sorted(p.name for p in Path(folder).iterdir())
    return list(_faults(request, done.returncode, done.stderr, left)), done.stderr


def _faults(request: Request, code: int, errors: str, left: list[str]) -> Iterator[str]:
    if "Traceback" in errors:
        yield "a traceback"
    if code not in request.codes:
        yield f"exit code {code}"
    if code != 2:
        if errors.strip():
            yield "something on standard error"
        return
    lines = errors.strip().splitlines()
    if len(lines) != 1 or not lines[0].startswith("seqablate: "):
        yield f"{len(lines)} lines"
    if len(errors.strip()) >= MOST_CHARACTERS:
        yield f"{len(errors)} characters"
    if missing := [word for word in request.named if word not in errors]:
        yield f"does not name {' '.join(missing)}"
    if left:
        yield f"left {' '.join(left)}"


def make_fixtures(folder: Path) -> None:
    """Texts, folders, pipes and links, most of them unfit to be read."""
    english = "the quick brown fox jumps over the lazy dog\n" * 60
    noise = random.Random(0).randbytes
    files: dict[str, bytes | str] = {
        "good.txt": english, "empty.txt": "", "blank.txt": "  \n\n \t", "short.txt": "abc", "onechar.txt": "a" * 4000,
        "latin1.txt": "é".encode("latin1") * 500, "utf16.txt": english.encode("utf-16"), "bomonly.txt": b"\xef\xbb\xbf",
        "utf16_nobom.txt": english.encode("utf-16-le"), "binary.txt": noise(4000), "nul.txt": b"\0" * 4000,
        "surrogate.txt": b"ab\xed\xa0\x80cd" * 300, "u.zip": b"PK\x03\x04" + noise(500), "c.xz": noise(500),
        "c.gz": noise(500), "c.pdf": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3" + noise(999), "file": "x",
        "rows.jsonl": '{"text": "hello world"}\n' * 300, "rows.csv": "id,text\n" + "1,hello world\n" * 300,
        "unique.txt": " ".join(f"w{n}" for n in range(2000)), "dot/a.txt": english, "dot/._a.txt": noise(300),
        "upper/ONE.TXT": english, "sub/a.txt": english, "sub/deep/b.txt": english, "glued/a.txt": english[:-1],
        "glued/b.txt": english, "md/a.md": english, "emptyfiles/a.txt": "", "emptyfiles/b.txt": "",
        "onebad/a.txt": english, "onebad/b.txt": noise(300), "searchpath/model/evil.yaml": "hidden_size: 3\n",
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    for name in ("nofiles", "txtisdir/a.txt"):
        (folder / name).mkdir(parents=True)
    for name in ("fifo.txt", "pipe"):
        os.mkfifo(folder / name)
    for name, target in (("broken.txt", "nowhere"), ("loop.txt", "loop.txt"), ("brokendir", "nowhere")):
        (folder / name).symlink_to(target)


def main(arguments: list[str]) -> int:
    words = [word for word in arguments if word != "-v"]
    return ask([r for r in read_table() if not words or any(word in r.line for word in words)], "-v" in arguments)


def ask(chosen: list[Request], aloud: bool = False) -> int:
    """Make these requests as processes; 1 if one is answered in a wrong way, else 0."""
    bad = 0
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(WORKERS) as pool:
        make_fixtures(Path(place))
        for request, (found, said) in zip(chosen, pool.map(lambda r: faults(r, Path(place)), chosen), strict=True):
            bad += bool(found)
            if found or aloud:
                print(
                    f"{'WRONG' if found else 'right'} {request.line}: {', '.join(found)}\n      {said[-600:].strip()}"
                )
                sys.stdout.flush()
    print(f"{len(chosen) - bad} of {len(chosen)} requests answered as they must be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
