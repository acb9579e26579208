"""What `tfo doctor` makes of what it saw: a line per subject, with the cure where something is wrong.

Called by `doctor` with facts that others gathered. Pure.
"""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.cli.machine import Machine

INSTALL_TRAIN = "pip install 'tf-orchestrator[train]'"
_GIB = 1 << 30
_ENOUGH_MEMORY = 2 * _GIB
"""A TensorFlow process takes 0.6 GB before it has a model; a chief and two workers take this."""
_ENOUGH_DISK = _GIB


class Level(StrEnum):
    """WARN: something will not work or not well. BAD: `tfo run` cannot work here."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    subject: str
    level: Level
    text: str
    cure: str = ""


@dataclass(frozen=True, kw_only=True)
class TensorFlow:
    """What the probe said. `version` None: not installed; `trouble`: it could not even be looked at."""

    version: str | None = None
    keras: str | None = None
    needs_fix: bool | None = False
    gpus: int = 0
    scikit_learn: bool = False
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """`devices`: GPUs that the driver names."""

    version: str
    python: str
    executable: str
    system: str
    runs_dir: str
    machine: Machine
    tensorflow: TensorFlow
    devices: int = 0


def judge(facts: Facts) -> tuple[Finding, ...]:
    found = [
        Finding("tfo", Level.OK, facts.version),
        Finding("Python", Level.OK, f"{facts.python} ({facts.executable})"),
        _system(facts),
        _tensorflow(facts.tensorflow),
        _keras(facts.tensorflow),
        _data(facts.tensorflow),
        _gpus(facts),
        _processors(facts.machine),
        _memory(facts.machine),
        _disk(facts),
    ]
    return tuple(one for one in found if one is not None)


def _system(facts: Facts) -> Finding:
    if facts.system == "Linux":
        return Finding("system", Level.OK, "Linux")
    cure = "use Linux, or WSL2 on Windows; validate, plan and schema work here"
    return Finding("system", Level.BAD, f"{facts.system}: tfo run needs Linux", cure)


def _tensorflow(seen: TensorFlow) -> Finding:
    if seen.trouble:
        cure = f"try: python -c 'import tensorflow'; to install it anew: {INSTALL_TRAIN}"
        return Finding("TensorFlow", Level.WARN, f"cannot be used: {seen.trouble}", cure)
    if seen.version is None:
        text = "not installed: built-in workloads cannot run, own programs without TensorFlow can"
        return Finding("TensorFlow", Level.WARN, text, INSTALL_TRAIN)
    return Finding("TensorFlow", Level.OK, seen.version)


def _keras(seen: TensorFlow) -> Finding | None:
    if seen.keras is None:
        return None
    if seen.needs_fix is None:
        text = f"{seen.keras}: not known to this version of tfo, so model.fit is left as it is"
        return Finding(
            "Keras", Level.WARN, text, "if model.fit fails on several workers, install Keras 3.15 or tfo anew"
        )
    done = "model.fit needs a fix on several workers, which tfo applies by itself"
    return Finding("Keras", Level.OK, f"{seen.keras}; {done if seen.needs_fix else 'no fix needed'}")


def _data(seen: TensorFlow) -> Finding | None:
    if seen.version is None or seen.scikit_learn:
        return None
    text = "scikit-learn is not installed: the built-in workloads' default data (digits) is part of it"
    return Finding("data", Level.WARN, text, "pip install scikit-learn, or --set data=PATH.npz")


def _gpus(facts: Facts) -> Finding | None:
    seen = facts.tensorflow
    if seen.version is None:
        return Finding("GPUs", Level.OK, str(facts.devices)) if facts.devices else None
    if facts.devices and not seen.gpus:
        text = f"{facts.devices} there, but TensorFlow sees none"
        return Finding("GPUs", Level.WARN, text, "pip install 'tensorflow[and-cuda]'")
    return Finding("GPUs", Level.OK, str(seen.gpus) if seen.gpus else "none: training runs on the CPU")


def _processors(machine: Machine) -> Finding:
    limit = machine.processor_limit
    if limit is None or limit >= machine.processors:
        return Finding("processors", Level.OK, str(machine.processors))
    text = f"{machine.processors}, of which the control group allows {limit:g}"
    return Finding("processors", Level.OK, text)


def _memory(machine: Machine) -> Finding | None:
    if machine.memory_free is None:
        return None
    text = f"{_size(machine.memory_free)} free"
    text += f" of {_size(machine.memory)}" if machine.memory else ""
    if machine.memory_limit is not None and machine.memory_limit < (machine.memory or _GIB << 30):
        text += f", limited to {_size(machine.memory_limit)} by the control group"
    if machine.memory_free >= _ENOUGH_MEMORY:
        return Finding("memory", Level.OK, text)
    cure = "each TensorFlow process takes about 0.6 GB: fewer workers, or end other programs"
    return Finding("memory", Level.WARN, text, cure)


def _disk(facts: Facts) -> Finding | None:
    free = facts.machine.disk_free
    if free is None:
        return None
    text = f"{_size(free)} free for {facts.runs_dir}"
    if free >= _ENOUGH_DISK:
        return Finding("disk", Level.OK, text)
    return Finding("disk", Level.WARN, text, "remove old runs (tfo rm --all), or --runs-dir on another disk")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
