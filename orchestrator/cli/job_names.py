"""A name for a job whose user gave none: from the program's file name, made to fit DNS-1035.

Called by `jobs`. Pure.
"""

import re
from collections.abc import Sequence
from pathlib import PurePath

from orchestrator.api.validation import suggest_name

_INTERPRETER = re.compile(r"python[0-9.]*")
_OPTIONS_WITH_VALUE = ("-W", "-X")
_FALLBACK = "job"


def name_of(program: Sequence[str]) -> str:
    """`python train.py --lr 0.1` is called train, `python -m team.train_big` train-big."""
    first = PurePath(program[0]).name
    stem = _script_of(program[1:]) if _INTERPRETER.fullmatch(first) else PurePath(first).stem
    return suggest_name(stem) or _FALLBACK


def _script_of(words: Sequence[str]) -> str:
    """What the interpreter runs; the interpreter itself for `-c` and for nothing."""
    rest = iter(words)
    for word in rest:
        if word == "-m":
            return next(rest, "").rpartition(".")[2]
        if word == "-c":
            break
        if word in _OPTIONS_WITH_VALUE:
            next(rest, "")
        elif not word.startswith("-"):
            return PurePath(word).stem
    return "python"
