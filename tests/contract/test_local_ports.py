"""Only the local backend hands out ports by chance: in a narrow range, where chance would soon repeat itself."""

from pathlib import Path

import pytest

from orchestrator.backends.local import ports
from orchestrator.core import membership
from tests.contract.harness import CONTRACT_JOB
from tests.contract.local_harness import open_local
from tests.contract.test_backend_contract import record

SEATS = len(membership.seats(CONTRACT_JOB.spec))


async def test_an_attempt_gets_no_port_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "HIGHEST", ports.LOWEST + 4 * SEATS)
    world = await open_local(tmp_path)
    try:
        last = await record(world, 1)
        for attempt in range(2, 8):
            new = await record(world, attempt)
            assert not set(new.values()) & set(last.values())
            last = new
    finally:
        await world.close()
