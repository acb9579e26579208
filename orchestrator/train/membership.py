"""Who this process is in its job: the environment that the agent set, or else TF_CONFIG, or else a single process.

Called by users' programs, the built-in workloads and the rest of `train`. Reads environment variables and, where
nobody has decided which checkpoint to restore, the names in one folder. It must not fail on a malformed variable
(TensorFlow says what is wrong with TF_CONFIG). Python 3.9, standard library only.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from typing import Dict, List, Mapping, Optional, Tuple

from orchestrator.protocol import environment as env
from orchestrator.protocol.checkpoints import latest_step

CHIEF_ROLES = ("chief", "master")
EVALUATOR = "evaluator"
DEFAULT_EVERY_STEPS = 200
DEFAULT_KEEP = 3


@dataclass(frozen=True)
class Context:
    """This process's place in its job and where its files belong.

    `rank` is the position among the members that train (chief first), of `world_size`; an evaluator is alone.
    `restore_step`: the checkpoint that every member of this attempt restores, None: start fresh. In a job without
    agents it is the newest one that this process found when it looked first. Folders are None where nobody chose one.
    Outside any job: role chief, rank 0 of 1, attempt 0.
    """

    job: str = ""
    role: str = "chief"
    index: int = 0
    rank: int = 0
    world_size: int = 1
    attempt: int = 0
    restore_step: Optional[int] = None
    checkpoint_dir: Optional[str] = None
    checkpoint_every_steps: int = DEFAULT_EVERY_STEPS
    checkpoint_keep: int = DEFAULT_KEEP
    log_dir: Optional[str] = None
    model_dir: Optional[str] = None
    data_dir: Optional[str] = None

    @property
    def is_leader(self) -> bool:
        """Whether this member's files are the ones that are kept: rank 0, never the evaluator."""
        return self.rank == 0 and self.role != EVALUATOR


def context() -> Context:
    """The context of this process, read anew from its environment."""
    return read_context(os.environ)


def read_context(environ: Mapping[str, str]) -> Context:
    """The context that this environment describes."""
    role, index, rank, world_size = _place(environ.get(env.TF_CONFIG, ""))
    return Context(
        job=environ.get(env.JOB, ""),
        role=environ.get(env.ROLE) or role,
        index=_number(environ, env.INDEX, index),
        rank=_number(environ, env.RANK, rank),
        world_size=max(1, _number(environ, env.WORLD_SIZE, world_size)),
        attempt=_number(environ, env.ATTEMPT, 0),
        restore_step=_restore_step(environ),
        checkpoint_dir=environ.get(env.CHECKPOINT_DIR) or None,
        checkpoint_every_steps=_number(environ, env.CHECKPOINT_EVERY_STEPS, DEFAULT_EVERY_STEPS),
        checkpoint_keep=max(1, _number(environ, env.CHECKPOINT_KEEP, DEFAULT_KEEP)),
        log_dir=environ.get(env.LOG_DIR) or None,
        model_dir=environ.get(env.MODEL_DIR) or None,
        data_dir=environ.get(env.DATA_DIR) or None,
    )


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(environ[name])
    except (KeyError, ValueError):
        return default


def _restore_step(environ: Mapping[str, str]) -> Optional[int]:
    if env.RESTORE_STEP not in environ:
        directory = environ.get(env.CHECKPOINT_DIR)
        return _newest_at_first(directory) if directory else None
    step = _number(environ, env.RESTORE_STEP, -1)
    return step if step >= 0 else None


@cache
def _newest_at_first(directory: str) -> Optional[int]:
    """Looked up once in a process: what it saves itself later is not what it goes on from.

    Members that start at different moments agree all the same: nobody saves before everybody has started, and no
    older attempt is left that could.
    """
    return latest_step(directory)


def _place(tf_config: str) -> Tuple[str, int, int, int]:
    """Role, index, rank and world size by TF_CONFIG; of a single process where there is none."""
    alone = ("chief", 0, 0, 1)
    try:
        config = json.loads(tf_config)
        role, index = str(config["task"]["type"]), int(config["task"]["index"])
        sizes = {str(name): len(addresses) for name, addresses in config["cluster"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        return alone
    if role == EVALUATOR:
        return role, index, 0, 1
    before = _trainers_before(role, sizes)
    return (
        role,
        index,
        sum(before) + index,
        max(1, sum(size for name, size in sizes.items() if name != EVALUATOR)),
    )


def _trainers_before(role: str, sizes: Dict[str, int]) -> List[int]:
    order = (*CHIEF_ROLES, "worker", "ps")
    known = order.index(role) if role in order else len(order)
    return [sizes.get(name, 0) for name in order[:known]]
