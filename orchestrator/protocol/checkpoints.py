"""Where committed checkpoints lie: sub-directories named `ckpt-<ten digits>`; their appearance by rename is the commit.

`train` writes and restores them, the agent and the local backend look for the newest. Nothing here writes, and
a missing directory or a foreign name is not an error. Python 3.9, standard library only.
"""

from __future__ import annotations

import os
import re
from typing import List, Optional

MAX_STEP = 9_999_999_999
_NAME = re.compile(r"ckpt-([0-9]{10})")


def checkpoint_path(directory: str, step: int) -> str:
    """Path of the checkpoint of this step, whether it exists or not."""
    if not 0 <= step <= MAX_STEP:
        raise ValueError(f"a checkpoint's step must be between 0 and {MAX_STEP}, not {step}")
    return os.path.join(directory, f"ckpt-{step:010d}")


def committed_steps(directory: str) -> List[int]:
    """Steps of all committed checkpoints, ascending."""
    try:
        with os.scandir(directory) as entries:
            return sorted(int(found.group(1)) for found in map(_committed, entries) if found)
    except OSError:
        return []


def latest_step(directory: str) -> Optional[int]:
    """Step of the newest committed checkpoint, None where there is none."""
    steps = committed_steps(directory)
    return steps[-1] if steps else None


def _committed(entry: os.DirEntry[str]) -> Optional[re.Match[str]]:
    found = _NAME.fullmatch(entry.name)
    return found if found and entry.is_dir() else None
