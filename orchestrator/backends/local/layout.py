"""Where things lie in the folder of one local run; pure.

RunFolder adds what is done with them, on systems that can run jobs; `tfo plan` needs the places alone, anywhere.
"""

from pathlib import Path


class Layout:
    """Paths of one run, `<runs>/<job>/<number>`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def job(self) -> str:
        return self.path.parent.name

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def state_file(self) -> Path:
        return self.path / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.path / "runner.lock"

    @property
    def job_file(self) -> Path:
        return self.path / "job.yaml"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def metrics_prom(self) -> Path:
        return self.path / "metrics.prom"

    @property
    def metrics_jsonl(self) -> Path:
        return self.path / "metrics.jsonl"

    def log_file(self, replica: str, attempt: int) -> Path:
        """Output of one program start, e.g. logs/worker-1.attempt-2.log."""
        return self.logs / f"{replica}.attempt-{attempt}.log"

    @property
    def reserve_file(self) -> Path:
        """Room on the disk for the last state."""
        return self.path / ".reserve"
