"""Which examples are held out for validation, decided by seed and content alone."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence

from app.data.examples import ChatExample, Example


def split(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """What is trained and what is held out, both in their order.

    Rows are drawn by a hash of seed and content: equal rows stay on one side, and the same rows
    are drawn wherever they stand in the file. At least one row is held out if there are two
    different ones.
    """
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        groups[_digest(example, seed)].append(index)
    if share <= 0 or len(groups) < 2:
        return list(examples), []
    wanted = max(1, round(len(examples) * share))
    held: set[int] = set()
    for _, rows in sorted(groups.items()):
        if len(held) + len(rows) <= wanted and len(held) + len(rows) < len(examples):
            held.update(rows)
    if not held:
        smallest = min(groups.values(), key=len)
        held.update(smallest)
    kept = [example for index, example in enumerate(examples) if index not in held]
    return kept, [examples[index] for index in sorted(held)]


def _digest(example: Example, seed: int) -> bytes:
    if isinstance(example, ChatExample):
        content: object = [example.messages, example.tools]
    else:
        content = example.text
    text = json.dumps([seed, content], sort_keys=True)
    return hashlib.sha256(text.encode()).digest()
