"""The environment and command line of a program on this machine.

Called by the local backend for every agent it starts. What a user would have typed in a terminal, plus the
variables of the plan. Pure but for the interpreter's own path.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.expansion import expand, expand_all
from orchestrator.core.plan import ReplicaPlan
from orchestrator.protocol import environment as env

PACKAGE = Path(__file__).resolve().parents[2]
HOOK = PACKAGE / "train" / "hook"
"""Folder of the start-up hook's sitecustomize; put first on PYTHONPATH."""
DEFAULTS = {"PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "1"}
OURS = "TFO_"
KEPT = ("TFO_RUNS_DIR", "TFO_DEBUG")
_PYTHONS = ("python", "python3")


@dataclass(frozen=True)
class Place:
    """Where programs run that name no place: the YAML's folder, else where `tfo` was called."""

    folder: Path
    environ: Mapping[str, str]


def argv(plan: ReplicaPlan) -> tuple[str, ...]:
    """References to variables filled in, as in a pod; a bare `python` is the interpreter that runs `tfo`."""
    variables = expand_all(plan.env)
    words = tuple(expand(word, variables) for word in plan.argv)
    return (sys.executable, *words[1:]) if words and words[0] in _PYTHONS else words


def working_dir(plan: ReplicaPlan, place: Place) -> Path:
    return place.folder / plan.working_dir if plan.working_dir else place.folder


def environ(plan: ReplicaPlan, place: Place, devices: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the program, but for what belongs to an attempt."""
    inherited = {name: value for name, value in place.environ.items() if _is_inherited(name)}
    found = {**DEFAULTS, **inherited, **devices, **expand_all(plan.env)}
    found["PATH"] = _joined(Path(sys.executable).parent, found.get("PATH") or os.defpath)
    if found.get(env.INSTRUMENT):
        found["PYTHONPATH"] = _joined(HOOK, found.get("PYTHONPATH", ""))
    return found


def _is_inherited(name: str) -> bool:
    """Nothing of a run that this one was started from."""
    return name != env.TF_CONFIG and (not name.startswith(OURS) or name in KEPT)


def _joined(first: Path, rest: str) -> str:
    return f"{first}:{rest}" if rest else str(first)
