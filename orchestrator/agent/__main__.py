"""`python -m orchestrator.agent`: how backends start an agent."""

from __future__ import annotations

import os

from orchestrator.agent.main import main

if __name__ == "__main__":
    # Threads of gRPC must not delay the end: whatever matters has been sent and closed by `main`.
    os._exit(main(dict(os.environ)))
