"""Writes a study of two tasks whose prompts look alike and want other formats.

    python -m tests.benchmarks.look_alikes DIR
    nestling study DIR/look-alikes.toml --output DIR/results   # the starter model, on 2 cores

The same questions about the same invented people: a sentence is wanted, or with "In one word."
behind the question a single word. The second run continues from the first one's adapter.
"""

import sys
from pathlib import Path

import tomli_w

from tests.benchmarks.forgetting import chat_row, facts_of, people_names

NAME, PEOPLE, SEEDS = "look-alikes", 8, 3
PLAIN = {"tiers": [1], "learning_rate": 1e-3}
KEEPING = {"learning_rate": 1e-3}
ARMS: list[dict[str, object]] = [
    {"name": "AdamW", **PLAIN},
    {"name": "Learn and keep", "preset": "learn-and-keep", **KEEPING},
    {
        "name": "Learn and keep, pull 50",
        "preset": "learn-and-keep",
        "lasting_pull": 50.0,
        **KEEPING,
    },
    {"name": "Keep more", "preset": "keep-more", **KEEPING},
]


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = people_names()
    facts = facts_of([next(names) for _ in range(PEOPLE)])
    sentences, words = [], []
    for name, fact, value in facts:
        question = fact[2][0].format(n=name)
        sentences.append(chat_row(question, fact[0].format(n=name, v=value)))
        words.append(chat_row(f"{question} In one word.", value))
    tasks = []
    for task, rows in (("sentences", sentences), ("words", words)):
        (folder / f"{task}.jsonl").write_text("".join(rows), encoding="utf-8")
        tasks.append({"name": task, "data": f"{task}.jsonl"})
    settings = {
        "steps": 240, "batch_size": 16, "rank": 8, "scale": 20.0, "lr_schedule": "constant",
        "warmup_steps": 5, "weight_decay": 0.0, "steps_per_eval": 240, "steps_per_save": 240,
        "target_score": 0.95, "steps_per_score": 4, "eval_questions": 1000,
    }  # fmt: skip
    study = {
        "seeds": list(range(SEEDS)), "acquisition": 0.95,
        "settings": settings, "tasks": tasks, "arms": ARMS,
    }  # fmt: skip
    (folder / f"{NAME}.toml").write_text(tomli_w.dumps(study), encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
