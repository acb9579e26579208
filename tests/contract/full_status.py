"""A status in which nothing is left at its default, so that a store which loses a field is found out.

For the contract suite. `find_defaults` keeps the sample complete when fields are added.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import fields

from orchestrator.api.status import (
    Attempt,
    Cause,
    CheckpointStatus,
    Condition,
    ConditionType,
    EndedAttempt,
    Halted,
    JobStatus,
    Member,
    Phase,
    Progress,
    ReplicaStatus,
    Side,
    Stopping,
)
from orchestrator.api.types import Role

_START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def _after(seconds: float) -> datetime:
    return _START + timedelta(seconds=seconds)


_CONDITION = Condition(
    type=ConditionType.RESTARTING,
    status=True,
    reason="JobRestarting",
    message="worker-0 ended: “äöü” 🙂\n\tsecond line",
    last_transition_time=_after(30),
    observed_generation=2,
)
_ATTEMPT = Attempt(
    number=2,
    members=(
        Member(role=Role.CHIEF, index=0, uid="uid-a", address="127.0.0.1:20000", succeeded=True),
        Member(role=Role.WORKER, index=10, uid="uid-b", address="127.0.0.1:20001", succeeded=True),
    ),
    start_time=_after(40),
    restore_step=200,
    workers=11,
    config_hash="abc",
    broken_since=_after(50),
    halted=(Halted(member="worker-1", since=_after(55)),),
    stopping=Stopping(cause=Cause.RESIZE, since=_after(60), deadline=_after(90), member="worker-1"),
)
_ENDED = EndedAttempt(
    number=1,
    cause=Cause.PROGRAM_SIGNAL,
    start_time=_after(1),
    end_time=_after(20),
    member="worker-0",
    exit_code=1,
    signal=9,
    message="killed",
    last_lines=("one", "", "three"),
    step=210,
    restore_step=100,
    steps_lost=10,
    progressed=True,
    opened=False,
    by_order=True,
)
_SIDE = Side(
    role=Role.EVALUATOR,
    index=0,
    uid="uid-c",
    run=3,
    attempt=2,
    address="127.0.0.1:20002",
    restarts=1,
    restarts_in_a_row=1,
    disruptions_in_a_row=2,
    step=140,
    progressed=True,
    start_time=_after(2),
    not_before=_after(3),
    saves_until=_after(5),
    restore_step=100,
    cause=Cause.PROGRAM_EXIT,
    announced=Cause.PREEMPTED,
    stopped_since=_after(4),
    exit_code=2,
    succeeded=True,
    over=True,
)
_PROGRESS = Progress(
    step=250,
    total_steps=1000,
    epoch=1,
    loss="0.25",
    accuracy="0.9",
    examples_per_second=1234.5678,
    non_finite=1,
    update_time=_after(70),
)
FULL_STATUS = JobStatus(
    observed_generation=2,
    phase=Phase.RESTARTING,
    reason="JobRestarting",
    message="restarting",
    conditions=(_CONDITION,),
    start_time=_START,
    completion_time=_after(100),
    ready="3/13",
    selector="a=b",
    restarts=1,
    disruptions=2,
    resizes=3,
    steps_lost=10,
    attempt=_ATTEMPT,
    attempts=(_ENDED,),
    failure=_ENDED,
    sides=(_SIDE,),
    resume_time=_after(80),
    replica_statuses={"worker": ReplicaStatus(desired=11, ready=1, active=2, succeeded=3, failed=4)},
    progress=_PROGRESS,
    checkpoint=CheckpointStatus(step=200, time=_after(15)),
)


def find_defaults(value: object, path: str = "status") -> Iterator[str]:
    """Fields at their default, at any depth."""
    if isinstance(value, msgspec.Struct):
        for field in fields(value):
            found = getattr(value, field.name)
            place = f"{path}.{field.name}"
            if not field.required and found in (field.default, None, (), {}):
                yield place
            yield from find_defaults(found, place)
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from find_defaults(each, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from find_defaults(each, f"{path}[{name}]")
