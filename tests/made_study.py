"""The file of a small study: two tasks, some arms."""

from pathlib import Path

from tests.conftest import write_chats


def two_tasks(folder: Path, model: Path, steps: int, *arms: str, start: str = "") -> Path:
    """Writes the study, with `start` before its first line, and the tasks' rows."""
    for number in (1, 2):
        write_chats(folder / f"task{number}.jsonl", 8 + number)
    path = folder / "two.toml"
    path.write_text(
        f"""
        {start}
        model = "{model}"
        acquisition = 0.5
        settings = {{ steps = {steps}, rank = 2, learning_rate = 0.01, measure_forgetting = false }}
        tasks = [
            {{ name = "first", data = "task1.jsonl" }},
            {{ name = "second", data = "task2.jsonl" }},
        ]
        arms = [{", ".join(arms)}]
        """
    )
    return path
