"""How long a training is and where it stands: steps per epoch, steps in all, the epoch of a resume. Plain arithmetic.

Used by `training` and `evaluator`, which must agree on the last step.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.workloads.batches import steps_per_epoch
from orchestrator.workloads.models import Trainable
from orchestrator.workloads.samples import Data


@dataclass(frozen=True)
class TrainingPlan:
    """Epochs are counted from 0. An epoch has as many steps as are needed to show every example about once."""

    epochs: int
    epoch_steps: int
    validation_steps: int
    start: int = 0

    @property
    def total_steps(self) -> int:
        return self.epochs * self.epoch_steps

    @property
    def first_epoch(self) -> int:
        """The epoch in which `start` lies."""
        return self.start // self.epoch_steps

    @property
    def first_epoch_steps(self) -> int:
        """Steps that are left in it."""
        return self.epoch_steps - self.start % self.epoch_steps

    @property
    def is_done(self) -> bool:
        return self.start >= self.total_steps


def plan_training(options: Trainable, data: Data, start: int = 0) -> TrainingPlan:
    """`start`: steps done by earlier attempts."""
    return TrainingPlan(
        epochs=options.epochs,
        epoch_steps=steps_per_epoch(len(data.train), options.batch_size),
        validation_steps=steps_per_epoch(len(data.validation), options.batch_size),
        start=start,
    )
