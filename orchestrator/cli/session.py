"""One local run, from its first process to its last: wires backend, coordinator, metrics and reconcile together.

Called by `cli.run` inside the event loop. Everything that lives as long as the run is made and ended here, in that
order; how it is shown is up to the Renderer that it is given.
"""

import asyncio
import secrets
import shutil
import signal
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.api.types import Role, TensorFlowJob
from orchestrator.backends.base import View
from orchestrator.backends.local import process_tree
from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.gpus import Shares
from orchestrator.backends.local.programs import Place
from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli.signals import CODES, Inbox
from orchestrator.cli.view import Renderer, RunEvent, RunInfo, RunView, collect_view
from orchestrator.controller.loop import Loop
from orchestrator.controller.reconcile import Reconciler
from orchestrator.coordinator.authentication import ReplicaId
from orchestrator.coordinator.server import Coordinator, Counts
from orchestrator.core import names
from orchestrator.core.actions import Decision, Event, EventType, Reason
from orchestrator.core.observed import Agent
from orchestrator.core.plan import Folders, Plan
from orchestrator.core.status import is_progress_due
from orchestrator.core.stopping import SAVE_SECONDS
from orchestrator.metrics.life import key_of
from orchestrator.metrics.store import Store
from orchestrator.protocol.messages import Report

_LONGEST_SOCKET_PATH = 80
PROGRESS_SECONDS = 1.0
"""At most this often progress alone is written: it costs less than a millisecond, and `tfo ps` knows nothing else."""
_LAST_SECONDS = 60.0
"""An agent that has not finished this long after the job's end is killed."""

STOPPING = f"stopping: programs have {SAVE_SECONDS:.0f} s to save; a second Ctrl-C kills them at once"
KILLING = "killing all programs"


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class RunPlan:
    """All that a run needs to know before it starts."""

    folder: RunFolder
    job: TensorFlowJob
    plan: Plan
    folders: Folders
    place: Place
    shares: Shares


@dataclass
class _Door:
    """Where agents knock; see backends.local.backend.Door."""

    coordinator: Coordinator
    job_uid: str
    address: str = ""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def expect(self, role: Role, index: int, uid: str) -> None:
        self.coordinator.expect(self.job_uid, ReplicaId(role, index, uid))


class LocalSession:
    """`async with` it, then `run`; afterwards nothing of the run is left but its folder."""

    def __init__(self, run: RunPlan, store: Store) -> None:
        self.run_plan = run
        self.store = store
        self.renderer: Renderer | None = None
        self.metrics_url = ""
        self.interrupted: int | None = None
        self.uid = run.job.metadata.uid or ""
        self.backend = LocalBackend(run.folder, run.plan, run.place, run.shares, utc_now)
        self._stack = AsyncExitStack()
        self.coordinator: Coordinator | None = None
        self._reconciler: Reconciler | None = None
        self._stepped = 0
        self._loop = Loop(self._turn, self._is_over)

    async def __aenter__(self) -> "LocalSession":
        process_tree.become_subreaper()
        self.coordinator = Coordinator(
            f"unix:{self._socket_path()}", clock=utc_now, on_change=self._wake_for, on_report=self._reported
        )
        door = _Door(self.coordinator, self.uid)
        door.address = await self.coordinator.start()
        self._stack.push_async_callback(self.coordinator.close)
        self.coordinator.register(self.uid, 1, door.token)
        self.backend.door = door
        self.backend.on_change = self._loop.wake
        self.backend.report_seconds = self.run_plan.job.spec.telemetry.every_seconds or 1.0
        self._stack.push_async_callback(self.backend.close)
        self._reconciler = Reconciler(self.backend, self.coordinator, self.store, self, utc_now)
        self._reconciler.progress_seconds = PROGRESS_SECONDS
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _socket_path(self) -> Path:
        """In the run folder, unless that makes a longer path than the kernel takes."""
        folder = self.run_plan.folder.path / ".coordinator"
        if len(str(folder / "s")) <= _LONGEST_SOCKET_PATH:
            self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
            return folder / "s"
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="tfo-"))) / "s"

    async def run(self, refresh_seconds: float, inbox: Inbox) -> None:
        """Until the job has ended and every agent is gone."""
        loop = asyncio.get_running_loop()
        inbox.listen(lambda number: loop.call_soon_threadsafe(self._interrupt, number))
        ticker = asyncio.create_task(self._tick(refresh_seconds))
        try:
            await self._loop.run()
            await self._turn()  # what became of the replicas is known only now
        finally:
            ticker.cancel()

    async def _turn(self) -> float | None:
        if self._reconciler is None:
            raise RuntimeError("the session has not been entered")
        return await self._reconciler.reconcile(self.run_plan.folder.job)

    def _is_over(self) -> bool:
        status = self.backend.state.status
        if not status.phase.is_final:
            return False
        ended = status.completion_time or utc_now()
        return not self.backend.agent_pids or (utc_now() - ended).total_seconds() > _LAST_SECONDS

    def _interrupt(self, number: int) -> None:
        """The first lets programs save, the second kills them; so does Ctrl-Backslash, at once."""
        is_first = self.interrupted is None and number != signal.SIGQUIT
        self.interrupted = self.interrupted or CODES[number]
        if self._reconciler is not None:
            for _ in range(2 if number == signal.SIGQUIT else 1):
                self._reconciler.stop.ask()
        if self.renderer is not None and not self.backend.state.status.phase.is_final:
            self.renderer.note(STOPPING if is_first else KILLING, utc_now())
        self._loop.wake()

    async def _tick(self, seconds: float) -> None:
        while True:
            self._refresh()
            self._wake_for_progress(utc_now())
            await asyncio.sleep(seconds)

    def _wake_for_progress(self, now: datetime) -> None:
        """Reports wake nobody: without this, progress would be written only when something else happens."""
        recorded = self.backend.state.status.progress
        if is_progress_due(self.store.progress(self.uid, now), recorded, now, PROGRESS_SECONDS):
            self._loop.wake()

    def _refresh(self) -> None:
        if self.renderer is not None:
            self.renderer.refresh(self.view(utc_now()))

    def view(self, now: datetime) -> RunView:
        """The run at this moment."""
        state = self.backend.state
        info = RunInfo(
            job=state.job,
            number=self.run_plan.folder.number,
            started=state.runner.start_time,
            metrics_url=self.metrics_url,
        )
        return collect_view(info, state.status, self.agents(), self.store, now)

    def _wake_for(self, job_uid: str) -> None:
        self._loop.wake()

    def _reported(self, job_uid: str, role: Role, index: int, report: Report) -> None:
        job = self.backend.state.job
        self.store.fold(key_of(job), role, index, report, utc_now(), agent=self._agent_uid(role, index))

        attempt = self.backend.state.status.attempt
        if report.seconds_since_step is not None and attempt and report.attempt == attempt.number:
            self._tell_first_step(attempt.number, names.member(role, index))

    def _tell_first_step(self, number: int, member: str) -> None:
        """Once per attempt, by whoever is first: the moment that start-up and recovery are measured to."""
        if number <= self._stepped:
            return
        self._stepped = number
        message = f"attempt {number} has done its first step"
        event = Event(
            type=EventType.NORMAL, reason=Reason.FIRST_STEP, message=message, attempt=number, member=member
        )
        self.told(self.run_plan.folder.job, event, utc_now())

    def counts(self) -> Counts:
        """What the coordinator counted."""
        return self.coordinator.counts() if self.coordinator else Counts(0, {}, {})

    def _agent_uid(self, role: Role, index: int) -> str:
        return self.backend.uid_at(role, index)

    def agents(self) -> tuple[Agent, ...]:
        return self.coordinator.agents(self.uid) if self.coordinator else ()

    def decided(self, view: View, decision: Decision, now: datetime) -> None:
        self.store.observe_status(view.job, decision.status, now)

    def told(self, key: str, event: Event, now: datetime) -> None:
        if self.renderer is not None:
            self.renderer.told(RunEvent(event, now))
