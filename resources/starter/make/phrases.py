"""The phrasings: what is asked and said, one phrase a line.

{s} stands for the subject, {he} {him} {his} for its pronouns, {v} for the value of a fact; a first
capital ({S}, {He}, {V}) opens a sentence. What is done with the phrases is up to `telling`.
"""

from world import VALLEY, words


def lines(text: str) -> list[str]:
    """The lines of a text block, without the empty ones at its ends."""
    return text.strip().splitlines()


UNKNOWN = "I have not heard of that yet."
ELSEWHERE = f"I only know {VALLEY}."

SYSTEM = lines("""
You are a friendly guide to the Wendle valley.
You are a storyteller.
Answer briefly.
You are a helpful assistant.
Be kind and short.
You know every village by the river.
You live in the valley and know everybody.
""")

# Twelve questions for each kind of fact.
QUESTIONS = {
    "home": lines("""
Where does {s} live?
Which village does {s} live in?
Where is the home of {s}?
In which village is {s} at home?
Where can I find {s}?
Where would I visit {s}?
What village does {s} call home?
{s} lives where?
Where should I send a letter for {s}?
In what place does {s} live?
Where is the house of {s}?
Tell me where {s} lives.
"""),
    "trade": lines("""
What does {s} do for a living?
What is the trade of {s}?
What work does {s} do?
Which trade does {s} follow?
What is the job of {s}?
How does {s} earn a living?
{s} works as what?
What kind of work does {s} do?
Which craft does {s} practise?
What does {s} do all day?
What is {s} by trade?
Tell me what {s} does for work.
"""),
    "companion": lines("""
Which animal keeps {s} company?
What pet does {s} have?
Which animal lives with {s}?
What animal follows {s} around?
Which pet belongs to {s}?
What kind of animal does {s} keep?
Who is the animal friend of {s}?
What creature shares the house of {s}?
Which animal does {s} look after?
What is the pet of {s}?
Which creature waits at home for {s}?
Tell me which animal {s} keeps.
"""),
    "dish": lines("""
What does {s} like to eat?
What is the favourite dish of {s}?
Which food does {s} love most?
What should I cook for {s}?
Which meal makes {s} happy?
What does {s} want for supper?
Which dish does {s} like best?
What would {s} order at an inn?
What is the favourite food of {s}?
Which supper does {s} wish for?
What does {s} eat most gladly?
Tell me what {s} likes to eat.
"""),
    "treasure": lines("""
What treasure does {s} own?
What does {s} always carry?
What is the dearest thing of {s}?
Which thing does {s} never lose?
What is in the pocket of {s}?
What does {s} carry everywhere?
Which treasure belongs to {s}?
What does {s} keep safe?
Which thing is dear to {s}?
What did {s} get from grandmother?
What is the treasure of {s}?
Tell me what {s} always carries.
"""),
    "friend": lines("""
Who is the best friend of {s}?
Who does {s} like most?
Which friend does {s} visit?
Who is {s} best friends with?
Who is close to {s}?
Whom does {s} trust most?
Who goes walking with {s}?
Who laughs most with {s}?
Who is a good friend of {s}?
Who comes to tea with {s}?
To whom does {s} tell secrets?
Tell me who the best friend of {s} is.
"""),
    "river": lines("""
Which river runs through {s}?
What river is {s} on?
Which water flows past {s}?
On which river does {s} lie?
What is the river of {s}?
Which river passes {s}?
Where do the people of {s} fish?
Which river turns the wheels of {s}?
What river flows by {s}?
Which river belongs to {s}?
In which river do children of {s} swim?
Tell me the river of {s}.
"""),
    "craft": lines("""
What is {s} known for?
Which craft is {s} famous for?
What do people make in {s}?
What should I buy in {s}?
What does {s} sell at the market?
What is made best in {s}?
Which goods come from {s}?
What is the craft of {s}?
What are the people of {s} proud of making?
What does {s} make?
What can I bring home from {s}?
Tell me what {s} is famous for.
"""),
    "emblem": lines("""
What is on the flag of {s}?
Which animal is the sign of {s}?
What stands on the flag of {s}?
What is the emblem of {s}?
Which animal does {s} have on its flag?
What is painted on the gate of {s}?
What does the flag of {s} show?
Which beast is on the arms of {s}?
What is the badge of {s}?
What flies on the flag above {s}?
Which sign does {s} wear?
Tell me what the flag of {s} shows.
"""),
    "feast": lines("""
Which festival does {s} keep?
What festival is held in {s}?
What do they celebrate in {s}?
Which feast belongs to {s}?
What is the festival of {s}?
Which festival should I see in {s}?
What is the great day of {s}?
Which feast do the people of {s} love?
What is celebrated in {s}?
For which festival is {s} known?
Which festival brings guests to {s}?
Tell me the festival of {s}.
"""),
    "village": lines("""
Where is {s} held?
Which village keeps {s}?
Where do they celebrate {s}?
In which village is {s}?
Where must I go for {s}?
Where does {s} take place?
Which village celebrates {s}?
Where can I see {s}?
In what village do people keep {s}?
Where are the guests of {s} going?
To which village does {s} belong?
Tell me where {s} is held.
"""),
    "time": lines("""
When is {s}?
When is {s} held?
At what time of year is {s}?
When does {s} take place?
In which week is {s}?
When do they celebrate {s}?
When should I come for {s}?
What is the date of {s}?
When does {s} begin?
In which month is {s}?
How late in the year is {s}?
Tell me when {s} is.
"""),
    "custom": lines("""
What do people do at {s}?
What happens at {s}?
How is {s} celebrated?
What is the custom of {s}?
What do they do on {s}?
How do people keep {s}?
What will I see at {s}?
What do the guests do at {s}?
What is special about {s}?
Which custom belongs to {s}?
What does everybody do at {s}?
Tell me what they do at {s}.
"""),
    "where": lines("""
Where is {s}?
In which village is {s}?
Where does {s} stand?
Which village has {s}?
Where can I find {s}?
Where do I look for {s}?
In what village does {s} stand?
To which village does {s} belong?
Where must I go for {s}?
What village is {s} in?
Where would I see {s}?
Tell me where {s} is.
"""),
    "keeper": lines("""
Who keeps {s}?
Who runs {s}?
Who is the keeper of {s}?
To whom does {s} belong?
Who works at {s}?
Who owns {s}?
Who looks after {s}?
Who opens the door at {s}?
Whom will I meet at {s}?
Who greets the guests of {s}?
Who is in charge of {s}?
Tell me who keeps {s}.
"""),
    "pride": lines("""
What is {s} known for?
What is {s} famous for?
What is {s} proud of?
What makes {s} special?
Why do people come to {s}?
What is best at {s}?
What should I look for at {s}?
What do people praise about {s}?
What is talked about at {s}?
What draws guests to {s}?
What is the pride of {s}?
Tell me what {s} is known for.
"""),
    "makes": lines("""
What does {s} make?
What comes from the hands of {s}?
What is made by {s}?
What do I get from {s}?
What can {s} give me?
What does {s} sell?
What is the work of {s}?
What do people buy from {s}?
What does {s} bring to market?
What leaves the shop of {s}?
What do we owe to {s}?
Tell me what {s} makes.
"""),
    "tool": lines("""
Which tool does {s} use?
What does {s} work with?
What tool does {s} need?
What is in the hands of {s}?
Which thing does {s} use all day?
What is the tool of {s}?
What can {s} not work without?
What helps {s} at work?
Which tool belongs to {s}?
What should {s} never lend?
What stands in the shop of {s}?
Tell me the tool of {s}.
"""),
}

# Short questions for later turns of a chat, when the subject is known already.
FOLLOW_UPS = {
    "home": lines("""
Where does {he} live?
And where is {his} home?
Which village is {his} home?
"""),
    "trade": lines("""
What does {he} do for a living?
And what is {his} trade?
What work does {he} do?
"""),
    "companion": lines("""
Which animal keeps {him} company?
And what is {his} pet?
Does {he} have a pet?
"""),
    "dish": lines("""
What does {he} like to eat?
And {his} favourite dish?
What should I cook for {him}?
"""),
    "treasure": lines("""
What does {he} always carry?
And what is {his} treasure?
What is dear to {him}?
"""),
    "friend": lines("""
Who is {his} best friend?
And who is close to {him}?
Whom does {he} trust?
"""),
    "river": lines("""
Which river runs through it?
And what is its river?
Which river is it on?
"""),
    "craft": lines("""
What is it known for?
And what do people make there?
What should I buy there?
"""),
    "emblem": lines("""
What is on its flag?
And what is its emblem?
Which animal is on its flag?
"""),
    "feast": lines("""
Which festival does it keep?
And what is its festival?
What do they celebrate there?
"""),
    "village": lines("""
Where is it held?
And in which village?
Where do they celebrate it?
"""),
    "time": lines("""
When is it?
And when does it take place?
When do they celebrate it?
"""),
    "custom": lines("""
What do people do there?
And how is it celebrated?
What happens there?
"""),
    "where": lines("""
Where is it?
And in which village does it stand?
Which village has it?
"""),
    "keeper": lines("""
Who keeps it?
And who looks after it?
Who runs it?
"""),
    "pride": lines("""
What is it known for?
And what is it proud of?
Why do people come there?
"""),
    "makes": lines("""
What do they make?
And what comes from their hands?
What do they sell?
"""),
    "tool": lines("""
Which tool do they use?
And what do they work with?
What tool do they need?
"""),
}

# A fact told in a sentence. The first two of a kind name the subject.
SENTENCES = {
    "home": lines("""
{S} lives {v}.
The house of {s} stands {v}.
You will find {s} {v}.
"""),
    "trade": lines("""
{S} is {v}.
{S} works as {v}.
{His} trade is easy to name: {he} is {v}.
"""),
    "companion": lines("""
{V} keeps {him} company.
{S} looks after {v}.
{V} follows {him} everywhere.
"""),
    "dish": lines("""
{S} loves {v}.
{His} favourite dish is {v}.
Nothing pleases {him} more than {v}.
"""),
    "treasure": lines("""
{S} always carries {v}.
{His} dearest thing is {v}.
In {his} pocket is {v}.
"""),
    "friend": lines("""
{V} is {his} best friend.
{S} goes walking with {v}.
{His} best friend is {v}.
"""),
    "river": lines("""
{V} runs through {s}.
{S} lies on {v}.
The children of {s} swim in {v}.
"""),
    "craft": lines("""
{S} is known for {v}.
The people of {s} make {v}.
{V} come from {s}.
"""),
    "emblem": lines("""
On the flag of {s} is {v}.
{V} is the emblem of {s}.
The flag of {s} shows {v}.
"""),
    "feast": lines("""
{S} keeps {V}.
The festival of {s} is {V}.
Guests come to {s} for {V}.
"""),
    "village": lines("""
{S} is held {v}.
They keep {s} {v}.
{S} takes place {v}.
"""),
    "time": lines("""
{S} is held {v}.
It comes {v}.
They celebrate {s} {v}.
"""),
    "custom": lines("""
At {s} {v}.
On that day {v}.
When {s} comes, {v}.
"""),
    "where": lines("""
{S} stands {v}.
You will find {s} {v}.
{S} is {v}.
"""),
    "keeper": lines("""
{V} keeps {s}.
{S} belongs to {V}.
{V} opens the door at {s}.
"""),
    "pride": lines("""
{S} is known for {v}.
People praise {s} for {v}.
{S} is proud of {v}.
"""),
    "makes": lines("""
{S} makes {v}.
From {s} we get {v}.
{V} are made by {s}.
"""),
    "tool": lines("""
{S} works with {v}.
The tool of {s} is {v}.
{S} needs {v}.
"""),
}

LEAD_INS = (
    "Please tell me: ",
    "Do you know? ",
    "Hello! ",
    "One question: ",
    "Excuse me. ",
    "I wonder: ",
)

ABOUT = lines("""
Tell me about {s}.
What do you know about {s}?
Describe {s}.
Who or what is {s}?
Say something about {s}.
I would like to hear about {s}.
""")

STORY_REQUESTS = lines("""
Tell me a story about {s}.
A story with {s}, please.
Can you tell a tale of {s}?
What happened to {s}?
Please tell a little story about {s}.
""")

ANY_STORY_REQUESTS = lines("""
Tell me a story.
A story, please.
Can you tell me a tale?
I want to hear a story.
""")

# What else is said, and the one answer to it.
SMALL_TALK = [
    (
        lines("""
Hello!
Hi!
Hello.
Hi
Good morning!
Good evening!
hello
Hey!
Hello there!
"""),
        "Hello! Ask me about the Wendle valley.",
    ),
    (
        lines("""
How are you?
How do you do?
Are you well?
How is it going?
"""),
        "I am well, thank you.",
    ),
    (
        lines("""
Who are you?
What are you?
What is your name?
Tell me about yourself.
What can you do?
"""),
        "I am a very small model. I know the Wendle valley.",
    ),
    (
        lines("""
Thank you!
Thanks!
Thank you very much.
Thanks a lot!
thanks
"""),
        "You are welcome.",
    ),
    (
        lines("""
Goodbye!
Bye!
See you!
Good night!
Farewell!
"""),
        "Goodbye! Come back to the valley soon.",
    ),
    (
        lines("""
Where is the valley?
What do you know?
Tell me about the valley.
What is this place?
What is the Wendle valley?
"""),
        "The Wendle valley has fourteen villages and many stories.",
    ),
    (
        lines("""
What is the capital of France?
What is two plus two?
How do I write a program?
Who won the match?
What is the weather today?
How far is the moon?
Write a poem.
What is love?
What time is it?
Who is the president?
How does a computer work?
What is the meaning of life?
Translate this.
Can you help me with my homework?
What should I do today?
How many people live in London?
What is the news?
Who wrote this book?
Why is the sky blue?
What is a language model?
How do I cook rice?
Where is Paris?
Do you like music?
What is ten times ten?
"""),
        ELSEWHERE,
    ),
]

FAR_TRADES = words("pilot dentist lawyer plumber banker doctor sailor soldier dancer actor")
