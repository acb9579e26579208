"""What the end of an attempt means for the job: restart, or fail, and how long to wait.

Called by `decide` when an attempt has ended. One function per API field or rule; pure.
"""

from dataclasses import dataclass

from orchestrator.api.status import Cause, EndedAttempt, JobStatus, Side
from orchestrator.api.types import ExitCodeAction, JobSpec, RestartPolicy, Role
from orchestrator.core import membership
from orchestrator.core.actions import Reason
from orchestrator.core.cause import SIGNAL_BASE, End

BACKOFF_CAP_SECONDS = 60.0
BACKOFF_DOUBLINGS = 6
NO_PROGRESS_ATTEMPTS = 5
KEPT_ATTEMPTS = 10
_FINAL_CODES = {
    2: (Reason.WRONG_INPUT, "its data or arguments are wrong"),
    74: (Reason.MODEL_LOST, "its model could not be written"),
}
"""By which built-in programs say that another try would end like this one."""


@dataclass(frozen=True)
class Failure:
    """Why the job ends as Failed."""

    reason: Reason
    message: str


def failure(spec: JobSpec, status: JobStatus, end: End) -> Failure | None:
    """None: a new attempt is allowed. `status` holds the ended attempt; its restarts are those made so far."""
    if end.by_order:
        return None
    return (
        cannot_start(spec, end)
        or exit_code_rule(spec, end)
        or final_code(spec, end)
        or restart_policy(spec, end)
        or backoff_limit(spec, status, end)
        or no_progress(status)
    )


def cannot_start(spec: JobSpec, end: End) -> Failure | None:
    """No restart helps a program that is not there; only a rule that says Restart knows better."""
    if not end.never_started or action_for(spec, end) is ExitCodeAction.RESTART:
        return None
    return Failure(Reason.CANNOT_START, describe(end))


def exit_code_rule(spec: JobSpec, end: End) -> Failure | None:
    if action_for(spec, end) is not ExitCodeAction.FAIL:
        return None
    return Failure(Reason.EXIT_CODE_RULE, f"{describe(end)}; recovery.exitCodes says Fail for it")


def final_code(spec: JobSpec, end: End) -> Failure | None:
    """A built-in program says by its exit code that no restart helps; a rule that says Restart knows better."""
    is_told = spec.workload is not None and end.cause is Cause.PROGRAM_EXIT
    found = _FINAL_CODES.get(end.exit_code or 0) if is_told else None
    if found is None or action_for(spec, end) is ExitCodeAction.RESTART:
        return None
    reason, why = found
    return Failure(reason, f"{describe(end)}: {why}")


def action_for(spec: JobSpec, end: End) -> ExitCodeAction | None:
    """What recovery.exitCodes says of the cause; only of programs that ended by themselves or by a signal."""
    if end.cause not in (Cause.PROGRAM_EXIT, Cause.PROGRAM_SIGNAL, Cause.OUT_OF_MEMORY):
        return None
    code = shell_code(end)
    return next((rule.action for rule in spec.recovery.exit_codes if code in rule.codes), None)


def shell_code(end: End) -> int | None:
    """The exit code as a shell or a container says it: 128 + n for signal n."""
    return SIGNAL_BASE + end.signal if end.exit_code is None and end.signal else end.exit_code


def restart_policy(spec: JobSpec, end: End) -> Failure | None:
    if action_for(spec, end) is ExitCodeAction.RESTART:
        return None
    policy = policy_of(spec, end.member.role)
    if policy is RestartPolicy.NEVER:
        return Failure(Reason.RESTART_POLICY, f"{describe(end)}; its restartPolicy is Never")
    if policy is RestartPolicy.EXIT_CODE and is_permanent(end):
        return Failure(
            Reason.RESTART_POLICY, f"{describe(end)}; restartPolicy ExitCode restarts only codes from 128 on"
        )
    return None


def policy_of(spec: JobSpec, role: Role) -> RestartPolicy:
    found = membership.replica_spec(spec, role)
    return found.restart_policy if found else RestartPolicy.ON_FAILURE


def is_permanent(end: End) -> bool:
    """TFJob's ExitCode policy: 1 to 127 are the program's own failures, 128 and up come from outside."""
    return end.cause is Cause.PROGRAM_EXIT and end.exit_code is not None and end.exit_code < SIGNAL_BASE


def backoff_limit(spec: JobSpec, status: JobStatus, end: End) -> Failure | None:
    limit = spec.run_policy.backoff_limit
    if not end.cause.is_restart or status.restarts < limit:
        return None
    times = "restart" if limit == 1 else "restarts"
    return Failure(Reason.BACKOFF_LIMIT, f"{describe(end)}; no restart left (backoffLimit: {limit} {times})")


def no_progress(status: JobStatus) -> Failure | None:
    """Five attempts in a row ended by disruption without a higher step, in a job that reports steps."""
    tail = status.attempts[-NO_PROGRESS_ATTEMPTS:]
    if len(tail) < NO_PROGRESS_ATTEMPTS or not all(_is_futile(one) for one in tail):
        return None
    if all(one.step is None and one.restore_step is None for one in status.attempts):
        return None
    return Failure(
        Reason.NO_PROGRESS, f"{NO_PROGRESS_ATTEMPTS} attempts in a row were disrupted before any progress"
    )


def _is_futile(ended: EndedAttempt) -> bool:
    """Disrupted, and not by us, before it got any further."""
    return ended.cause.is_disruption and not ended.progressed and not ended.by_order


def no_progress_alone(side: Side) -> Failure | None:
    """The same for a replica that trains alone."""
    is_known = side.step is not None or side.restore_step is not None
    if side.disruptions_in_a_row < NO_PROGRESS_ATTEMPTS or not is_known:
        return None
    message = f"{side.name} was disrupted {NO_PROGRESS_ATTEMPTS} times in a row before any progress"
    return Failure(Reason.NO_PROGRESS, message)


def backoff_seconds(status: JobStatus) -> float:
    """The first restart since the last progress is immediate, later ones wait 1, 2, 4 ... at most 60 s."""
    if not status.attempts or not status.attempts[-1].cause.is_restart:
        return 0.0
    return backoff(restarts_since_progress(status.attempts))


def restarts_since_progress(ended: tuple[EndedAttempt, ...]) -> int:
    count = 0
    for one in reversed(ended):
        count += one.cause.is_restart
        if one.progressed:
            break
    return count


def backoff(count: int) -> float:
    """An evaluator restarts without limit: whatever the count, the power has to stay a number."""
    return 0.0 if count <= 1 else min(BACKOFF_CAP_SECONDS, 2.0 ** min(count - 2, BACKOFF_DOUBLINGS))


_PHRASES: dict[Cause, str] = {
    Cause.OUT_OF_MEMORY: "ran out of memory",
    Cause.AGENT_LOST: "lost its agent",
    Cause.POD_LOST: "is gone",
    Cause.EVICTED: "was evicted",
    Cause.PREEMPTED: "was preempted",
    Cause.NODE_LOST: "lost its node",
    Cause.HANG: "hangs",
    Cause.START_TIMEOUT: "did not start in time",
}

_REQUESTS: dict[Cause, str] = {
    Cause.RESIZE: "the job was resized",
    Cause.SUSPEND: "the job was suspended",
    Cause.USER: "the job was stopped",
}

_SIGNALS = {1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
            11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ"}  # fmt: skip


def signal_name(number: int) -> str:
    return _SIGNALS.get(number, f"signal {number}")


def describe(end: End) -> str:
    """One phrase for people: worker-1 was killed by SIGKILL."""
    name = end.member.name
    if end.cause in _REQUESTS:
        return _REQUESTS[end.cause] + (f"; {end.message}" if end.message else "")
    if end.cause is Cause.PROGRAM_SIGNAL:
        return f"{name} was killed by {signal_name(end.signal or 0)}"
    if end.never_started:
        return f"the program of {name} cannot be started: {end.message}"
    if end.cause is Cause.PROGRAM_EXIT:
        return f"{name} exited with code {end.exit_code}" + (f": {end.message}" if end.message else "")
    return f"{name} {_PHRASES[end.cause]}" + (f": {end.message}" if end.message else "")
