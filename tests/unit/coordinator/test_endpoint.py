"""Where a coordinator listens, and how much one agent may say."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.coordinator.endpoint import prepare
from orchestrator.coordinator.server import Coordinator


def make(address: str) -> Coordinator:
    return Coordinator(
        address, clock=lambda: datetime.now(UTC), on_change=lambda _: None, on_report=lambda *_: None
    )


async def test_the_socket_and_its_folder_belong_to_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "private" / "socket"
    coordinator = make(f"unix:{path}")
    assert await coordinator.start() == f"unix:{path}"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await coordinator.close()
    again = make(f"unix:{path}")
    await again.start()
    await again.close()
    await again.close()


def test_a_place_where_others_could_look_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    with pytest.raises(PermissionError, match="must belong to its user alone"):
        prepare(f"unix:{shared}/socket")
    with pytest.raises(OSError, match="longer than 107 bytes"):
        prepare(f"unix:{tmp_path}/{'x' * 108}")
    prepare("127.0.0.1:0")


async def test_a_port_in_use_is_an_error() -> None:
    first = make("127.0.0.1:0")
    address = await first.start()
    with pytest.raises(OSError, match="cannot listen"):
        await make(address).start()
    await first.close()
