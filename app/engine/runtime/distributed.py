"""Distributed training: several processes, usually on several machines, train one model together.

`mlx.launch` starts the same command on each and sets its rank; sums go over MLX's ring backend.
Each process computes its share of every batch, all hold the same weights, and the first one records
the run.
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
    """The rank of this process and the number of processes in the run."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """This machine's examples of a batch: the same number on each, with about equal work."""
        if self.count == 1:
            return batch
        # Dealt in alternating directions, because the longest examples come first.
        turn = [*range(self.count), *reversed(range(self.count))]
        examples = range(len(batch.places) or len(batch.tokens))
        return batch.part([i for i in examples if turn[i % len(turn)] == self.rank])

    def round_robin(
        self, batches: Iterable[Batch], count: int
    ) -> Iterator[tuple[Batch | None, float]]:
        """This machine's whole batches out of `count`, each with the share done after it.

        All machines take the same number of turns, so that they can communicate after each. If the
        batches don't divide evenly, some machines get None in the last turn.
        """
        local = itertools.islice(batches, self.rank, None, self.count)
        turns = -(-count // self.count)
        for turn in range(1, turns + 1):
            yield next(local, None), turn / turns

    def summed(
        self, loss: mx.array, gradients: Mapping[int, mx.array]
    ) -> tuple[mx.array, dict[int, mx.array]]:
        """The scalar loss and each tier's gradient (a float32 vector), summed over all machines in
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

    def any_true(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is true on at least one machine."""
        return tuple(count > 0 for count in self.total(*map(float, flags)))

    def all_equal(self, text: str) -> bool:
        """Whether `text` is the same on all machines; all get the same answer."""
        if self.count == 1:
            return True
        digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
        digests = np.array(mx.distributed.all_gather(mx.array([digest], mx.int32)))
        return len(np.unique(digests)) == 1

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
        """Inside, each machine draws its own random numbers, for dropout; afterwards all draw the
        same again."""
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
"""A run on one machine."""


def join_world(batch_size: int) -> Machines:
    """Join the other processes that `mlx.launch` started, if any.

    Waits for them. Raises RunError if they can't be reached, InputError if the batch size can't be
    divided evenly.
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
    """Whether this process is not part of a distributed run."""
    return RANK_VARIABLE not in os.environ


def is_first_machine() -> bool:
    """Whether this process records and reports the run. Works before MLX is loaded."""
    return os.environ.get(RANK_VARIABLE, "0") == "0"
