"""TF_CONFIG as the program is given it: its text, or, where that is too long for a variable, a file's name.

Owned by `agent.loop`. One file per agent, which the next attempt replaces; the start-up hook reads it in the program.
Python 3.9, standard library only.
"""

from __future__ import annotations

import os
from contextlib import suppress

from orchestrator.agent.folder import Folder
from orchestrator.protocol.environment import IN_FILE
from orchestrator.protocol.fields import MAX_ENVIRONMENT_VALUE
from orchestrator.protocol.messages import Run
from orchestrator.protocol.tf_config import join

ENDING = ".tf-config"


class TfConfig:
    """The file, if there is one, lies in `folder`."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._path = ""

    def give(self, run: Run) -> str:
        """Value of the variable for a program of this attempt; empty: it needs none. Raises OSError."""
        self.close()
        text = join(run.cluster, run.task_type, run.task_index) if run.cluster else ""
        data = text.encode()
        if len(data) <= MAX_ENVIRONMENT_VALUE:
            return text
        # The program may run elsewhere.
        self._path = os.path.abspath(self._folder.path(ENDING))
        _write(self._path, data)
        return IN_FILE + self._path

    def close(self) -> None:
        """Nothing of it is left."""
        if self._path:
            with suppress(OSError):
                os.unlink(self._path)
        self._path = ""


def _write(path: str, data: bytes) -> None:
    # An agent of the same name and number that was killed may have left one, in a container say.
    with suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
