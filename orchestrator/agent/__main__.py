"""`python -m orchestrator.agent`: how backends start an agent."""

from __future__ import annotations

import os
import sys

# `-m` puts the current directory first, which is the user's: his random.py is for his program, not for us.
if not getattr(sys.flags, "safe_path", False) and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]

from orchestrator.agent.main import main  # only now is it certain what gets imported

if __name__ == "__main__":
    # Threads of gRPC must not delay the end: whatever matters has been sent and closed by `main`.
    os._exit(main(dict(os.environ), sys.argv[1:]))
