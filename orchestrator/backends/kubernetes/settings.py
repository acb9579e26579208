"""What the pods of all jobs have in common: images, and how an agent finds and trusts the coordinator.

Made by `controller.program` from the options; read by `pods` and `agents`. Values only.
"""

import msgspec

COORDINATOR_PORT = 9443


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`coordinator`: host:port for agents. `ca`: PEM of the certificate that they trust; `server_name`: the name in it.

    `trainer_image`: of containers that name none. `unreachable_seconds`: how long a pod tolerates that its node does
    not answer, unless its template says so itself.
    """

    agent_image: str
    trainer_image: str
    coordinator: str
    ca: str = ""
    server_name: str = ""
    pull_policy: str = ""
    unreachable_seconds: int = 30
