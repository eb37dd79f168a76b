"""The names under which files keep the parts of a row. Knows no row."""

PROMPTS = ("prompt", "question", "query", "instruction", "input", "problem", "user", "human")
COMPLETIONS = (
    "completion", "response", "answer", "output", "reply", "solution", "assistant", "target",
)  # fmt: skip
CONVERSATIONS = ("conversations", "conversation")
SYSTEMS = ("system", "system_prompt")
