"""`make bench`: every benchmark, one after the other; wants an idle machine and the better part of half an hour.

Exit code 1 when a goal is missed.
"""

import subprocess
import sys

BENCHMARKS = ("cli_startup", "recovery", "overhead")


def main() -> int:
    codes = []
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        codes.append(subprocess.call([sys.executable, "-m", f"benchmarks.{name}"]))
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
