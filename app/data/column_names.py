"""The names under which files keep the parts of a row."""

from collections.abc import Mapping

PROMPTS = ("prompt", "question", "query", "instruction", "input", "problem", "user", "human")
COMPLETIONS = (
    "completion", "response", "answer", "output", "reply", "solution", "assistant", "target",
)  # fmt: skip
CONVERSATIONS = ("conversations", "conversation")
SYSTEMS = ("system", "system_prompt")


def is_turn(value: Mapping[str, object]) -> bool:
    """Whether an object is a turn of a chat rather than a row."""
    return {"role", "content"} <= value.keys() or {"from", "value"} <= value.keys()
