"""A real agent, run from its zip, and a coordinator behind TLS: trusted, distrusted, refused."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from docker.agent.build_zip import build
from orchestrator.api.types import Role
from orchestrator.coordinator.authentication import PodAuthenticator, ReplicaId
from orchestrator.coordinator.certificates import Authority, make_authority, make_identity
from orchestrator.coordinator.server import Coordinator
from orchestrator.core.actions import WantedOrder
from orchestrator.protocol.messages import Finish, Run
from orchestrator.protocol.termination import decode

pytestmark = pytest.mark.process
NAME = "coordinator-of-tests"
LIMIT_SECONDS = 30


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority(now())


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("agent") / "orchestrator.agent.zip"
    build(target)
    return target


class World:
    """`tokens`: whose token is which."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.tokens = {"good": "pod-1"}
        self.changed = asyncio.Event()
        self.coordinator = Coordinator(
            "127.0.0.1:0",
            clock=now,
            on_change=lambda uid: self.changed.set(),
            on_report=lambda *_: None,
            authenticator=lambda known: PodAuthenticator(known, self._review),
            identity=make_identity(authority, NAME, now()),
        )
        self.address = ""

    async def _review(self, token: str) -> str | None:
        return self.tokens.get(token)

    async def until(self, condition: "partial[bool]") -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not condition():
                await asyncio.sleep(0.01)

    def is_running(self) -> bool:
        return any(one.state == "running" for one in self.coordinator.agents("job"))

    def is_connected(self) -> bool:
        return any(one.connected for one in self.coordinator.agents("job"))

    def is_denied(self, reason: str) -> bool:
        return self.coordinator.counts().denials[reason] > 0


@pytest.fixture
async def world(authority: Authority) -> AsyncIterator[World]:
    made = World(authority)
    made.address = await made.coordinator.start()
    made.coordinator.register("job", 1, "", [ReplicaId(Role.WORKER, 0, "pod-1")])
    yield made
    await made.coordinator.close()


class Agent:
    """The agent as a pod starts it."""

    def __init__(self, world: World, archive: Path, folder: Path, **changes: str) -> None:
        (folder / "token").write_text("good")
        self.log = folder / "termination-log"
        environ = {
            "PATH": "/usr/bin:/bin",
            "TFO_AGENT_ADDRESS": world.address,
            "TFO_AGENT_CA": world.authority.certificate.decode(),
            "TFO_AGENT_SERVER_NAME": NAME,
            "TFO_AGENT_TOKEN_FILE": str(folder / "token"),
            "TFO_AGENT_JOB_UID": "job",
            "TFO_AGENT_ROLE": "worker",
            "TFO_AGENT_INDEX": "0",
            "TFO_AGENT_UID": "pod-1",
            "TFO_AGENT_SOCKET_DIR": str(folder / "run"),
            "TFO_AGENT_TERMINATION_LOG": str(self.log),
            "TFO_AGENT_HOOK": f"{archive}/orchestrator/train/hook",
            "TFO_INSTRUMENT": "metrics",
            **changes,
        }
        program = (
            "import sys, orchestrator.train as t; print('from', t.__file__); print(sys.argv); sys.exit(7)"
        )
        command = [sys.executable, "-I", str(archive), "--", "python3", "-c", program, "an argument"]
        self.process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
        )

    def end(self) -> tuple[str, str]:
        return self.process.communicate(timeout=LIMIT_SECONDS)

    def kill(self) -> str:
        """What it said on stderr."""
        if self.process.poll() is None:
            self.process.kill()
        said = self.process.stderr.read() if self.process.stderr and not self.process.stderr.closed else ""
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process.wait()
        return said


Start = Callable[..., Agent]


@pytest.fixture
async def start(world: World, archive: Path, tmp_path: Path) -> AsyncIterator[Start]:
    made: list[Agent] = []

    def begin(**changes: str) -> Agent:
        made.append(Agent(world, archive, tmp_path, **changes))
        return made[-1]

    yield begin
    for agent in made:
        await asyncio.to_thread(agent.kill)


async def test_an_agent_runs_its_program_and_leaves_its_last_words(
    world: World, archive: Path, start: Start
) -> None:
    agent = start()
    await world.until(partial(world.is_connected))
    world.coordinator.set_wanted("job", (WantedOrder(uid="pod-1", order=Run(1)),))
    await world.until(partial(lambda: any(one.exit_code == 7 for one in world.coordinator.agents("job"))))
    world.coordinator.set_wanted("job", (WantedOrder(uid="pod-1", order=Finish(3)),))
    out, _ = await asyncio.to_thread(agent.end)
    assert agent.process.returncode == 3
    assert f"from {archive}/orchestrator/train/__init__.py" in out, "the library comes from the zip"
    assert "['-c', 'an argument']" in out
    words = decode(agent.log.read_text())
    assert words is not None
    assert (words.attempt, words.exit_code, words.asked) == (1, 7, False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"TFO_AGENT_SERVER_NAME": "another"}, "is not trusted"),
        ({"TFO_AGENT_CA": "another"}, "is not trusted"),
        ({"TFO_AGENT_CA": "no certificate"}, "cannot be read"),
    ],
    ids=["name", "authority", "nonsense"],
)
async def test_a_coordinator_that_is_not_the_right_one_is_told_nothing(
    world: World, start: Start, changes: dict[str, str], words: str
) -> None:
    if changes.get("TFO_AGENT_CA") == "another":
        changes = {"TFO_AGENT_CA": make_authority(now()).certificate.decode()}
    agent = start(**changes)
    assert agent.process.stderr is not None
    line = await asyncio.wait_for(asyncio.to_thread(agent.process.stderr.readline), LIMIT_SECONDS)
    assert words in line
    assert not world.is_connected()
    assert words not in await asyncio.to_thread(agent.kill), "said once"


async def test_a_token_that_is_nobodys_is_refused_and_counted(
    world: World, archive: Path, start: Start
) -> None:
    world.tokens.clear()
    agent = start()
    await world.until(partial(world.is_denied, "wrong_token"))
    assert not world.is_connected()
    world.tokens["good"] = "pod-1"
    await world.until(partial(world.is_connected))
    said = await asyncio.to_thread(agent.kill)
    assert "refused by the coordinator: wrong_token" in said
    assert "good" not in said


async def test_a_wrong_configuration_is_in_the_last_words(world: World, archive: Path, start: Start) -> None:
    agent = start(TFO_AGENT_ROLE="boss")
    await asyncio.to_thread(agent.end)
    words = decode(agent.log.read_text())
    assert words is not None
    assert "TFO_AGENT_ROLE is 'boss'" in words.error
    assert agent.process.returncode == 2
