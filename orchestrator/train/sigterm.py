"""SIGTERM in a training program: who listens to it, and that nobody else takes it away.

Called by `stop`, the reporting callback and the built-in workloads. MultiWorkerMirroredStrategy sets a handler of its
own when it is made (TensorFlow's preemption_notifier.cc), which tells an interface that `fit` does not use; the process
then goes on until it is killed. Python is not told that its handler is gone. Whoever was asked before it listened finds
the agent's notice (`agent.stop_notice`). Python 3.9, standard library only.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any, Optional

from orchestrator.protocol.environment import STOP_FILE


class SigtermFlag:
    """Whether SIGTERM has come; shared by all who listen in this process."""

    def __init__(self) -> None:
        self.is_set = False
        self._listeners = 0
        self._previous: Any = None

    def listen(self) -> None:
        """Take SIGTERM over. Outside the main thread Python cannot, and SIGTERM goes on ending the process."""
        self._listeners += 1
        if self._listeners == 1:
            try:
                self._previous = signal.signal(signal.SIGTERM, self._set)
            except ValueError:
                self._listeners = 0
            else:
                self.is_set = self.is_set or was_asked()

    def unlisten(self) -> None:
        """Give SIGTERM back to whoever had it before."""
        if self._listeners == 0:
            return
        self._listeners -= 1
        if self._listeners == 0:
            signal.signal(signal.SIGTERM, self._previous if self._previous is not None else signal.SIG_DFL)

    def _set(self, number: int, frame: Optional[FrameType]) -> None:
        self.is_set = True


def was_asked() -> bool:
    """Whether this process's agent has asked it to stop, or is about to."""
    path = os.environ.get(STOP_FILE)
    return bool(path) and os.path.exists(path or "")


def end_on_sigterm() -> None:
    """Let SIGTERM end this process again, as it did before the strategy was made, and do so if it has come meanwhile.

    A program that handles the signal itself gets it back, but is not told twice: it may have heard. Does nothing
    outside the main thread.
    """
    known = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, known)
    except (ValueError, TypeError):  # TypeError: a handler that was there before Python
        return
    if known is signal.SIG_DFL and was_asked():
        os.kill(os.getpid(), signal.SIGTERM)
