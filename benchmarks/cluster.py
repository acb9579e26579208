"""The other side: chief and workers started by hand, with a TF_CONFIG as one writes it in a shell script.

Used by the benchmarks beside it. No agent, no coordinator, no recovery: what a user does without this project.
"""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROLES = (("chief", 0), ("worker", 0), ("worker", 1))


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def tf_configs() -> list[str]:
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(ROLES))]
    shape = {"chief": addresses[:1], "worker": addresses[1:]}
    return [json.dumps({"cluster": shape, "task": {"type": role, "index": index}}) for role, index in ROLES]


def shell_script(program: Sequence[str], environ: Mapping[str, str]) -> str:
    """What the user would have written: three programs in the background, wait for all."""
    command = " ".join(f"'{one}'" for one in program)
    fixed = " ".join(f"{name}='{value}'" for name, value in environ.items())
    lines = [
        f"TF_CONFIG='{config}' {fixed} {command} & p{number}=$!" for number, config in enumerate(tf_configs())
    ]
    return "\n".join([*lines, *(f"wait $p{number} || exit 1" for number in range(len(lines)))])


def run_script(program: Sequence[str], environ: Mapping[str, str], folder: Path) -> float:
    """Wall time in seconds. Raises CalledProcessError."""
    path = folder / "train.sh"
    path.write_text(shell_script(program, environ), encoding="utf-8")
    start = time.perf_counter()
    with (folder / "script.log").open("wb") as log:
        subprocess.run(["sh", str(path)], check=True, stdout=log, stderr=log, env=dict(os.environ))
    return time.perf_counter() - start


@contextmanager
def started(
    program: Sequence[str], environs: Sequence[Mapping[str, str]]
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The three programs, each with variables of its own; killed at the end whatever happens."""
    configs = tf_configs()
    found = [
        subprocess.Popen(
            program,
            env=dict(os.environ) | {"TF_CONFIG": config, "TF_CPP_MIN_LOG_LEVEL": "2"} | dict(more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for config, more in zip(configs, environs, strict=True)
    ]
    try:
        yield found
    finally:
        for one in found:
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()


@contextmanager
def report_socket() -> Iterator[tuple[str, socket.socket]]:
    """A socket like the agent's: programs say there when they do their first step."""
    with (
        tempfile.TemporaryDirectory(prefix="tfo-bench-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made,
    ):
        path = str(Path(folder) / "s")
        made.bind(path)
        yield path, made


def first_step(reports: socket.socket, limit: float = 120.0) -> float:
    """Waits for the first report with a step; returns the moment (perf_counter). Raises TimeoutError."""
    reports.settimeout(limit)
    while True:
        if json.loads(reports.recv(65536)).get("step"):
            return time.perf_counter()
