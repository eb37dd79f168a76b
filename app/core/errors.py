"""The errors that Nestling raises on purpose. Each is one plain sentence for the user.

A failure is an error as text, which is how one leaves a thread or a process.
"""

from dataclasses import dataclass

PUT_BACK = "put it back, or choose another"
"""The advice for a file that is missing."""
TRY_AGAIN, RESUME = "then try again", "then resume"
"""The end of a hint. A run with a checkpoint says RESUME in place of TRY_AGAIN."""


class AppError(Exception):
    """Something the user can understand and act on.

    `message` is one sentence that says what is wrong and where; `hint`, if any, says what to do.
    Anything else that is raised is a defect of Nestling and is shown with its traceback.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(self) -> tuple[object, ...]:
        # Without the constructor: subclasses have constructors with other arguments.
        return _without_constructor, (type(self), *self.args), vars(self)


def _without_constructor(kind: type[AppError], *args: object) -> AppError:
    return kind.__new__(kind, *args)


class InputError(AppError):
    """An input of the user (a file, a folder, a setting) can't be used."""


class RunError(AppError):
    """A run failed after it had started; its last checkpoint is saved."""


class VerificationError(RunError):
    """The weights did not move as the tier plan says, so the run's result can't be trusted."""


@dataclass(frozen=True)
class Failure:
    """A failure as text. A kept exception would keep everything in its frames in memory."""

    message: str
    hint: str = ""
    details: str = ""
    """The traceback."""
    is_app_error: bool = True
    """An AppError: the message is enough, and the traceback is of no use to the user."""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()
