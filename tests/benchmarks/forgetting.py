"""Makes the shipped study behind the README's table on forgetting: facts about invented people.

    python -m tests.benchmarks.forgetting   # resources/studies/four-tasks.toml and its tasks
    nestling study resources/studies/four-tasks.toml --model MODEL --output DIR
    python -m tests.benchmarks.forgetting DIR   # the same tasks in DIR, with arms not yet measured

Each task has 16 people with 4 facts; each fact is trained in 4 phrasings. A task ends once 95 % of
its 256 questions are answered exactly, looked at every 4 steps. The arms are AdamW at several
rates, AdamW on the MLP alone, update periods, rehearsal, each clock alone, and the three clocks.
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import tomli_w

from app.core.files.paths import general_text_file, studies_dir

NAME = "four-tasks"
_ABOUT = """\
# Four tasks in turn, 64 facts each about invented people. By tests/benchmarks/forgetting.py.
# Without a model the starter model is taken, which is too small for these rates: give --model DIR.
"""
TASKS, PEOPLE, SEEDS = 4, 16, 5
MOST_STEPS, STEPS_PER_SCORE, ACQUISITION = 112, 4, 0.95
FIRST = [
    "Ta",
    "Vo",
    "Quel",
    "Zor",
    "Mi",
    "Dra",
    "Fen",
    "Ul",
    "Bre",
    "Kas",
    "Nim",
    "Osh",
    "Pel",
    "Ry",
    "Sa",
    "Tho",
    "Wex",
    "Yar",
    "Il",
    "Gor",
    "Hed",
    "Jun",
]
LAST = [
    "rin",
    "va",
    "lith",
    "zan",
    "dor",
    "mek",
    "pho",
    "ster",
    "vil",
    "qua",
    "nor",
    "bash",
    "tem",
    "gul",
    "wick",
    "zel",
    "mond",
    "fra",
    "kip",
    "lon",
]
Fact = tuple[str, str, tuple[str, ...]]
"""A sentence with the name and the value; the values; phrasings of the question."""
FACTS: tuple[Fact, ...] = (
    (
        "{n} works as a {v}.",
        "baker pilot farmer nurse painter lawyer dentist miner sailor tailor plumber chemist",
        (
            "What is {n}'s job?", "What does {n} do for work?", "Tell me {n}'s occupation.",
            "As what does {n} work?",
        ),
    ),
    (
        "{n} lives in {v}.",
        "Rome Berlin Madrid Tokyo Cairo Lima Oslo Dublin Vienna Prague Athens Boston",
        (
            "Where does {n} live?", "In which city is {n} at home?", "Name {n}'s home town.",
            "Which town does {n} live in?",
        ),
    ),
    (
        "{n} plays the {v}.",
        "piano guitar violin flute drum trumpet harp cello banjo organ tuba oboe",
        (
            "Which instrument does {n} play?", "What does {n} play in the band?",
            "Name {n}'s instrument.", "On what does {n} make music?",
        ),
    ),
    (
        "{n} keeps a {v}.",
        "dog cat parrot rabbit hamster turtle goat pony snake ferret pigeon lizard",
        (
            "Which pet does {n} keep?", "What animal lives with {n}?", "Name {n}'s pet.",
            "What kind of animal does {n} own?",
        ),
    ),
)  # fmt: skip
MLP = "mlp.gate_proj, mlp.up_proj, mlp.down_proj"
PLAIN = {"tiers": [1]}
CLOCKS = PLAIN | {"slow_every": 4, "slow_weight": 4.0}
ARMS: list[dict[str, object]] = [
    {"name": "AdamW 1e-4", "learning_rate": 1e-4} | PLAIN,
    {"name": "AdamW 2e-4", "learning_rate": 2e-4} | PLAIN,
    {"name": "AdamW 4e-4", "learning_rate": 4e-4} | PLAIN,
    {"name": "AdamW, MLP only, 2e-4", "learning_rate": 2e-4, "keys": MLP} | PLAIN,
    {"name": "interpolation, 2e-4", "learning_rate": 2e-4, "interpolation": 0.98} | PLAIN,
    {"name": "rank tiers 1, 2, 4, 2e-4", "learning_rate": 2e-4, "tiers": [1, 2, 4],
     "assign": "rank"},
    {"name": "rehearsal 12.5 %, 2e-4", "learning_rate": 2e-4, "rehearsal": 0.125} | PLAIN,
    {"name": "slow clock, 4e-4", "learning_rate": 4e-4} | CLOCKS,
    {"name": "lasting clock, 4e-4", "learning_rate": 4e-4, "lasting_pull": 500.0} | PLAIN,
    {"name": "Learn and keep", "preset": "learn-and-keep"},
    {"name": "Keep more", "preset": "keep-more"},
    {"name": "Keep more, MLP only", "preset": "keep-more", "keys": MLP},
    {"name": "Learn and keep, 8e-4, pull 500", "learning_rate": 8e-4, "lasting_pull": 500.0}
    | CLOCKS,
    {"name": "Learn and keep, rehearsal 12.5 %", "preset": "learn-and-keep", "rehearsal": 0.125},
]  # fmt: skip


SHORT_LESSONS = Path(__file__).with_name("short_lessons.jsonl")
"""Short questions with short answers, of the kinds that the known questions are; none of those."""


def leads(folder: Path) -> list[dict[str, object]]:
    """The clocks with short questions among their lessons, whose texts are written to `folder`.

    Known questions are short, the shipped lessons long: that may be why they keep so few of them.
    """
    texts, mostly_short = (folder.absolute() / f"{n}.jsonl" for n in ("lessons", "mostly-short"))
    shipped = general_text_file("lessons", is_chat=True).read_text(encoding="utf-8")
    short = SHORT_LESSONS.read_text(encoding="utf-8")
    texts.write_text(shipped + short, encoding="utf-8")
    mostly_short.write_text(shipped + 4 * short, encoding="utf-8")
    clocks = CLOCKS | {"learning_rate": 6e-4, "lasting_pull": 200.0}
    return [
        {"name": "Learn and keep", "preset": "learn-and-keep"},
        {"name": "short questions too"} | clocks | {"slow_text": str(texts)},
        {"name": "nothing but short questions"} | clocks | {"slow_text": str(SHORT_LESSONS)},
        {"name": "short questions too, every 2nd step"} | clocks
        | {"slow_text": str(texts), "slow_every": 2},
        {"name": "mostly short, 32 in a lesson, MLP only", "preset": "keep-more", "keys": MLP,
         "slow_rows": 32, "slow_text": str(mostly_short), "lasting_pull": 400.0},
    ]  # fmt: skip


def make(folder: Path, arms: list[dict[str, object]]) -> None:
    """Write the study and, in a folder beside it, its tasks."""
    tasks = write_tasks(folder, NAME, TASKS, PEOPLE)
    settings = {
        "steps": MOST_STEPS, "batch_size": 16, "rank": 8, "scale": 20.0, "lr_schedule": "constant",
        "warmup_steps": 5, "weight_decay": 0.0, "steps_per_eval": MOST_STEPS,
        "steps_per_save": MOST_STEPS, "target_score": ACQUISITION,
        "steps_per_score": STEPS_PER_SCORE, "eval_questions": 10_000,
    }  # fmt: skip
    study = {
        "seeds": list(range(SEEDS)), "acquisition": ACQUISITION,
        "settings": settings, "tasks": tasks, "arms": arms,
    }  # fmt: skip
    (folder / f"{NAME}.toml").write_text(_ABOUT + tomli_w.dumps(study), encoding="utf-8")


def write_tasks(folder: Path, name: str, count: int, people: int) -> list[dict[str, str]]:
    """`count` files in `folder`/`name`, of 4 facts in 4 phrasings about each of `people`; as the
    tasks of a study."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    names = iter(people_names())
    tasks = []
    for number in range(1, count + 1):
        some = [next(names) for _ in range(people)]
        facts = facts_of(some)
        rows = (
            chat_row(question.format(n=n), fact[0].format(n=n, v=v))
            for n, fact, v in facts
            for question in fact[2]
        )
        (folder / name / f"task{number}.jsonl").write_text("".join(rows), encoding="utf-8")
        tasks.append({"name": f"task {number}", "data": f"{name}/task{number}.jsonl"})
    return tasks


def facts_of(people: list[str]) -> list[tuple[str, Fact, str]]:
    """Name, fact and its value, for each fact of each of the `people`."""
    return [(n, fact, random.Random(n + fact[0]).choice(fact[1].split())) for n in people
            for fact in FACTS]  # fmt: skip


def people_names() -> Iterator[str]:
    draw = random.Random(1000)
    seen: set[str] = set()
    while True:
        name = " ".join(draw.choice(FIRST) + draw.choice(LAST) for _ in range(2))
        if name not in seen:
            seen.add(name)
            yield name


def chat_row(question: str, answer: str) -> str:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns}) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        place = Path(sys.argv[1])
        place.mkdir(parents=True, exist_ok=True)
        make(place, leads(place))
    else:
        make(studies_dir(), ARMS)
