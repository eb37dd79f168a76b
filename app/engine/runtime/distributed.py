"""Several processes, mostly on several machines, that train one model together.

`mlx.launch` starts the same command on each and tells it its rank; MLX's own ring carries the sums.
Each takes its rows of every batch, all hold the same weights, and the first alone keeps the run.
"""

import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from app.core.errors import InputError, RunError
from app.core.text.sanitize import error_text
from app.engine.batches.batches import Batch
from app.engine.runtime.mlx_runtime import set_random_key

RANK_VARIABLE = "MLX_RANK"


@dataclass(frozen=True)
class Machines:
    """This process among those of the run."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """The examples of a batch that are this machine's: as many, and about as much to do."""
        if self.count == 1:
            return batch
        # Dealt there and back: they come the longest first.
        turn = [*range(self.count), *reversed(range(self.count))]
        examples = range(len(batch.places) or len(batch.tokens))
        return batch.part([i for i in examples if turn[i % len(turn)] == self.rank])

    def round_robin(
        self, batches: Iterable[Batch], count: int
    ) -> Iterator[tuple[Batch | None, float]]:
        """Those of `count` batches that are this machine's, whole, and the share done after each.

        All machines take as many turns, so that they can agree on something after each; where the
        batches don't come out even, the last turn of some is None.
        """
        own = itertools.islice(batches, self.rank, None, self.count)
        turns = -(-count // self.count)
        for turn in range(1, turns + 1):
            yield next(own, None), turn / turns

    def summed(
        self, loss: mx.array, gradients: Mapping[int, mx.array]
    ) -> tuple[mx.array, dict[int, mx.array]]:
        """The scalar loss and each tier's gradient, a float32 vector, summed over all machines in
        one message."""
        if self.count == 1:
            return loss, dict(gradients)
        arrays = [loss.reshape(1), *gradients.values()]
        ends = tuple(itertools.accumulate(array.size for array in arrays))[:-1]
        total, *vectors = mx.distributed.all_sum(mx.concatenate(arrays)).split(ends)
        return total.squeeze(), dict(zip(gradients, vectors, strict=True))

    def total(self, *numbers: float) -> tuple[float, ...]:
        """Each number summed over all machines."""
        if self.count == 1:
            return numbers
        return tuple(np.array(mx.distributed.all_sum(mx.array(numbers, mx.float32))).tolist())

    def any_true(self, *words: bool) -> tuple[bool, ...]:
        """Of each word whether it is true on at least one machine: the same answers on all."""
        return tuple(count > 0 for count in self.total(*map(float, words)))

    def all_equal(self, text: str) -> bool:
        """Whether `text` is the same on all machines; every one gets the same answer."""
        if self.count == 1:
            return True
        digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
        found = np.array(mx.distributed.all_gather(mx.array([digest], mx.int32)))
        return len(np.unique(found)) == 1

    def check_replicas(self, facts: Mapping[str, str]) -> None:
        """Raise InputError on every machine if one of these texts differs between them."""
        for name, text in facts.items():
            if not self.all_equal(text):
                raise InputError(
                    f"The machines can't train together: {name} is not the same on all of them.",
                    "Copy the same files to each, and start again.",
                )

    @contextmanager
    def per_rank_rng(self) -> Iterator[None]:
        """Inside, dropout differs from that of the other machines; afterwards all agree again."""
        if self.count == 1:
            yield
            return
        random = mx.random
        here, following = random.split(random.state[0])  # type: ignore[index]
        set_random_key(*np.array(random.split(here, self.count)[self.rank]).tolist())
        try:
            yield
        finally:
            set_random_key(*np.array(following).tolist())


ALONE = Machines()
"""One process, as nearly always."""


def join_world(batch_size: int) -> Machines:
    """The machines that `mlx.launch` started together; this one alone without it.

    Waits for the others. Raises AppError if they can't be reached or can't share a batch.
    """
    if is_alone():
        return ALONE
    try:
        group = mx.distributed.init(strict=True)
    except RuntimeError as error:
        raise RunError(f"The other machines can't be reached: {error_text(error)}.") from error
    machines = Machines(group.rank(), group.size())
    if batch_size % machines.count:
        raise InputError(
            f"A batch of {batch_size} rows can't be shared evenly by {machines.count} machines.",
            f"Use a batch size of {machines.count}, {2 * machines.count}, ….",
        )
    return machines


def is_alone() -> bool:
    """Whether this process is no part of a run on several machines."""
    return RANK_VARIABLE not in os.environ


def is_first_machine() -> bool:
    """Whether this process reports the run; asked before MLX is loaded."""
    return os.environ.get(RANK_VARIABLE, "0") == "0"
