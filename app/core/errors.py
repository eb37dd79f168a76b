"""The errors that Nestling raises on purpose. Each is one plain sentence for the user.

A failure is an error as text, which is how one leaves a thread or a process.
"""

from dataclasses import dataclass

PUT_BACK = "put it back, or choose another"
"""What to do about a file that is not where it was."""
TRY_AGAIN, RESUME = "then try again", "then resume"
"""How a hint ends: a run that has a checkpoint says RESUME in place of TRY_AGAIN."""


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

    def __reduce__(self) -> tuple[type["AppError"], tuple[str, str]]:
        return type(self), (self.message, self.hint)


class InputError(AppError):
    """What the user gave (a file, a folder, a setting) can't be used as it is."""


class RunError(AppError):
    """A run that had started could not go on; what it had learned up to then is saved."""


class VerificationError(RunError):
    """The weights did not do what the tier plan says: the run's result can't be trusted."""


@dataclass(frozen=True)
class Failure:
    """Why work failed, as text: a kept exception would keep all that its frames hold in memory."""

    message: str
    hint: str = ""
    details: str = ""
    """The traceback."""
    is_app_error: bool = True
    """An AppError: the message says it all, and the traceback is of no use to the user."""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()
