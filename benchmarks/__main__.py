"""`make bench`: every benchmark, one after the other, and one table at the end; wants an idle machine and an hour.

`python -m benchmarks [NAME…] [--quick] [--markdown] [--json FILE] [--from FILE]`. `--markdown` prints the table alone
as a document has it, and all else to stderr; `--from` shows an earlier `--json` again. Exit code 1 when a goal is
missed or could not be judged.
"""

import argparse
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks import command
from benchmarks.figures import HEAD, Figure, render_markdown, render_row, render_table

MINUTES = {
    "cli_startup": 0.5,
    "footprint": 0.5,
    "recovery": 6.5,
    "overhead": 11.0,
    "instrument": 5.0,
    "cost": 4.5,
    "creates": 5.0,
    "fleet": 5.0,
    "failover": 3.0,
    "pods_start": 4.0,
    "pods_recovery": 7.0,
}
"""About how long each takes on an idle machine with 2 cores. Those of pods need root and Debian's packages."""


@dataclass(frozen=True)
class Results:
    """What one run found; `failed`: benchmarks that broke down and have no figures."""

    machine: str
    figures: dict[str, list[Figure]]
    failed: tuple[str, ...] = ()

    @property
    def is_held(self) -> bool:
        return not self.failed and all(one.is_held for found in self.figures.values() for one in found)


def perform(names: list[str], is_quick: bool) -> Results:
    described = command.say_where()
    print(f"{len(names)} benchmarks, about {sum(MINUTES[name] for name in names):.0f} minutes if not --quick")
    found = {name: perform_one(name, is_quick) for name in names}
    failed = tuple(name for name, figures in found.items() if not figures)
    return Results(described, found, failed)


def perform_one(name: str, is_quick: bool) -> list[Figure]:
    """Its figures; none where it broke down."""
    print(f"== {name}, about {MINUTES[name]:.1f} min", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        more = ["--quick"] if is_quick else []
        subprocess.call(
            [sys.executable, "-m", f"benchmarks.{name}", "--figures", str(path), *more],
            stdout=sys.stdout.fileno(),  # which is stderr's with --markdown
        )
        return msgspec.json.decode(path.read_bytes(), type=list[Figure]) if path.exists() else []


def render(results: Results, is_markdown: bool) -> str:
    rows: list[tuple[str, ...]] = [(*HEAD, "benchmark")]
    for name, found in results.figures.items():
        rows += [(*render_row(figure), f"`{name}`" if is_markdown else name) for figure in found]
    broken = [f"{name} broke down and has no figure" for name in results.failed]
    if is_markdown:
        return "\n\n".join([results.machine, render_markdown(rows), *broken])
    return "\n".join([results.machine, render_table(rows), *broken])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MINUTES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="one pair of short jobs each")
    parser.add_argument("--markdown", action="store_true", help="the table alone, for a document")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all that was measured there")
    parser.add_argument("--from", type=Path, dest="source", metavar="FILE", help="of --json; measure nothing")
    words = parser.parse_args()
    if unknown := sorted(set(words.names) - set(MINUTES)):
        parser.error(f"there is no benchmark {', '.join(unknown)}; known: {', '.join(MINUTES)}")
    results = obtain(words)
    if words.json is not None:
        words.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    print(("" if words.markdown else "\n") + render(results, words.markdown))
    return 0 if results.is_held else 1


def obtain(words: argparse.Namespace) -> Results:
    """Measured now, or earlier."""
    if words.source is not None:
        return msgspec.json.decode(words.source.read_bytes(), type=Results)
    with redirect_stdout(sys.stderr if words.markdown else sys.stdout):
        return perform(words.names or list(MINUTES), words.quick)


if __name__ == "__main__":
    sys.exit(main())
