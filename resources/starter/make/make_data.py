"""Writes the sample dataset, its questions, the retention set and the rehearsal set.

Run: python resources/starter/make/make_data.py [folder]     (the same bytes every time)
"""

import json
import random
import sys
from pathlib import Path

from phrases import FOLLOW_UPS
from telling import Message, chat, fill, questions
from world import SEED, Fact, new_world, old_world

STARTER = Path(__file__).resolve().parents[1]
RETENTION_QUESTIONS = 60
REHEARSAL_QUESTIONS = 200


def write(path: Path, chats: list[list[Message]]) -> None:
    """Writes one chat a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"messages": messages}, ensure_ascii=False) for messages in chats]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(chats):4} rows  {path.name}")


def conversations(rng: random.Random, facts: list[Fact]) -> list[list[Message]]:
    """One chat for every fact: its follow-up question after a question about the same subject."""
    chats = []
    for fact in facts:
        first = rng.choice([f for f in facts if f.subject == fact.subject and f != fact])
        ask_first = fill(rng.choice(FOLLOW_UPS[first.kind]), first.subject)
        opening = f"I would like to know {fact.subject.name}. {ask_first}"
        ask_then = fill(rng.choice(FOLLOW_UPS[fact.kind]), fact.subject)
        chats.append(chat(opening, first.answer, ask_then, fact.answer))
    return chats


def main() -> None:
    """Splits the phrasings of every new fact into train, valid and question; picks old facts."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else STARTER
    rng = random.Random(f"data {SEED}")
    new = list(new_world().facts.values())
    train, valid, asked = [], [], []
    for fact in new:
        phrasings = questions(fact)
        rng.shuffle(phrasings)
        asked.append(chat(phrasings[0], fact.answer))
        valid += [chat(question, fact.answer) for question in phrasings[1:3]]
        train += [chat(question, fact.answer) for question in phrasings[3:]]
    train += conversations(rng, new)
    rng.shuffle(train)
    rng.shuffle(valid)
    old = rng.sample(list(old_world().facts.values()), RETENTION_QUESTIONS + REHEARSAL_QUESTIONS)
    chats = [chat(rng.choice(questions(fact)), fact.answer) for fact in old]
    write(folder / "sample" / "train.jsonl", train)
    write(folder / "sample" / "valid.jsonl", valid)
    write(folder / "sample" / "new_facts.jsonl", asked)
    write(folder / "retention.jsonl", chats[:RETENTION_QUESTIONS])
    write(folder / "rehearsal.jsonl", chats[RETENTION_QUESTIONS:])


if __name__ == "__main__":
    main()
