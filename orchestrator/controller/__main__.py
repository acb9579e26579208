"""`python -m orchestrator.controller`."""

import sys

from orchestrator.controller.main import main

if __name__ == "__main__":
    sys.exit(main())
