"""``seqablate completion bash|zsh``: commands by ourselves, overrides of ``train`` by Hydra."""

from __future__ import annotations

import argparse

from seqablate.cli import COMMANDS

BASH = """_seqablate() {
    local current="${COMP_WORDS[COMP_CWORD]}" line="${COMP_LINE:0:$COMP_POINT}"
    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W "%(commands)s --help --version" -- "$current"))
    elif [[ ${COMP_WORDS[1]} == train ]]; then
        line="train ${line#*train}"
        COMPREPLY=($(COMP_LINE="$line" COMP_POINT=${#line} seqablate train -sc query=bash 2>/dev/null))
        [[ ${COMPREPLY[0]} == *[=.] ]] && compopt -o nospace 2>/dev/null
    else
        COMPREPLY=($(compgen -d -- "$current"))
    fi
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
COMP_WORDBREAKS=${COMP_WORDBREAKS//:}
complete -o default -F _seqablate seqablate"""
ZSH = "autoload -Uz bashcompinit && bashcompinit"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="seqablate completion",
        description='Print shell code; to use it: eval "$(seqablate completion bash)" in the shell\'s start-up file.',
    )
    parser.add_argument("shell", choices=("bash", "zsh"))
    shell = parser.parse_args(argv).shell
    script = BASH % {"commands": " ".join(COMMANDS)}
    print(script if shell == "bash" else f"{ZSH}\n{script}")
    return 0
