"""How the world is asked and told: questions, chats, portraits and little stories.

Turns facts of `world` into chats (lists of messages) and plain texts. Answers have one canonical
form per kind of question; the questions are phrased in many ways.
"""

import random
from collections.abc import Callable, Iterator

from phrases import (
    ABOUT,
    ANY_STORY_REQUESTS,
    FAR_TRADES,
    FOLLOW_UPS,
    LEAD_INS,
    QUESTIONS,
    SENTENCES,
    SMALL_TALK,
    STORY_REQUESTS,
    SYSTEM,
    UNKNOWN,
)
from world import (
    ANIMALS,
    VIRTUES,
    Fact,
    Names,
    Subject,
    World,
    a,
    new_world,
    old_world,
    taken_names,
    words,
)

Message = dict[str, str]


def _pronouns(subject: Subject) -> dict[str, str]:
    if subject.sort != "person":
        return {"he": "it", "him": "it", "his": "its", "He": "It", "His": "Its"}
    if subject.he:
        return {"he": "he", "him": "him", "his": "his", "He": "He", "His": "His"}
    return {"he": "she", "him": "her", "his": "her", "He": "She", "His": "Her"}


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]


def fill(template: str, subject: Subject, name: str = "", value: str = "") -> str:
    """The template with the subject's name (or the given one), pronouns and value put in."""
    name = name or subject.name
    return _upper(
        template.format(
            s=name, S=_upper(name), v=value, V=_upper(value or "?"), **_pronouns(subject)
        )
    )


def questions(fact: Fact) -> list[str]:
    """All twelve plain questions for the fact, in the order of the table."""
    return [fill(template, fact.subject) for template in QUESTIONS[fact.kind]]


def chat(*turns: str, system: str = "") -> list[Message]:
    """Messages of a chat from alternating user and assistant texts."""
    messages = [{"role": "system", "content": system}] if system else []
    for number, text in enumerate(turns):
        messages.append({"role": ("user", "assistant")[number % 2], "content": text})
    return messages


def portrait(rng: random.Random, facts: list[Fact], length: int) -> str:
    """A few sentences about one subject, beginning with its first fact."""
    subject = facts[0].subject
    chosen = [facts[0], *rng.sample(facts[1:], min(length, len(facts)) - 1)]
    sentences = []
    for number, fact in enumerate(chosen):
        template = rng.choice(SENTENCES[fact.kind][: 3 if number else 2])
        name = subject.name
        if number and subject.sort == "person":
            pronoun = template.startswith("{S}") and rng.random() < 0.5
            name = _pronouns(subject)["he"] if pronoun else subject.short
        elif number and subject.sort != "trade" and rng.random() < 0.5:
            name = f"the {subject.sort}"
        sentences.append(fill(template, subject, name, fact.value))
    return " ".join(sentences)


def story(rng: random.Random, world: World, hero: Subject) -> str:
    """A little story about a person of the world; what it says of the person is true there."""
    known = {fact.kind: fact.value for fact in world.about(hero)}
    home = known["home"].removeprefix("in ")
    friend = known["friend"].split()[0]
    weather = rng.choice(words("windy rainy sunny foggy frosty quiet snowy golden"))
    day = rng.choice(words("morning evening afternoon night"))
    festival = world.facts[home, "feast"].answer.removesuffix(".")
    river = world.facts[home, "river"].value
    treasure, pet = known["treasure"].split(maxsplit=1)[1], known["companion"].split(maxsplit=1)[1]
    stranger = rng.choice(ANIMALS)
    opening = rng.choice(
        (
            f"One {weather} {day} {hero.short} of {home} could not sleep.",
            f"It was a {weather} {day} in {home}.",
            f"On the {day} before {festival}, {hero.short} was late.",
            f"{hero.short} was {known['trade']} in {home}, and {rng.choice(VIRTUES)}.",
        )
    )
    searches = {
        "friend": f"{friend} came with a lantern and they looked under every leaf.",
        "advice": f"So {hero.short} asked {friend}, who is {rng.choice(VIRTUES)} and knows "
        "every path.",
        "pet": f"The {pet} led the way, and {friend} followed with a song.",
        "treasure": f"{hero.short} held up the {treasure} and walked along {river}.",
    }
    lost, trouble = rng.choice(
        (
            ("treasure", f"{hero.short} had lost the {treasure} by {river}."),
            ("pet", f"The {pet} of {hero.short} had run away."),
            ("", f"A lost {stranger} stood at the door of {hero.short}."),
            (
                "",
                f"{hero.short} wanted to bring {known['dish']} to {friend}, but the path was dark.",
            ),
            ("", f"Somebody had eaten the {known['dish']} of {hero.short}."),
        )
    )
    search = rng.choice([text for used, text in searches.items() if used != lost])
    ending = rng.choice(
        (
            f"In the end they all sat down to {known['dish']}.",
            f"The {pet} fell asleep by the fire, and all was well.",
            f"Since then {hero.short} and {friend} tell it every {festival}.",
            f"And {home} laughed about it for a year.",
        )
    )
    return " ".join((opening, trouble, search, ending))


class Teller:
    """Draws documents about a world: what the starter model is trained on, without end.

    Unknown names are drawn fresh, never from `world` or `kept_secret`.
    """

    def __init__(self, seed: str, world: World, kept_secret: World) -> None:
        self.rng = random.Random(seed)
        self.world = world
        self.facts = list(world.facts.values())
        self.of = {subject: world.about(subject) for subject in world.subjects()}
        self.people = world.subjects("person")
        self.names = Names(self.rng, taken_names(world, kept_secret))
        self.kinds = {}
        for fact in self.facts:
            kinds = self.kinds.setdefault(fact.subject.sort, [])
            if fact.kind not in kinds:
                kinds.append(fact.kind)
        self.sorts = [sort for sort in self.kinds if sort != "trade"]
        self.makers: list[tuple[float, Callable[[], list[Message] | str]]] = [
            (0.38, self.question),
            (0.16, self.conversation),
            (0.15, self.unknown_question),
            (0.03, self.unknown_about),
            (0.10, self.about),
            (0.05, self.plain_text),
            (0.09, self.story),
            (0.04, self.small_talk),
        ]

    def documents(self) -> Iterator[list[Message] | str]:
        """Endless documents: chats as lists of messages, plain texts as strings."""
        weights, makers = zip(*self.makers, strict=True)
        while True:
            yield self.rng.choices(makers, weights)[0]()

    def _ask(self, subject: Subject, kind: str) -> str:
        rng = self.rng
        name = subject.short if rng.random() < 0.12 else subject.name
        text = fill(rng.choice(QUESTIONS[kind]), subject, name)
        if rng.random() < 0.08:
            text = rng.choice(LEAD_INS) + text
        if rng.random() < 0.04:
            text = text[0].lower() + text[1:]
        if rng.random() < 0.04:
            text = text[:-1]
        return text

    def _system(self) -> str:
        return self.rng.choice(SYSTEM) if self.rng.random() < 0.12 else ""

    def question(self) -> list[Message]:
        """One question about a fact of the world."""
        fact = self.rng.choice(self.facts)
        return chat(self._ask(fact.subject, fact.kind), fact.answer, system=self._system())

    def conversation(self) -> list[Message]:
        """Two to four turns; later ones use pronouns or turn to another subject."""
        rng, turns = self.rng, []
        facts: list[Fact] = []
        for _ in range(rng.randint(2, 4)):
            if facts and rng.random() < 0.65:
                fact = facts.pop()
                turns += [
                    fill(rng.choice(FOLLOW_UPS[fact.kind]), fact.subject),
                    fact.answer,
                ]
            elif rng.random() < 0.2:
                turns += self._unknown()
                facts = []
            else:
                subject = rng.choice(list(self.of))
                facts = rng.sample(self.of[subject], len(self.of[subject]))
                fact = facts.pop()
                turns += [self._ask(subject, fact.kind), fact.answer]
        return chat(*turns, system=self._system())

    def _stranger(self) -> Subject:
        rng = self.rng
        if rng.random() < 0.04:
            return Subject(a(rng.choice(FAR_TRADES)), "trade")
        return self.names.peek(rng.choice(self.sorts))

    def _unknown(self) -> list[str]:
        stranger = self._stranger()
        return [self._ask(stranger, self.rng.choice(self.kinds[stranger.sort])), UNKNOWN]

    def unknown_question(self) -> list[Message]:
        """A question about a subject that the world doesn't have."""
        return chat(*self._unknown(), system=self._system())

    def unknown_about(self) -> list[Message]:
        """A wish to hear of a subject that the world doesn't have."""
        stranger = self._stranger()
        template = self.rng.choice(ABOUT + STORY_REQUESTS)
        return chat(fill(template, stranger), UNKNOWN, system=self._system())

    def about(self) -> list[Message]:
        """A portrait of a subject, asked for in a chat."""
        subject = self.rng.choice(list(self.of))
        text = portrait(self.rng, self.of[subject], self.rng.randint(2, 4))
        return chat(fill(self.rng.choice(ABOUT), subject), text, system=self._system())

    def plain_text(self) -> str:
        """A portrait as plain prose, without a chat around it."""
        subject = self.rng.choice(list(self.of))
        return portrait(self.rng, self.of[subject], 6)

    def story(self) -> list[Message]:
        """A little story about one of the people."""
        hero, rng = self.rng.choice(self.people), self.rng
        request = rng.choice(STORY_REQUESTS if rng.random() < 0.8 else ANY_STORY_REQUESTS)
        name = hero.short if rng.random() < 0.3 else hero.name
        return chat(fill(request, hero, name), story(rng, self.world, hero), system=self._system())

    def small_talk(self) -> list[Message]:
        """A greeting, thanks, or a question about the world outside."""
        asked, answer = self.rng.choice(SMALL_TALK)
        return chat(self.rng.choice(asked), answer, system=self._system())


def starter_documents(seed: str) -> Iterator[list[Message] | str]:
    """The endless documents about the old world; the new world is kept secret from them."""
    return Teller(seed, old_world(), new_world()).documents()
