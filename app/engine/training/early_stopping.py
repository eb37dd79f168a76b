"""Early stopping: the best validation so far, and how many came since."""

import math

from app.core.text.numbers import format_loss


class BestValidation:
    """Counts validations since the best one; a loss that is not a number is never the best."""

    def __init__(
        self, loss: float | None, step: int | None, evals_since: int, forgetting: float = 0.0
    ) -> None:
        self.loss, self.step, self.evals_since = loss, step, evals_since
        self.forgetting = forgetting
        """Of the best: what counts beside its loss."""

    def take(self, loss: float, step: int, forgetting: float = 0.0) -> bool:
        """Note the validation after `step`; True if it is the best."""
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
        """One sentence that says why a run ended early."""
        times = "validation" if self.evals_since == 1 else f"{self.evals_since} validations"
        if self.step is None or self.loss is None:
            return f"no validation loss in the last {times} was a number."
        where = f"at step {self.step}" if self.step else "before the first step"
        if self.forgetting:
            return f"the last {times} brought nothing better than {where}."
        return f"the last {times} brought nothing below {format_loss(self.loss, 4)}, {where}."
