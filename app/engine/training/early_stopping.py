"""Early stopping: keeps the best validation so far and counts those since."""

import math

from app.core.text.numbers import format_loss


class BestValidation:
    """The best validation so far, and the number of validations since; a NaN loss is never best."""

    def __init__(
        self, loss: float | None, step: int | None, evals_since: int, forgetting: float = 0.0
    ) -> None:
        self.loss, self.step, self.evals_since = loss, step, evals_since
        self.forgetting = forgetting
        """The forgetting penalty of the best validation, added to its loss."""

    def take(self, loss: float, step: int, forgetting: float = 0.0) -> bool:
        """Record the validation after `step`; True if it is the best so far."""
        if loss + forgetting < (math.inf if self.loss is None else self.loss + self.forgetting):
            self.loss, self.step, self.evals_since = loss, step, 0
            self.forgetting = forgetting
            return True
        self.evals_since += 1
        return False

    def is_stale(self, limit: int) -> bool:
        """Whether `limit` validations in a row brought no new best; never if `limit` is 0."""
        return 0 < limit <= self.evals_since

    def summary(self) -> str:
        """The reason why a run ended early, as the end of a sentence."""
        times = "validation" if self.evals_since == 1 else f"{self.evals_since} validations"
        if self.step is None or self.loss is None:
            return f"no validation loss in the last {times} was a number."
        where = f"at step {self.step}" if self.step else "before the first step"
        if self.forgetting:
            return f"the last {times} were no better than the one {where}."
        return f"the last {times} brought nothing below {format_loss(self.loss, 4)}, {where}."
