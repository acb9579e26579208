"""What a user did wrong and can mend, as exceptions that `main` prints; exit code 2 both.

Raised by `parser` and by the commands. Whatever else escapes a command counts as an error of ours.
"""

PROGRAM = "tfo"


class UsageError(Exception):
    """The words make no sense; `command`: whose --help would tell."""

    def __init__(self, message: str, command: str = "") -> None:
        super().__init__(message)
        self.command = command

    @property
    def hint(self) -> str:
        return " ".join(one for one in (PROGRAM, self.command, "--help") if one)


class Refused(Exception):
    """A command cannot do what was asked; the message says why and what would be right."""


class WrongJob(Refused):
    """Errors in a job, one a line, each with its own place: printed as they are, so that editors can read them."""
