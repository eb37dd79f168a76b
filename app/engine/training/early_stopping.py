"""The best validation so far, and early stopping: how many validations brought no new best."""

import math

from app.core.text.numbers import format_loss


class BestValidation:
    """Counts validations since the best one; a loss that is not a number is never the best."""

    def __init__(self, loss: float | None, step: int | None, evals_since: int) -> None:
        self.loss, self.step, self.evals_since = loss, step, evals_since

    def take(self, loss: float, step: int) -> bool:
        """Note the validation after `step`; True if it is the best."""
        if loss < (math.inf if self.loss is None else self.loss):
            self.loss, self.step, self.evals_since = loss, step, 0
            return True
        self.evals_since += 1
        return False

    def is_stale(self, limit: int) -> bool:
        """Whether `limit` validations in a row brought no new best; never if `limit` is 0."""
        return 0 < limit <= self.evals_since

    def summary(self) -> str:
        """One sentence that says why a run ended early."""
        times = "validation" if self.evals_since == 1 else f"{self.evals_since} validations"
        if self.step is None or self.loss is None:
            return f"no validation loss in the last {times} was a number."
        where = f"at step {self.step}" if self.step else "before the first step"
        return f"the last {times} brought nothing below {format_loss(self.loss, 4)}, {where}."
