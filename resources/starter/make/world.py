"""The Wendle valley: a small invented world, grown from a seed.

Knows subjects (people, villages, places, festivals, trades) and facts about them. Everything is
put together from the word lists below, so nothing here quotes or describes the real world.
It doesn't know how facts are asked or told: that is `telling`.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

SEED = 7
VALLEY = "the Wendle valley"


def words(text: str, separator: str | None = None) -> list[str]:
    """The words of a list written as one text."""
    return text.split(separator)


GIVEN_STARTS = words(
    "Tal Mir Bor Hes Lin Cor Wen Fen Dar Nel Ost Pim Rus Sel Tob Ul Ves Yar Iv Jun Kes Lor Mab Nor "
    "Or Per Quin Ros Sab Tam"
)
GIVEN_ENDS_SHE = words("a ina elle ith ora isse wen ette")
GIVEN_ENDS_HE = words("en o ric ald im us an ey")
SURNAME_STARTS = words(
    "Ash Barley Bram Clover Crow Dew Elder Fallow Frost Goose Hart Heath Kettle Lark Meadow Moss "
    "Oat Pear Plum Reed Rush Swan Thorn Wren"
)
SURNAME_ENDS = words("by croft dale field gate hill land ley moor row shaw side ton well wood")
VILLAGE_STARTS = words(
    "Brindle Candle Copper Dapple Dimple Ember Fiddle Ginger Hazel Honey Juniper Linden Marrow "
    "Nettle Otter Pebble Quill Rowan Saffron Sparrow Tansy Thimble Velvet Willow Yarrow"
)
VILLAGE_ENDS = words("wick ford combe holt mere stead brook ham den mouth gate ley")
PLACE_ADJECTIVES = words(
    "Crooked Sleepy Merry Patient Humming Barefoot Lucky Mossy Silver Wandering Whistling Wooden "
    "Cheerful Dusty Early Gentle"
)
PLACE_NOUNS = words(
    "Spoon Kettle Goose Lantern Boot Pear Button Fiddle Hedgehog Wheel Ladle Bell Thistle Candle "
    "Teapot Feather"
)
FESTIVAL_STARTS = words(
    "Kite Lantern Plum Snow Bell Goose Ribbon Candle Frog Apple Moon Honey Mitten Drum Boat Pancake"
)
FESTIVAL_ENDS = words("Night Day Fair Week Supper")

RIVERS = words("Wendle Ashbeck Corrow Tamble Lirren Ouzel Merrit Sallow")
MONTHS = words(
    "January February March April May June July August September October November December"
)
COLOURS = words("red blue green yellow white black silver golden purple orange")
ANIMALS = words(
    "goose owl cat goat hen otter dog pony hedgehog magpie toad squirrel donkey ferret duck rabbit"
)
ANIMAL_LOOKS = words(
    "grey spotted ginger sleepy brown white striped noisy shy black fluffy tiny lazy clever"
)
DISH_TASTES = words(
    "pear leek plum barley nettle mushroom honey onion trout apple chestnut carrot pumpkin cherry "
    "oat cheese"
)
DISHES = words("soup pie stew dumplings cake pudding bread pancakes")
MATERIALS = words("brass silver oak copper glass bone tin walnut pewter clay willow marble")
TREASURES = words("lantern whistle compass spoon key bell flute mirror button ring thimble comb")
CRAFT_LOOKS = words("painted carved woven striped tiny giant crooked speckled blue red")
CRAFTS = words(
    "baskets ribbons bells kites pots blankets candles boots chairs clocks drums hats lamps spoons"
)
SWEETS = words("pear plum apple cherry honey ginger almond lemon")
GRAINS = words("oat barley rye corn chestnut acorn pea walnut")
PLACE_KINDS = {  # place kind: (the trade of its keeper, first words and last words of its pride)
    "inn": ("innkeeper", SWEETS, ("cider", "tea", "beer", "jam")),
    "mill": ("miller", GRAINS, ("flour", "meal", "bran", "oil")),
    "bakery": ("baker", SWEETS, ("buns", "biscuits", "crumpets", "rolls")),
    "ferry": ("ferry rower", COLOURS, ("sail", "oars", "flag", "bell rope")),
}
TRADES = {  # trade: (what it makes, what it works with)
    "weaver": ("Blankets.", "A loom."),
    "potter": ("Jugs.", "A wheel."),
    "cooper": ("Barrels.", "A mallet."),
    "cobbler": ("Boots.", "An awl."),
    "beekeeper": ("Honey.", "A smoker."),
    "tailor": ("Coats.", "A needle."),
    "blacksmith": ("Horseshoes.", "A hammer."),
    "carpenter": ("Tables.", "A saw."),
    "basket maker": ("Baskets.", "A bodkin."),
    "candle maker": ("Candles.", "A ladle."),
    "rope maker": ("Ropes.", "A hook."),
    "clock maker": ("Clocks.", "A tiny screwdriver."),
    "cheese maker": ("Cheese.", "A press."),
    "hat maker": ("Hats.", "A steam kettle."),
    "boat builder": ("Boats.", "A plane."),
    "thatcher": ("Roofs.", "A rake."),
    "gardener": ("Flower beds.", "A spade."),
    "fiddle maker": ("Fiddles.", "A small knife."),
    "glass blower": ("Bottles.", "A long pipe."),
    "bell founder": ("Bells.", "A furnace."),
    "innkeeper": ("Warm beds.", "A big key."),
    "miller": ("Flour.", "A millstone."),
    "baker": ("Loaves.", "An oven."),
    "ferry rower": ("Crossings.", "A pair of oars."),
}
CUSTOM_DEEDS = words(
    "float candles|fly kites|ring bells|bake giant cakes|race geese|hang ribbons|"
    "tell ghost stories|paint doors|dance|swap hats|throw plums|carry lanterns|"
    "roll barrels|sing|wash statues|wear paper crowns|drum on pots|row boats",
    "|",
)
CUSTOM_WAYS = words(
    "on the hill|by the river|in the barn|at midnight|on the bridge|around the well|"
    "before breakfast|under the old oak|behind the mill|until morning|at noon|with the children",
    "|",
)
DRAWN_KINDS = words("companion dish treasure craft emblem custom river time pride")
VIRTUES = words("kind brave patient curious cheerful careful stubborn gentle")


@dataclass(frozen=True)
class Subject:
    """Somebody or something that facts are about; `sort` is person, village, place … ."""

    name: str
    sort: str
    he: bool = False

    @property
    def short(self) -> str:
        """The given name of a person, the whole name of anything else."""
        return self.name.split()[0] if self.sort == "person" else self.name


@dataclass(frozen=True)
class Fact:
    """One fact: the answer to the question of this `kind` about `subject`."""

    subject: Subject
    kind: str
    answer: str

    @property
    def value(self) -> str:
        """The answer as it stands inside a sentence: without full stop and first capital."""
        bare = self.answer.removesuffix(".")
        keep_capital = self.kind in ("keeper", "friend")
        return bare if keep_capital else bare[0].lower() + bare[1:]


@dataclass
class World:
    """All subjects and facts; a fact is found by (subject name, kind)."""

    facts: dict[tuple[str, str], Fact] = field(default_factory=dict)

    def add(self, subject: Subject, kind: str, answer: str) -> None:
        """Adds one fact. Raises ValueError if the subject has a fact of this kind already."""
        if (subject.name, kind) in self.facts:
            raise ValueError(f"{subject.name} has two facts of kind {kind}")
        self.facts[subject.name, kind] = Fact(subject, kind, answer)

    def about(self, subject: Subject) -> list[Fact]:
        """The facts about one subject, in the order in which they were added."""
        return [fact for fact in self.facts.values() if fact.subject == subject]

    def subjects(self, sort: str | None = None) -> list[Subject]:
        """All subjects, or those of one sort, each once, in the order of their first fact."""
        found = dict.fromkeys(fact.subject for fact in self.facts.values())
        return [subject for subject in found if sort in (None, subject.sort)]


def a(words: str) -> str:
    """The words with their indefinite article: "an owl", "a grey owl"."""
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def sentence(words: str) -> str:
    """The words with a first capital and a full stop."""
    return f"{words[0].upper()}{words[1:]}."


class Names:
    """Draws names that it has not drawn before and that are not in `taken`."""

    def __init__(self, rng: random.Random, taken: Iterable[str] = ()) -> None:
        self.rng = rng
        self.taken = set(taken)

    def _fresh(self, sort: str, he: bool = False) -> str:
        pick = self.rng.choice
        while True:
            if sort == "person":
                given = pick(GIVEN_STARTS) + pick(GIVEN_ENDS_HE if he else GIVEN_ENDS_SHE)
                name = f"{given} {pick(SURNAME_STARTS)}{pick(SURNAME_ENDS)}"
                key = given
            elif sort == "village":
                key = name = pick(VILLAGE_STARTS) + pick(VILLAGE_ENDS)
            elif sort == "festival":
                key = name = f"{pick(FESTIVAL_STARTS)} {pick(FESTIVAL_ENDS)}"
            else:
                key = name = f"the {pick(PLACE_ADJECTIVES)} {pick(PLACE_NOUNS)}"
            if key not in self.taken:
                self.taken.add(key)
                return name

    def draw(self, sort: str) -> Subject:
        """A new subject of the sort person, village, festival, inn, mill, bakery or ferry."""
        he = sort == "person" and self.rng.random() < 0.5
        return Subject(self._fresh(sort, he), sort, he)

    def peek(self, sort: str) -> Subject:
        """Like `draw`, but the name may be drawn again later."""
        subject = self.draw(sort)
        self.taken.discard(subject.short if sort == "person" else subject.name)
        return subject


def some_answer(rng: random.Random, kind: str, sort: str = "") -> str:
    """A random answer of the right form for the kinds that are put together from word lists."""
    pick = rng.choice
    match kind:
        case "companion":
            return sentence(a(f"{pick(ANIMAL_LOOKS)} {pick(ANIMALS)}"))
        case "dish":
            return sentence(f"{pick(DISH_TASTES)} {pick(DISHES)}")
        case "treasure":
            return sentence(a(f"{pick(MATERIALS)} {pick(TREASURES)}"))
        case "craft":
            return sentence(f"{pick(CRAFT_LOOKS)} {pick(CRAFTS)}")
        case "emblem":
            return sentence(a(f"{pick(COLOURS)} {pick(ANIMALS)}"))
        case "custom":
            return f"They {pick(CUSTOM_DEEDS)} {pick(CUSTOM_WAYS)}."
        case "river":
            return f"The {pick(RIVERS)}."
        case "time":
            return f"In the {pick(('first', 'second', 'third', 'last'))} week of {pick(MONTHS)}."
        case "pride":
            _, first, last = PLACE_KINDS[sort]
            return f"Its {pick(first)} {pick(last)}."
    raise ValueError(f"no list for the kind {kind}")


def _add_person(
    world: World, rng: random.Random, person: Subject, village: str, trade: str
) -> None:
    world.add(person, "home", f"In {village}.")
    world.add(person, "trade", sentence(a(trade)))
    for kind in ("companion", "dish", "treasure"):
        world.add(person, kind, some_answer(rng, kind))


def _add_place(
    world: World, rng: random.Random, place: Subject, village: str, keeper: Subject
) -> None:
    world.add(place, "where", f"In {village}.")
    world.add(place, "keeper", f"{keeper.name}.")
    world.add(place, "pride", some_answer(rng, "pride", place.sort))


def old_world(seed: int = SEED) -> World:
    """The world that the starter model is born with: about five hundred facts."""
    rng = random.Random(seed)
    names, world = Names(rng), World()
    villages = [names.draw("village") for _ in range(14)]
    for village in villages:
        for kind in ("river", "craft", "emblem"):
            world.add(village, kind, some_answer(rng, kind))
        festival = names.draw("festival")
        world.add(village, "feast", f"{festival.name}.")
        world.add(festival, "village", f"In {village.name}.")
        world.add(festival, "time", some_answer(rng, "time"))
        world.add(festival, "custom", some_answer(rng, "custom"))
    people = []
    for number in range(16):
        sort = list(PLACE_KINDS)[number % len(PLACE_KINDS)]
        place, keeper = names.draw(sort), names.draw("person")
        village = villages[(5 * number + 3) % len(villages)].name
        _add_place(world, rng, place, village, keeper)
        _add_person(world, rng, keeper, village, PLACE_KINDS[sort][0])
        people.append(keeper)
    free_trades = [t for t in TRADES if t not in {kind[0] for kind in PLACE_KINDS.values()}]
    for number in range(32):
        person = names.draw("person")
        trade = free_trades[number % len(free_trades)]
        _add_person(world, rng, person, rng.choice(villages).name, trade)
        people.append(person)
    rng.shuffle(people)
    for one, other in zip(people[::2], people[1::2], strict=True):
        world.add(one, "friend", f"{other.name}.")
        world.add(other, "friend", f"{one.name}.")
    for trade, (product, tool) in TRADES.items():
        world.add(Subject(a(trade), "trade"), "makes", product)
        world.add(Subject(a(trade), "trade"), "tool", tool)
    return world


def new_world(seed: int = SEED) -> World:
    """What happened since: newcomers, a new mill, a new inn and a new festival (29 facts)."""
    old = old_world(seed)
    rng = random.Random(f"news {seed}")
    names, world = Names(rng, taken_names(old)), World()
    villages = rng.sample(old.subjects("village"), 4)
    newcomers: list[Subject] = []
    while len(newcomers) < 4:
        person = names.draw("person")
        if all(person.name[:3] != other.name[:3] for other in newcomers):
            newcomers.append(person)
    trades = ["miller", "innkeeper", *rng.sample(["potter", "weaver", "fiddle maker"], 2)]
    for person, village, trade in zip(newcomers, villages, trades, strict=True):
        _add_person(world, rng, person, village.name, trade)
    mill = inn = names.draw("mill")
    while inn.name.split()[1] == mill.name.split()[1]:
        inn = names.draw("inn")
    _add_place(world, rng, mill, villages[0].name, newcomers[0])
    _add_place(world, rng, inn, villages[1].name, newcomers[1])
    festival = names.draw("festival")
    world.add(festival, "village", f"In {villages[3].name}.")
    world.add(festival, "time", some_answer(rng, "time"))
    world.add(festival, "custom", some_answer(rng, "custom"))
    _use_known_words(world, old, random.Random(f"words {seed}"))
    return world


def _use_known_words(world: World, old: World, rng: random.Random) -> None:
    """Draws those answers again that have a word which `old` never uses for their kind.

    A small model that never said a word learns it much more slowly than a new use of it.
    """
    known: dict[str, set[str]] = {}
    for fact in old.facts.values():
        known.setdefault(fact.kind, set()).update(fact.answer.split())
    for key, fact in world.facts.items():
        answer = fact.answer
        while fact.kind in DRAWN_KINDS and not known[fact.kind].issuperset(answer.split()):
            answer = some_answer(rng, fact.kind, fact.subject.sort)
        world.facts[key] = Fact(fact.subject, fact.kind, answer)


def taken_names(*worlds: World) -> set[str]:
    """The names that are in use: given names of people, whole names of everything else."""
    return {subject.short for world in worlds for subject in world.subjects()}
