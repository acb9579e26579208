"""`tfo doctor`: is this machine fit for training? Looks, judges (`findings`) and prints; changes nothing.

TensorFlow is looked at by a process of its own (`probe`). Exit code 1 only if `tfo run` cannot work here at all.
"""

import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.backends.local.gpus import visible
from orchestrator.cli import exit_codes, machine
from orchestrator.cli.arguments import DoctorOptions
from orchestrator.cli.findings import Facts, Finding, Level, TensorFlow, judge
from orchestrator.version import __version__

_PROBE = "orchestrator.cli.probe"
_PROBE_SECONDS = 180.0
_ROOT = Path(__file__).resolve().parents[2]


def doctor_command(options: DoctorOptions) -> int:
    facts = Facts(
        version=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        system=platform.system(),
        runs_dir=str(options.runs_dir),
        machine=machine.look(options.runs_dir),
        tensorflow=look_at_tensorflow([sys.executable, "-m", _PROBE], _PROBE_SECONDS),
        devices=len(visible(os.environ)),
    )
    findings = judge(facts)
    print(_as_json(facts, findings) if options.output == "json" else "\n".join(render(findings)))
    is_bad = any(one.level is Level.BAD for one in findings)
    return exit_codes.FAILED if is_bad else exit_codes.OK


def look_at_tensorflow(command: Sequence[str], limit: float) -> TensorFlow:
    """What the probe says, or what became of it."""
    environ = dict(os.environ)
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_ROOT), environ.get("PYTHONPATH"))))
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=limit, check=False, env=environ
        )
    except subprocess.TimeoutExpired:
        return TensorFlow(trouble=f"importing it took more than {limit:g} s")
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        return TensorFlow(trouble=_why(done.returncode, done.stderr))
    return _read(json.loads(lines[-1]))


def _why(code: int, errors: str) -> str:
    said = [line.strip() for line in errors.splitlines() if line.strip()]
    end = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{end}: {said[-1][:300]}" if said else end


def _read(seen: dict[str, Any]) -> TensorFlow:
    return TensorFlow(
        version=seen["tensorflow"],
        keras=seen.get("keras"),
        needs_fix=seen.get("needsFix"),
        gpus=seen.get("gpus", 0),
        scikit_learn=seen["scikitLearn"],
    )


def render(findings: Sequence[Finding]) -> list[str]:
    width = max(len(one.subject) for one in findings)
    lines: list[str] = []
    for one in findings:
        lines.append(f"{one.level.value:<5} {one.subject.ljust(width)}  {one.text}")
        if one.cure:
            lines.append(f"{'':<5} {'':<{width}}  -> {one.cure}")
    return lines


def _as_json(facts: Facts, findings: Sequence[Finding]) -> str:
    return json.dumps(
        {"facts": dataclasses.asdict(facts), "findings": [dataclasses.asdict(one) for one in findings]},
        indent=2,
    )
