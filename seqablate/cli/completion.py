"""``seqablate completion bash|zsh``: shell code that asks :func:`candidates` what the word at the cursor may become."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from seqablate.cli import COMMANDS
from seqablate.cli.parser import Parser
from seqablate.errors import UsageError

if TYPE_CHECKING:
    from seqablate.config.registry import Choices

BASH = """_seqablate() {
    mapfile -t COMPREPLY < <(seqablate completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [[ ${COMPREPLY[0]} == *[=.] ]] && compopt -o nospace 2>/dev/null
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
COMP_WORDBREAKS=${COMP_WORDBREAKS//:}
complete -o default -F _seqablate seqablate"""
ZSH = """_seqablate() {
    local -a found
    found=("${(@f)$(seqablate completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    [[ -z "${found[1]}" ]] && { _files; return; }
    if [[ "${found[1]}" == *[=.] ]]; then compadd -Q -S '' -- "${found[@]}"; else compadd -Q -- "${found[@]}"; fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _seqablate seqablate"""


def main(argv: list[str]) -> int:
    parser = Parser(
        prog="seqablate completion",
        description='Print shell code; to use it: eval "$(seqablate completion bash)" in the shell\'s start-up file.',
    )
    parser.add_argument("shell", choices=("bash", "zsh"))
    if argv[:2] == ["words", "--"]:  # from that shell code: print one candidate a line
        print(*candidates(argv[2:]), sep="\n")
        return 0
    print(BASH if parser.parse_args(argv).shell == "bash" else ZSH)
    return 0


def candidates(words: list[str]) -> list[str]:
    """What the last of the words after ``seqablate`` may become; nothing where the shell had better offer files."""
    *before, last = words or [""]
    if not before:
        return [word for word in (*COMMANDS, "--help", "--version") if word.startswith(last)]
    if before[0] == "completion":
        return [shell for shell in ("bash", "zsh") if shell.startswith(last)]
    if before[0] == "study":
        return _study(before[1:], last)
    return _train(before[1:], last) if before[0] == "train" else _folders(last)


def _study(before: list[str], last: str) -> list[str]:
    """What is done with a study, then its name; nothing for a file of one's own, which the shell had better offer."""
    from seqablate.cli.study import COMMANDS as OF_STUDIES
    from seqablate.study.file import study_files

    offered = [path.stem for path in study_files()] if len(before) == 1 else [] if before else [*OF_STUDIES]
    return [word for word in offered if word.startswith(last)]


def _train(before: list[str], last: str) -> list[str]:
    """Options, keys, or the values of a key; in a sweep, the value behind the last comma."""
    from seqablate.assemble import load_variants
    from seqablate.cli.train import OPTIONS
    from seqablate.config.lookup import choices, keys_of
    from seqablate.config.registry import GROUPS, SEVERAL, variants

    load_variants()
    if last.startswith("-"):
        return [option for option in OPTIONS if option.startswith(last)]
    if before and before[-1] in ("--cfg", "-c"):
        return [word for word in ("job",) if word.startswith(last)]
    keys, groups = keys_of(_choices(before)), [*GROUPS]
    if {"-m", "--multirun"} & set(before):
        keys, groups = keys | _options(before), [*groups, "launch"]
    key, equals, value = last.partition("=")
    if not equals:
        adding = [f"+{group}" for group in SEVERAL]
        return [f"{name}=" for name in (*groups, *adding, *keys) if name.startswith(last)]
    group = key.removeprefix("+")
    offered = variants(group) if group in groups else choices(keys[key]) if key in keys else []
    tail = re.split(r"[\[,]", value)[-1]  # of a list, or of a sweep: its last part
    return [f"{last.removesuffix(tail)}{word}" for word in offered if word.startswith(tail)]


def _choices(words: list[str]) -> Choices:
    """What is chosen by those of the words that can be read."""
    from seqablate.config.compose import choices_of
    from seqablate.config.overrides import read_words

    readable = []
    for word in words:
        with suppress(UsageError):
            choices_of(read_words([word]))
            readable.append(word)
    return choices_of(read_words(readable))


def _options(words: list[str]) -> dict[str, Any]:
    """The options of a sweep, with the keys of the launcher that the words choose."""
    from seqablate.sweep.options import launcher_name, option_keys, option_values

    values = option_values([])
    for word in words:
        with suppress(UsageError):
            values = option_values([word]) if word.startswith("launch=") else values
    return option_keys(launcher_name(values))


def _folders(last: str) -> list[str]:
    """Folders that begin so, as every other command takes them."""
    parent, name = os.path.split(last)
    try:
        entries = sorted(entry.name for entry in os.scandir(parent or ".") if entry.is_dir())
    except OSError:
        return []
    return [os.path.join(parent, entry) for entry in entries if entry.startswith(name)]
