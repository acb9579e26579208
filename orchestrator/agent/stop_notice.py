"""A file that is there once the program was asked to stop, for one that could not hear the signal.

Owned by `agent.loop`. TensorFlow's MultiWorkerMirroredStrategy takes SIGTERM over when it is made, and goes on; a
program that listens later looks for this file then (`train.sigterm`). Python 3.9, standard library only.
"""

from __future__ import annotations

import os
from contextlib import suppress

from orchestrator.agent.folder import Folder

ENDING = ".stop"


class StopNotice:
    """The file, if there is one, lies in `folder`."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._path = ""

    def place(self) -> str:
        """Where it will lie for a program that is about to start; nothing does yet. Raises OSError.

        Also where one of an earlier program cannot be removed: it would end every other at once.
        """
        self._path = os.path.abspath(self._folder.path(ENDING))
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        return self._path

    def give(self) -> None:
        """Before the signal, so that whoever looks after it has set its handler misses nothing."""
        with suppress(OSError):  # a full disk: the signal alone has to do
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def close(self) -> None:
        """Nothing of it is left."""
        if self._path:
            with suppress(OSError):
                os.unlink(self._path)
