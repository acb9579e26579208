"""Shares this machine's GPUs out among the replicas of a job, through CUDA_VISIBLE_DEVICES.

Called by the local backend once per run. `share` is pure: devices in, variables out. TensorFlow refuses a group of
mixed devices, so the gang gets GPUs for all its members or for none.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.api.types import JobSpec, Role, Strategy
from orchestrator.core import membership
from orchestrator.core.plan import ReplicaPlan

VARIABLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class Shares:
    """Devices by replica name; `note` is said once at the start. Without any GPU there is nothing to set."""

    devices: Mapping[str, tuple[str, ...]]
    note: str = ""

    def env(self, replica: str) -> dict[str, str]:
        return {VARIABLE: ",".join(self.devices[replica])} if replica in self.devices else {}


def visible(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What this process may use: CUDA_VISIBLE_DEVICES, else what the driver lists."""
    named = environ.get(VARIABLE)
    if named is not None:
        return tuple(one.strip() for one in named.split(",") if one.strip() and one.strip() != "-1")
    if _DRIVER.is_dir():
        return tuple(str(number) for number in range(len(os.listdir(_DRIVER))))
    return _listed() if shutil.which("nvidia-smi") else ()


def _listed() -> tuple[str, ...]:
    try:
        found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(
        str(number) for number in range(sum(line.startswith("GPU ") for line in found.stdout.splitlines()))
    )


def share(spec: JobSpec, replicas: tuple[ReplicaPlan, ...], devices: tuple[str, ...]) -> Shares:
    if not devices:
        wishes = sum(one.gpus or 0 for one in replicas)
        return Shares(
            {}, f"gpus: {wishes} wanted, this machine has none: running on the CPU" if wishes else ""
        )
    if len(replicas) == 1 and replicas[0].gpus is None:
        return Shares({replicas[0].name: devices})
    trainers = [one for one in replicas if _computes(spec, one.role)]
    each = len(devices) // len(trainers)
    wishes_of = {one.name: each if one.gpus is None else one.gpus for one in trainers}
    if sum(wishes_of.values()) > len(devices) or (not each and not any(one.gpus for one in trainers)):
        return Shares({one.name: () for one in replicas}, _too_few(wishes_of, devices))
    wishes_of |= {one.name: one.gpus or 0 for one in replicas if one.name not in wishes_of}
    return Shares(_dealt(wishes_of, devices))


def _computes(spec: JobSpec, role: Role) -> bool:
    """With parameter servers the workers alone do the steps; others get what they ask for, if it is there."""
    if spec.strategy is Strategy.PARAMETER_SERVER:
        return role is Role.WORKER
    return membership.is_trainer(role)


def _too_few(wishes: Mapping[str, int], devices: tuple[str, ...]) -> str:
    wanted = max(sum(wishes.values()), len(wishes))
    return f"{len(devices)} GPUs for {len(wishes)} replicas that need {wanted}: all run on the CPU"


def _dealt(wishes: Mapping[str, int], devices: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """In order; whoever comes too late (the evaluator, say) gets none."""
    dealt, start = {}, 0
    for name, count in wishes.items():
        dealt[name] = devices[start : start + count] if start + count <= len(devices) else ()
        start += len(dealt[name])
    return dealt
