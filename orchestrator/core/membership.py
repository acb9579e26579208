"""Who is in a job: its seats (role, index), which of them form the gang, ranks and the order of everything.

Called by `plan`, `tf_config`, `decide` and its parts. Pure; no status, no observation.
"""

from collections.abc import Sequence

from orchestrator.api.types import JobSpec, ReplicaSpec, Role, Strategy, SuccessPolicy

Seat = tuple[Role, int]

_GANG: dict[Strategy, tuple[Role, ...]] = {
    Strategy.MULTI_WORKER_MIRRORED: (Role.CHIEF, Role.WORKER),
    Strategy.PARAMETER_SERVER: (Role.CHIEF, Role.PS),
    Strategy.INDEPENDENT: (),
}


def replica_spec(spec: JobSpec, role: Role) -> ReplicaSpec | None:
    specs = spec.replica_specs
    return {
        Role.CHIEF: specs.chief,
        Role.WORKER: specs.worker,
        Role.PS: specs.ps,
        Role.EVALUATOR: specs.evaluator,
    }[role]


def replicas(spec: JobSpec, role: Role) -> int:
    found = replica_spec(spec, role)
    return found.replicas if found else 0


def seats(spec: JobSpec) -> tuple[Seat, ...]:
    """Every replica of the job, chief first, evaluator last."""
    return tuple((role, index) for role in Role for index in range(replicas(spec, role)))


def is_gang(spec: JobSpec, role: Role) -> bool:
    """Whether the loss of a member with this role ends the attempt."""
    return role in _GANG[spec.strategy]


def is_trainer(role: Role) -> bool:
    """Whether the role is part of the training cluster (all but the evaluator)."""
    return role is not Role.EVALUATOR


def is_alone(spec: JobSpec, role: Role) -> bool:
    """Whether each replica of this role runs by itself, whatever the others do."""
    return role is Role.EVALUATOR or spec.strategy is Strategy.INDEPENDENT


def is_server(spec: JobSpec, role: Role) -> bool:
    """Whether it only serves the chief: it never ends by itself, and without it the chief can do nothing more."""
    is_served = spec.strategy is Strategy.PARAMETER_SERVER and role is Role.WORKER
    return role is Role.PS or is_served


def makes_steps(spec: JobSpec, role: Role) -> bool:
    """By itself: an evaluator waits for checkpoints, a worker of ParameterServer for the chief."""
    return is_gang(spec, role) or (is_alone(spec, role) and is_trainer(role))


def trainer_seats(spec: JobSpec) -> tuple[Seat, ...]:
    return tuple(seat for seat in seats(spec) if is_trainer(seat[0]))


def side_seats(spec: JobSpec) -> tuple[Seat, ...]:
    return tuple(seat for seat in seats(spec) if not is_gang(spec, seat[0]))


def leader_seat(spec: JobSpec) -> Seat:
    """The chief, or the worker of rank 0 where there is no chief."""
    return (Role.CHIEF, 0) if replicas(spec, Role.CHIEF) else (Role.WORKER, 0)


def deciding_seats(spec: JobSpec, taking_part: Sequence[Seat]) -> tuple[Seat, ...]:
    """Whose exit 0 makes the job a success, among those that take part (in the order of rank)."""
    if spec.success_policy is SuccessPolicy.ALL_WORKERS:
        return tuple(seat for seat in taking_part if seat[0] in (Role.CHIEF, Role.WORKER))
    return tuple(taking_part[:1])


def min_workers(spec: JobSpec) -> int:
    worker = spec.replica_specs.worker
    if worker is None:
        return 0
    return worker.replicas if worker.min_replicas is None else worker.min_replicas
