"""What parameter servers and workers of ParameterServerStrategy run: TensorFlow's server, as long as it is needed.

`python -m orchestrator.train.server` is the program of these roles where a job names none. A program that is started in
every role calls `serve()` first. SIGTERM ends a server only when the chief has ended: whoever is told to stop together
with the chief holds what the chief has to save. Python 3.9 syntax; TensorFlow only inside functions.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, NoReturn, Optional

from orchestrator.protocol.environment import TF_CONFIG
from orchestrator.train.membership import CHIEF_ROLES
from orchestrator.train.sigterm import was_asked
from orchestrator.train.stop import STOPPED_EXIT_CODE

PS, WORKER = "ps", "worker"
WRONG_INPUT = 2
LOOK_SECONDS = 0.2
CONNECT_SECONDS = 2.0
FAIL_FAST = "GRPC_FAIL_FAST"
INTER_OP_THREADS = "TF_NUM_INTEROP_THREADS"


@dataclass(frozen=True)
class Task:
    """A server's place in its cluster."""

    cluster: Dict[str, List[str]]
    role: str
    index: int

    @property
    def chiefs(self) -> List[str]:
        return [address for role in CHIEF_ROLES for address in self.cluster.get(role, [])]

    @property
    def workers(self) -> int:
        return len(self.cluster.get(WORKER, []))


class _Bell:
    """Rung by SIGTERM, which the interpreter itself writes into a pipe.

    Why neither an Event nor a Lock? A signal that comes just before its thread begins to wait wakes it from neither,
    and a handler may run while its own thread holds the lock in an Event.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def listen(self) -> None:
        """Outside the main thread Python cannot, and SIGTERM goes on ending the process."""
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, lambda *_: None)
            signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def ring(self) -> None:
        os.write(self._write, b"!")

    def wait(self) -> None:
        os.read(self._read, 1)


def serve() -> None:
    """In a parameter server or one of its workers: serves, and ends the process. Returns at once in other roles."""
    task = read_task(os.environ)
    if task is not None:
        _serve(task)


def read_task(environ: Mapping[str, str]) -> Optional[Task]:
    """The server that TF_CONFIG makes this process; None if it makes it none."""
    try:
        config = json.loads(environ[TF_CONFIG])
        cluster = {str(role): [str(one) for one in found] for role, found in config["cluster"].items()}
        task = Task(cluster, str(config["task"]["type"]), int(config["task"]["index"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return task if PS in cluster and task.role in (PS, WORKER) else None


def _serve(task: Task) -> NoReturn:
    told = _Bell()
    told.listen()
    if was_asked():
        told.ring()
    server = _start(task)
    print(f"{task.role} {task.index} serves at {task.cluster[task.role][task.index]}", flush=True)
    told.wait()
    while any(is_listening(address) for address in task.chiefs):
        time.sleep(LOOK_SECONDS)
    del server
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Why not sys.exit? TensorFlow cannot shut a server down in order, and aborts or waits.
    os._exit(STOPPED_EXIT_CODE)


def _start(task: Task) -> Any:
    # TensorFlow's advice for this strategy: a call to a peer that is gone fails instead of waiting for it.
    os.environ.setdefault(FAIL_FAST, "use_caller")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    import tensorflow as tf

    config = tf.compat.v1.ConfigProto()
    if INTER_OP_THREADS not in os.environ:
        # With fewer, a worker that waits for the parameter servers can have no thread left to serve them.
        config.inter_op_parallelism_threads = max(os.cpu_count() or 1, task.workers + 1)
    return tf.distribute.Server(
        tf.train.ClusterSpec(task.cluster),
        job_name=task.role,
        task_index=task.index,
        protocol="grpc",
        config=config,
    )


def is_listening(address: str) -> bool:
    """Whether somebody accepts connections there; one whose name is gone does not."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


def main() -> int:
    serve()
    print(
        "error: this serves the chief of a ParameterServerStrategy, as a ps or worker of the cluster in TF_CONFIG; "
        "there is no such cluster, or this is no ps or worker of it",
        file=sys.stderr,
        flush=True,
    )
    return WRONG_INPUT


if __name__ == "__main__":
    sys.exit(main())
