"""Observations of all kinds, also such as can never be: any replicas, agents, records and times around one moment.

For the properties of `decide`: it has to have an answer to everything, and the answer has to be sound.
"""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from orchestrator.api.status import (
    Attempt,
    Cause,
    CheckpointStatus,
    EndedAttempt,
    JobStatus,
    Member,
    Phase,
    Side,
    Stopping,
)
from orchestrator.api.types import (
    AgentMode,
    CleanPodPolicy,
    ExitCodeAction,
    ExitCodeRule,
    JobSpec,
    Recovery,
    ReplicaSpec,
    ReplicaSpecs,
    RestartPolicy,
    Role,
    RunPolicy,
    Strategy,
    SuccessPolicy,
    TensorFlowJob,
)
from orchestrator.core import membership
from orchestrator.core.observed import Agent, Disruption, Observed, Replica, ReplicaPhase, StopRequest
from orchestrator.protocol.messages import ProgramState
from tests.simulation.jobs import make_job

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SEATS = [(role, index) for role in Role for index in range(3)]
MOMENTS = st.sampled_from([-5000.0, -700.0, -600.0, -121.0, -61.0, -60.0, -20.0, -3.0, -0.3, 0.0, 5.0]).map(
    lambda seconds: NOW + timedelta(seconds=seconds)
)
STEPS = st.none() | st.sampled_from([0, 5, 40])
CODES = st.none() | st.sampled_from([0, 1, 3, 128, 137, 143])
SIGNALS = st.none() | st.sampled_from([9, 15])


def maybe(found: st.SearchStrategy[datetime]) -> st.SearchStrategy[datetime | None]:
    return st.none() | found


@st.composite
def jobs(draw: st.DrawFn) -> TensorFlowJob:
    strategy = draw(st.sampled_from(Strategy))
    policy = draw(st.sampled_from(RestartPolicy))
    one = ReplicaSpec(restart_policy=policy)
    worker = ReplicaSpec(replicas=draw(st.integers(1, 3)), restart_policy=policy)
    agent = draw(st.sampled_from(AgentMode))
    is_elastic = strategy is Strategy.MULTI_WORKER_MIRRORED and agent is AgentMode.ENABLED
    if is_elastic and draw(st.booleans()):
        worker = ReplicaSpec(replicas=worker.replicas, min_replicas=1)
    is_served = strategy is Strategy.PARAMETER_SERVER
    specs = ReplicaSpecs(
        chief=one if is_served or draw(st.booleans()) else None,
        worker=worker,
        ps=one if is_served else None,
        evaluator=one if draw(st.booleans()) else None,
    )
    success = SuccessPolicy.CHIEF if is_served else draw(st.sampled_from(SuccessPolicy))
    return make_job(
        specs,
        strategy=strategy,
        success=success,
        run_policy=draw(run_policies()),
        recovery=Recovery(
            agent=agent,
            hang_timeout_seconds=draw(st.sampled_from([0, 30])),
            start_timeout_seconds=draw(st.sampled_from([0, 60])),
            exit_codes=draw(
                st.sampled_from([(), (ExitCodeRule(codes=(3, 137), action=ExitCodeAction.FAIL),)])
            ),
        ),
    )


def run_policies() -> st.SearchStrategy[RunPolicy]:
    return st.builds(
        RunPolicy,
        backoff_limit=st.sampled_from([0, 3, 1000]),
        active_deadline_seconds=st.sampled_from([None, None, 600]),
        ttl_seconds_after_finished=st.sampled_from([None, 0, 60]),
        clean_pod_policy=st.sampled_from(CleanPodPolicy),
        suspend=st.sampled_from([False, False, True]),
    )


def uids(seat: tuple[Role, int]) -> st.SearchStrategy[str]:
    return st.sampled_from([f"{seat[0].value}-{seat[1]}-{letter}" for letter in "ab"])


@st.composite
def replicas(draw: st.DrawFn, seat: tuple[Role, int]) -> Replica:
    phase = draw(st.sampled_from([ReplicaPhase.RUNNING, ReplicaPhase.RUNNING, *ReplicaPhase]))
    deleting = draw(st.sampled_from([False, False, True]))
    return Replica(
        role=seat[0],
        index=seat[1],
        uid=draw(uids(seat)),
        attempt=draw(st.integers(1, 4)),
        phase=phase,
        deleting=deleting,
        foreign_deletion=deleting and draw(st.booleans()),
        disruption=draw(st.sampled_from([None, None, None, *Disruption])),
        out_of_memory=phase.is_terminal and draw(st.booleans()),
        exit_code=draw(CODES) if phase.is_terminal else None,
        signal=draw(SIGNALS) if phase.is_terminal else None,
        ended_attempt=draw(st.sampled_from([None, 1, 2, 3])) if phase.is_terminal else None,
        error=draw(st.sampled_from(["", "", "", "", "refused"])),
        since=draw(maybe(MOMENTS)),
    )


@st.composite
def agents(draw: st.DrawFn, uid: str) -> Agent:
    state = draw(st.sampled_from(ProgramState))
    has_exited = state is ProgramState.EXITED
    step = draw(STEPS)
    return Agent(
        uid=uid,
        connected=draw(st.sampled_from([True, True, False])),
        attempt=0 if state is ProgramState.IDLE else draw(st.integers(1, 4)),
        state=state,
        exit_code=draw(CODES) if has_exited else None,
        signal=draw(SIGNALS) if has_exited else None,
        asked=has_exited and draw(st.booleans()),
        stopped=not has_exited and draw(st.booleans()),
        out_of_memory=has_exited and draw(st.booleans()),
        checkpoint_step=draw(STEPS),
        since=draw(maybe(MOMENTS)),
        lost_at=draw(maybe(MOMENTS)),
        step=step,
        seconds_since_step=None if step is None else draw(st.sampled_from([0.0, 29.5, 30.0, 500.0])),
        busy=draw(st.sampled_from(["", "", "saving"])),
        reported=draw(st.booleans()),
    )


@st.composite
def attempts(draw: st.DrawFn, number: int) -> Attempt:
    seats = draw(st.lists(st.sampled_from(SEATS), unique=True, max_size=6).map(sorted))
    chosen = [seat for seat in SEATS if seat in seats and seat[0] is not Role.EVALUATOR]
    cause = draw(st.sampled_from([Cause.EVICTED, Cause.RESIZE, Cause.SUSPEND, Cause.USER]))
    stopping = Stopping(
        cause=cause, since=draw(MOMENTS), deadline=draw(MOMENTS), member=draw(uids((Role.PS, 1)))
    )
    return Attempt(
        number=number,
        members=tuple(Member(*seat, draw(st.just("") | uids(seat)), "h:1") for seat in chosen),
        start_time=draw(MOMENTS),
        restore_step=draw(STEPS),
        workers=draw(st.integers(0, 3)),
        broken_since=draw(maybe(MOMENTS)),
        stopping=draw(st.sampled_from([None, None, stopping])),
    )


@st.composite
def sides(draw: st.DrawFn, seat: tuple[Role, int]) -> Side:
    return Side(
        role=seat[0],
        index=seat[1],
        uid=draw(st.just("") | uids(seat)),
        run=draw(st.integers(1, 4)),
        attempt=draw(st.integers(0, 4)),
        restarts=draw(st.integers(0, 2)),
        not_before=draw(maybe(MOMENTS)),
        announced=draw(st.sampled_from([None, None, Cause.EVICTED])),
        succeeded=draw(st.sampled_from([False, False, True])),
    )


def seats_outside(spec: JobSpec) -> st.SearchStrategy[list[membership.Seat]]:
    """Of the gang: a job's strategy, and with it who is in its gang, never changes."""
    found = [seat for seat in SEATS if not membership.is_gang(spec, seat[0])]
    return st.lists(st.sampled_from(found), unique=True, max_size=4)


@st.composite
def statuses(draw: st.DrawFn, spec: JobSpec) -> JobStatus:
    phase = draw(
        st.sampled_from([Phase.RUNNING, Phase.RESTARTING, *(one for one in Phase if one is not Phase.LOST)])
    )
    ended = draw(st.integers(0, 6))
    causes = st.sampled_from([one for one in Cause if one is not Cause.USER])
    has_attempt = draw(st.booleans()) and phase is not Phase.SUSPENDED
    return JobStatus(
        phase=phase,
        start_time=draw(MOMENTS) if phase is not Phase.CREATED or has_attempt else draw(maybe(MOMENTS)),
        completion_time=draw(MOMENTS) if phase.is_final else None,
        resume_time=draw(maybe(MOMENTS)),
        restarts=draw(st.integers(0, min(spec.run_policy.backoff_limit, 4))),
        attempt=draw(attempts(ended + 1)) if has_attempt else None,
        attempts=tuple(
            EndedAttempt(
                number, draw(causes), NOW, draw(MOMENTS), step=draw(STEPS), progressed=draw(st.booleans())
            )
            for number in range(1, ended + 1)
        ),
        sides=tuple(draw(sides(seat)) for seat in draw(seats_outside(spec))),
        checkpoint=draw(st.none() | st.builds(CheckpointStatus, st.sampled_from([5, 40]), MOMENTS)),
    )


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    job = draw(jobs())
    found = tuple(draw(replicas(seat)) for seat in SEATS if draw(st.booleans()))
    known = [one.uid for one in found] + ["worker-0-a", "chief-0-b"]
    status = draw(statuses(job.spec))
    return Observed(
        job=job,
        status=status,
        replicas=found,
        agents=tuple(draw(agents(uid)) for uid in dict.fromkeys(known) if draw(st.booleans())),
        services=draw(st.sampled_from([(), ("job-tfo",), ("job-tfo",)])),
        leader_since=draw(maybe(MOMENTS)),
        ports=draw(st.sampled_from([{}, {"worker-0": 5000}])),
        stop_request=draw(st.sampled_from([None, None, None, *StopRequest])),
        deleting=draw(st.sampled_from([*[False] * 9, True])),
    )
