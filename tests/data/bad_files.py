"""Bad files of every format, each with the sentence that names what is wrong with it.

(file's name, content, the first problem as reported)
"""

import gzip
import io
import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "fox?"}
REPLY = {"role": "assistant", "content": "yes"}
HUMAN = {"from": "human", "value": "fox?"}
GPT = {"from": "gpt", "value": "yes"}
CALL = {"type": "function", "function": {"name": "look", "arguments": "{}"}}
TEXT_PART = {"type": "text", "text": "fox"}
IMAGE_PART = {"type": "image_url", "image_url": {"url": "https://example.com/fox.png"}}
AUDIO_PART = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
GOOD = b'{"text": "fox"}'
UTF8 = '{"text": "Füchse, Bären, Mäuse"}'.encode()


def row(**values):
    return json.dumps(values).encode()


def chat(*messages, **more):
    return row(messages=messages, **more)


def share(*turns, **more):
    return row(conversations=turns, **more)


def parquet(rows):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def arrow(table, opening=pa.ipc.new_stream):
    file = io.BytesIO()
    with opening(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


TEXTS = pa.table({"text": ["fox"], "words": ["fox"]})
TWO_TEXTS = pa.table([["a"], ["b"]], names=["text", "text"])


def parquet_of_table(table):
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def parquet_of_none():
    file = io.BytesIO()
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), file)
    return file.getvalue()


BAD_FILES = [
    # -- broken JSON Lines
    (
        "a.jsonl",
        b"{",
        "a.jsonl, line 1: is not valid JSON at column 2: a key in double quotes is missing",
    ),
    (
        "a.jsonl",
        b"}",
        "a.jsonl, line 1: is not valid JSON at column 1: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b"[",
        "a.jsonl, line 1: is not valid JSON at column 2: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b"]",
        "a.jsonl, line 1: is not valid JSON at column 1: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b"hello",
        "a.jsonl, line 1: is not valid JSON at column 1: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b"{'text': 'a'}",
        "a.jsonl, line 1: is not valid JSON at column 2: a key in double quotes is missing",
    ),
    (
        "a.jsonl",
        b'{"text": "a"',
        "a.jsonl, line 1: is not valid JSON at column 13: a comma is missing, or the line is cut off",
    ),
    (
        "a.jsonl",
        b'{"text": "a',
        "a.jsonl, line 1: is not valid JSON at column 10: a text begins and is not closed",
    ),
    (
        "a.jsonl",
        b'{"text" "a"}',
        "a.jsonl, line 1: is not valid JSON at column 9: a colon is missing after a key",
    ),
    (
        "a.jsonl",
        b'{"text": }',
        "a.jsonl, line 1: is not valid JSON at column 10: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b'{"text": "a",}',
        "a.jsonl, line 1: is not valid JSON at column 14: a key in double quotes is missing",
    ),
    (
        "a.jsonl",
        b'{text: "a"}',
        "a.jsonl, line 1: is not valid JSON at column 2: a key in double quotes is missing",
    ),
    (
        "a.jsonl",
        b'{"text": "a"}{"text": "b"}',
        "a.jsonl, line 1: is not valid JSON at column 14: there is more text after the end of the row",
    ),
    (
        "a.jsonl",
        b'{"text": "a"},',
        "a.jsonl, line 1: is not valid JSON at column 14: there is more text after the end of the row",
    ),
    (
        "a.jsonl",
        b'{"text": "a"} # note',
        "a.jsonl, line 1: is not valid JSON at column 14: there is more text after the end of the row",
    ),
    (
        "a.jsonl",
        b"// note",
        "a.jsonl, line 1: is not valid JSON at column 1: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b'{"text": "a\tb"}',
        "a.jsonl, line 1: is not valid JSON at column 12: a text holds a raw tab or control character",
    ),
    (
        "a.jsonl",
        b'{"text": "\\x41"}',
        "a.jsonl, line 1: is not valid JSON at column 11: a backslash stands before a character it can't escape",
    ),
    (
        "a.jsonl",
        b'{"text": "\\u12"}',
        "a.jsonl, line 1: is not valid JSON at column 12: a \\u is not followed by four hexadecimal digits",
    ),
    ("a.jsonl", b'{"text": NaN}', "a.jsonl, line 1: has NaN, which is not valid JSON"),
    ("a.jsonl", b'{"text": Infinity}', "a.jsonl, line 1: has Infinity, which is not valid JSON"),
    (
        "a.jsonl",
        b'{"text": -Infinity}',
        "a.jsonl, line 1: has -Infinity, which is not valid JSON",
    ),
    (
        "a.jsonl",
        b'{"text": None}',
        "a.jsonl, line 1: is not valid JSON at column 10: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b'{"text": True}',
        "a.jsonl, line 1: is not valid JSON at column 10: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b'{"text": undefined}',
        "a.jsonl, line 1: is not valid JSON at column 10: a value is missing or not quoted",
    ),
    ("a.jsonl", b'{"text": "a", "text": "b"}', "a.jsonl, line 1: has the key 'text' twice"),
    (
        "a.jsonl",
        b'{"text": "\\ud800"}',
        "a.jsonl, line 1: has half of a \\u surrogate pair, which isn't a character",
    ),
    (
        "a.jsonl",
        b'{"text": "\\udc00\\ud800"}',
        "a.jsonl, line 1: has half of a \\u surrogate pair, which isn't a character",
    ),
    (
        "a.jsonl",
        b'{"text": "a\x00b"}',
        "a.jsonl, line 1: has a NUL byte, so it is not text; save the file again",
    ),
    (
        "a.jsonl",
        b'{"text": "a\\u0000b"}',
        "a.jsonl, line 1: text is text with a NUL character in it",
    ),
    (
        "a.jsonl",
        b'{"n": ' + b"1" * 5000 + b"}",
        "a.jsonl, line 1: has a number with too many digits",
    ),
    (
        "a.jsonl",
        b'{"n": 01}',
        "a.jsonl, line 1: is not valid JSON at column 8: a comma is missing, or the line is cut off",
    ),
    (
        "a.jsonl",
        b'{"n": 1.}',
        "a.jsonl, line 1: is not valid JSON at column 8: a comma is missing, or the line is cut off",
    ),
    (
        "a.jsonl",
        b'{"n": .5}',
        "a.jsonl, line 1: is not valid JSON at column 7: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b'{"n": +1}',
        "a.jsonl, line 1: is not valid JSON at column 7: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b'{"n": 0x10}',
        "a.jsonl, line 1: is not valid JSON at column 8: a comma is missing, or the line is cut off",
    ),
    ("a.jsonl", b"[" * 101 + b"]" * 101, "a.jsonl, line 1: is nested too deeply to be an example"),
    ("a.jsonl", b"[" * 100_000, "a.jsonl, line 1: is nested too deeply to be an example"),
    ("a.jsonl", b'{"a":' * 50_000, "a.jsonl, line 1: is nested too deeply to be an example"),
    (
        "a.jsonl",
        b'{"text": "' + b"\\u0061" * 3 + b'"',
        "a.jsonl, line 1: is not valid JSON at column 30: a comma is missing, or the line is cut off",
    ),
    (
        "a.jsonl",
        b'\xc2\xa0{"text": "a"}',
        "a.jsonl, line 1: is not valid JSON at column 1: a value is missing or not quoted",
    ),
    (
        "a.jsonl",
        b'\xef\xbb\xbf\xef\xbb\xbf{"text": "a"}',
        "a.jsonl, line 1: is not valid JSON at column 1: a value is missing or not quoted",
    ),
    ("a.jsonl", b'"text"', "a.jsonl, line 1: is text, not an object in curly brackets"),
    ("a.jsonl", b"null", "a.jsonl, line 1: is null, not an object in curly brackets"),
    ("a.jsonl", b"12", "a.jsonl, line 1: is a number, not an object in curly brackets"),
    ("a.jsonl", b"true", "a.jsonl, line 1: is true or false, not an object in curly brackets"),
    ("a.jsonl", b"[]", "a.jsonl, line 1: is a list, not an object in curly brackets"),
    ("a.jsonl", b"{}", "a.jsonl, line 1: is an empty object"),
    ("a.jsonl", b'["text", "a"]', "a.jsonl, line 1: is a list, not an object in curly brackets"),
    # -- several rows of JSON Lines: the bad one is found by its line
    (
        "b.jsonl",
        GOOD + b"\n{\n" + GOOD,
        "b.jsonl, line 2: is not valid JSON at column 2: a key in double quotes is missing",
    ),
    ("b.jsonl", GOOD + b"\r\n\r\n" + b'{"text": ""}', "b.jsonl, line 3: text is empty"),
    (
        "b.jsonl",
        b"\n\n" + GOOD + b"\n   \nx",
        "b.jsonl, line 5: is not valid JSON at column 1: a value is missing or not quoted",
    ),
    (
        "b.jsonl",
        b'[\n{"text": "a"},\n{"text": "b"}\n]',
        "b.jsonl, line 1: is not valid JSON at column 2: a value is missing or not quoted",
    ),
    (
        "b.jsonl",
        b'{\n "text": "a"\n}',
        "b.jsonl, line 1: is not valid JSON at column 2: a key in double quotes is missing",
    ),
    ("b.jsonl", UTF8 + b'\n{"text": "\xff"}', "b.jsonl, line 2: is not UTF-8 text at character 11"),
    (
        "b.jsonl",
        UTF8 + b'\n{"text": "\xe4\xf6"}',
        "b.jsonl, line 2: is not UTF-8 text at character 11",
    ),
    ("b.jsonl", UTF8 + b'\n{"text": "\xc3"}', "b.jsonl, line 2: is not UTF-8 text at character 11"),
    (
        "b.jsonl",
        UTF8 + b'\n{"text": "\xed\xa0\x80"}',
        "b.jsonl, line 2: is not UTF-8 text at character 11",
    ),
    (
        "b.jsonl",
        UTF8 + b'\n{"text": "\xc0\xaf"}',
        "b.jsonl, line 2: is not UTF-8 text at character 11",
    ),
    (
        "b.jsonl",
        UTF8 + b'\n{"text": "\xf5\x80\x80\x80"}',
        "b.jsonl, line 2: is not UTF-8 text at character 11",
    ),
    (
        "b.jsonl",
        b'{"text": "\xfc\xe4"}\n' * 3 + UTF8,
        "b.jsonl, line 1: is not UTF-8 text at character 11",
    ),
    (
        "b.jsonl",
        b'{"text": "\xfc\x81\xe4"}\n',
        "b.jsonl, line 1: is not Windows-1252 text at character 12",
    ),
    # -- rows that are no example
    ("c.jsonl", row(text=""), "c.jsonl, line 1: text is empty"),
    ("c.jsonl", row(text=" \n\t"), "c.jsonl, line 1: text is empty"),
    ("c.jsonl", row(text=None), "c.jsonl, line 1: text is null, not text"),
    ("c.jsonl", row(text=5), "c.jsonl, line 1: text is a number, not text"),
    ("c.jsonl", row(text=["a"]), "c.jsonl, line 1: text is a list, not text"),
    ("c.jsonl", row(text={"a": 1}), "c.jsonl, line 1: text is an object, not text"),
    ("c.jsonl", row(text=True), "c.jsonl, line 1: text is true or false, not text"),
    ("c.jsonl", row(prompt="a"), "c.jsonl, line 1: has a prompt but no completion"),
    ("c.jsonl", row(completion="a", id=7), "c.jsonl, line 1: has a completion but no prompt"),
    ("c.jsonl", row(prompt="", completion="b"), "c.jsonl, line 1: prompt is empty"),
    ("c.jsonl", row(prompt="a", completion=""), "c.jsonl, line 1: completion is empty"),
    ("c.jsonl", row(prompt="a", completion=None), "c.jsonl, line 1: completion is null, not text"),
    ("c.jsonl", row(prompt=["a"], completion="b"), "c.jsonl, line 1: prompt is a list, not text"),
    (
        "c.jsonl",
        row(prompt="a", completion=False),
        "c.jsonl, line 1: completion is true or false, not text",
    ),
    ("c.jsonl", row(prompt="a", completion=" "), "c.jsonl, line 1: completion is empty"),
    (
        "c.jsonl",
        row(prompt="a", completion="b", tools="c"),
        "c.jsonl, line 1: tools is text, not a list",
    ),
    (
        "c.jsonl",
        row(prompt="a", completion="b", tools={"name": "look"}),
        "c.jsonl, line 1: tools is an object, not a list",
    ),
    (
        "c.jsonl",
        row(prompt="a", completion="b", system=5),
        "c.jsonl, line 1: system is a number, not text",
    ),
    (
        "c.jsonl",
        row(prompt="a", completion="b", tools=["look"]),
        "c.jsonl, line 1: tool 1 is text, not an object",
    ),
    (
        "c.jsonl",
        row(prompt="a", chosen="b", rejected="c"),
        "c.jsonl, line 1: is a preference (chosen, rejected), which Nestling does not train: map prompt=prompt, completion=chosen to train on the better answer alone",
    ),
    (
        "c.jsonl",
        row(title="a", body="b"),
        "c.jsonl, line 1: needs messages, prompt and completion, or text; found title, body",
    ),
    (
        "c.jsonl",
        row(a=1, b=1, c=1, d=1, e=1, f=1, g=1),
        "c.jsonl, line 1: needs messages, prompt and completion, or text; found a, b, c, d, e, f, …",
    ),
    (
        "c.jsonl",
        row(Body="a"),
        "c.jsonl, line 1: needs messages, prompt and completion, or text; found Body",
    ),
    ("c.jsonl", row(TEXT=""), "c.jsonl, line 1: text is empty"),
    ("c.jsonl", row(Prompt="a", Completion=""), "c.jsonl, line 1: completion is empty"),
    # -- bad chats
    ("d.jsonl", chat(), "d.jsonl, line 1: messages is an empty list"),
    ("d.jsonl", row(messages=None), "d.jsonl, line 1: messages is null, not a list"),
    ("d.jsonl", row(messages="hello"), "d.jsonl, line 1: messages is text, not a list"),
    ("d.jsonl", row(messages=""), "d.jsonl, line 1: messages is text, not a list"),
    ("d.jsonl", row(messages="[oh"), "d.jsonl, line 1: messages is text, not a list"),
    ("d.jsonl", row(messages=USER), "d.jsonl, line 1: messages is an object, not a list"),
    ("d.jsonl", chat("hello", REPLY), "d.jsonl, line 1: message 1 is text, not an object"),
    ("d.jsonl", chat(USER, None), "d.jsonl, line 1: message 2 is null, not an object"),
    ("d.jsonl", chat(USER, [REPLY]), "d.jsonl, line 1: message 2 is a list, not an object"),
    ("d.jsonl", chat(USER), "d.jsonl, line 1: has no assistant turn, so there is nothing to learn"),
    (
        "d.jsonl",
        chat(SYSTEM),
        "d.jsonl, line 1: has no assistant turn, so there is nothing to learn",
    ),
    (
        "d.jsonl",
        chat(SYSTEM, USER),
        "d.jsonl, line 1: has no assistant turn, so there is nothing to learn",
    ),
    ("d.jsonl", chat({"content": "a"}, REPLY), "d.jsonl, line 1: message 1 has no role"),
    (
        "d.jsonl",
        chat({"role": "human", "content": "a"}, REPLY),
        "d.jsonl, line 1: message 1 has an unknown role, 'human'; call it 'user'",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "gpt", "content": "a"}),
        "d.jsonl, line 1: message 2 has an unknown role, 'gpt'; call it 'assistant'",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "bot", "content": "a"}),
        "d.jsonl, line 1: message 2 has an unknown role, 'bot'; call it 'assistant'",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "Assistant", "content": "a"}),
        "d.jsonl, line 1: message 2 has an unknown role, 'Assistant'; call it 'assistant'",
    ),
    (
        "d.jsonl",
        chat({"role": "narrator", "content": "a"}, REPLY),
        "d.jsonl, line 1: message 1 has an unknown role, 'narrator'; roles are system, user, assistant, tool",
    ),
    (
        "d.jsonl",
        chat({"role": None, "content": "a"}, REPLY),
        "d.jsonl, line 1: message 1 has an unknown role, null; roles are system, user, assistant, tool",
    ),
    (
        "d.jsonl",
        chat({"role": 1, "content": "a"}, REPLY),
        "d.jsonl, line 1: message 1 has an unknown role, a number; roles are system, user, assistant, tool",
    ),
    (
        "d.jsonl",
        chat({"role": "", "content": "a"}, REPLY),
        "d.jsonl, line 1: message 1 has an unknown role, ''; roles are system, user, assistant, tool",
    ),
    (
        "d.jsonl",
        chat({"role": "Developer", "content": "a"}, REPLY),
        "d.jsonl, line 1: message 1 has an unknown role, 'Developer'; call it 'system'",
    ),
    ("d.jsonl", chat({"role": "user"}, REPLY), "d.jsonl, line 1: message 1 (user) has no content"),
    (
        "d.jsonl",
        chat(USER, {"role": "assistant"}),
        "d.jsonl, line 1: message 2 (assistant) has no content",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "assistant", "content": None}),
        "d.jsonl, line 1: message 2 (assistant) has content that is null, not text",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "assistant", "content": ""}),
        "d.jsonl, line 1: message 2 (assistant) has content that is empty",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "assistant", "content": "\n"}),
        "d.jsonl, line 1: message 2 (assistant) has content that is empty",
    ),
    (
        "d.jsonl",
        chat({"role": "user", "content": " "}, REPLY),
        "d.jsonl, line 1: message 1 (user) has content that is empty",
    ),
    (
        "d.jsonl",
        chat(SYSTEM, USER, REPLY, system="Be kind."),
        "d.jsonl, line 1: has a system column ('Be kind.') and a system turn with another text ('Be brief.'); keep one of them",
    ),
    (
        "d.jsonl",
        chat(USER, SYSTEM, REPLY, system="Be brief."),
        "d.jsonl, line 1: has a system column and the same text in a later turn; keep one of them",
    ),
    (
        "d.jsonl",
        chat(USER, REPLY, system="Be kind.", system_prompt="Be brief."),
        "d.jsonl, line 1: has different texts in system and system_prompt; keep one of them",
    ),
    (
        "d.jsonl",
        chat({"role": "user", "content": 4}, REPLY),
        "d.jsonl, line 1: message 1 (user) has content that is a number, not text",
    ),
    (
        "d.jsonl",
        chat({"role": "user", "content": {"text": "a"}}, REPLY),
        "d.jsonl, line 1: message 1 (user) has content that is an object, not text",
    ),
    *(
        ("d.jsonl", chat(SYSTEM, {"role": "user", "content": content}, REPLY), sentence)
        for content, sentence in (
            (parts, f"d.jsonl, line 1: message 2 (user) has content {reason}")
            for parts, reason in (
                ([], "that is an empty list"),
                (
                    [TEXT_PART, IMAGE_PART],
                    "whose part 2 is of type 'image_url'; only text can be trained",
                ),
                ([AUDIO_PART], "whose part 1 is of type 'input_audio'; only text can be trained"),
                ([TEXT_PART, "more"], "whose part 2 is text, not an object"),
                ([{"text": "a"}], "whose part 1 has no type"),
                ([{"type": ["text"]}], "whose part 1 is of type a list; only text can be trained"),
                ([{"type": "text"}], "whose part 1 has no text"),
                (
                    [{"type": "text", "text": 4}],
                    "whose part 1 has a text that is a number, not text",
                ),
                ([{"type": "text", "text": " "}], "that is empty"),
                (
                    [TEXT_PART, {"type": "text", "text": "\0"}],
                    "that is text with a NUL character in it",
                ),
            )
        )
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "tool", "content": [IMAGE_PART]}, REPLY),
        "d.jsonl, line 1: message 2 (tool) has content whose part 1 is of type 'image_url'; only text can be trained",
    ),
    (
        "d.parquet",
        parquet(
            [
                {
                    "messages": [
                        {"role": "user", "content": [IMAGE_PART]},
                        {"role": "assistant", "content": [TEXT_PART]},
                    ]
                }
            ]
        ),
        "d.parquet, row 1: message 1 (user) has content whose part 1 is of type 'image_url'; only text can be trained",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "assistant", "tool_calls": []}),
        "d.jsonl, line 1: message 2 (assistant) has no content",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "assistant", "content": None, "tool_calls": "look"}),
        "d.jsonl, line 1: message 2 (assistant) has tool_calls that are text, not a list",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "assistant", "tool_calls": ["look"]}),
        "d.jsonl, line 1: message 2 (assistant) has a tool call without a function name",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "assistant", "tool_calls": [{"function": {}}]}),
        "d.jsonl, line 1: message 2 (assistant) has a tool call without a function name",
    ),
    (
        "d.jsonl",
        chat({**USER, "tool_calls": [CALL]}, REPLY),
        "d.jsonl, line 1: message 1 (user) has tool_calls, which only an assistant turn can have",
    ),
    (
        "d.jsonl",
        chat(USER, {"role": "tool", "content": ""}, REPLY),
        "d.jsonl, line 1: message 2 (tool) has content that is empty",
    ),
    ("d.jsonl", chat(USER, REPLY, tools=5), "d.jsonl, line 1: tools is a number, not a list"),
    ("d.jsonl", chat(USER, REPLY, tools=[None]), "d.jsonl, line 1: tool 1 is null, not an object"),
    (
        "d.jsonl",
        chat(USER, REPLY, tools="[1]"),
        "d.jsonl, line 1: tool 1 is a number, not an object",
    ),
    # -- bad ShareGPT
    ("e.jsonl", share(), "e.jsonl, line 1: messages is an empty list"),
    ("e.jsonl", row(conversations=None), "e.jsonl, line 1: messages is null, not a list"),
    ("e.jsonl", row(conversations="a"), "e.jsonl, line 1: messages is text, not a list"),
    (
        "e.jsonl",
        share(HUMAN),
        "e.jsonl, line 1: has no assistant turn, so there is nothing to learn",
    ),
    ("e.jsonl", share(HUMAN, {"from": "gpt"}), "e.jsonl, line 1: message 2 (gpt) has no value"),
    (
        "e.jsonl",
        share(HUMAN, {"from": "gpt", "value": None}),
        "e.jsonl, line 1: message 2 (assistant) has content that is null, not text",
    ),
    (
        "e.jsonl",
        share(HUMAN, {"from": "gpt", "value": ""}),
        "e.jsonl, line 1: message 2 (assistant) has content that is empty",
    ),
    (
        "e.jsonl",
        share(HUMAN, {"from": "narrator", "value": "a"}),
        "e.jsonl, line 1: message 2 is from 'narrator'; Nestling knows human, gpt, system and tool",
    ),
    (
        "e.jsonl",
        share(HUMAN, {"from": None, "value": "a"}),
        "e.jsonl, line 1: message 2 is from null; Nestling knows human, gpt, system and tool",
    ),
    (
        "e.jsonl",
        share(HUMAN, {"from": "function_call", "value": "{}"}),
        "e.jsonl, line 1: message 2 (function_call) has a value that isn't a JSON call with a function name",
    ),
    ("e.jsonl", share(HUMAN, {"value": "a"}), "e.jsonl, line 1: message 2 has no role"),
    ("e.jsonl", share(HUMAN, "hello"), "e.jsonl, line 1: message 2 is text, not an object"),
    (
        "e.jsonl",
        share({"from": "human", "value": ["a"]}, GPT),
        "e.jsonl, line 1: message 1 (user) has content whose part 1 is text, not an object",
    ),
    ("e.jsonl", share(HUMAN, GPT, system=["a"]), "e.jsonl, line 1: system is a list, not text"),
    (
        "e.parquet",
        parquet([{"id": 1, "talk": {"question": "fox?", "answer": "yes"}}]),
        "e.parquet, row 1: has question, answer inside 'talk': give each its own column",
    ),
    # -- bad Alpaca, questions and synonyms
    ("f.jsonl", row(instruction="", input="", output="b"), "f.jsonl, line 1: instruction is empty"),
    ("f.jsonl", row(instruction="a", input="", output=""), "f.jsonl, line 1: output is empty"),
    (
        "f.jsonl",
        row(instruction="a", input=5, output="b"),
        "f.jsonl, line 1: input is a number, not text",
    ),
    (
        "f.jsonl",
        row(instruction=None, input="i", output="b"),
        "f.jsonl, line 1: instruction is null, not text",
    ),
    (
        "f.jsonl",
        row(instruction="a", input="b"),
        "f.jsonl, line 1: needs messages, prompt and completion, or text; found instruction, input",
    ),
    (
        "f.jsonl",
        row(instruction="a"),
        "f.jsonl, line 1: needs messages, prompt and completion, or text; found instruction",
    ),
    (
        "f.jsonl",
        row(output="a"),
        "f.jsonl, line 1: needs messages, prompt and completion, or text; found output",
    ),
    (
        "f.jsonl",
        row(instruction="a", output="b", history="c"),
        "f.jsonl, line 1: has a history that isn't a list of [question, answer]",
    ),
    (
        "f.jsonl",
        row(instruction="a", output="b", history=[["q"]]),
        "f.jsonl, line 1: has a history that isn't a list of [question, answer]",
    ),
    (
        "f.jsonl",
        row(instruction="a", output="b", history=[["q", None]]),
        "f.jsonl, line 1: a turn of its history is null, not text",
    ),
    (
        "f.jsonl",
        row(instruction="a", output="b", history=["q", "a"]),
        "f.jsonl, line 1: has a history that isn't a list of [question, answer]",
    ),
    ("f.jsonl", row(question="", answer="b"), "f.jsonl, line 1: question is empty"),
    ("f.jsonl", row(question="a", answer=None), "f.jsonl, line 1: answer is null, not text"),
    ("f.jsonl", row(question="a", answer=["b"]), "f.jsonl, line 1: answer is a list, not text"),
    (
        "f.jsonl",
        row(question="a", answers={"text": ["b"]}),
        "f.jsonl, line 1: needs messages, prompt and completion, or text; found question, answers",
    ),
    (
        "f.jsonl",
        row(question="a"),
        "f.jsonl, line 1: needs messages, prompt and completion, or text; found question",
    ),
    (
        "f.jsonl",
        row(question="a", answer="b", response="c"),
        "f.jsonl, line 1: could be read in several ways: it has question, response, answer; map its columns",
    ),
    (
        "f.jsonl",
        row(question="a", query="b", answer="c"),
        "f.jsonl, line 1: could be read in several ways: it has question, query, answer; map its columns",
    ),
    (
        "f.jsonl",
        row(question="a", answer="b", text="c"),
        "f.jsonl, line 1: could be read as question and answer or as text; map its columns",
    ),
    (
        "f.jsonl",
        row(question="a", context=["c"], answer="b"),
        "f.jsonl, line 1: context is a list, not text",
    ),
    ("f.jsonl", row(input="a", output=3), "f.jsonl, line 1: output is a number, not text"),
    ("f.jsonl", row(user="a", assistant=""), "f.jsonl, line 1: assistant is empty"),
    (
        "f.jsonl",
        row(problem="a", solution={"steps": []}),
        "f.jsonl, line 1: solution is an object, not text",
    ),
    ("f.jsonl", row(prompt="a", response=""), "f.jsonl, line 1: response is empty"),
    ("f.jsonl", row(Question="a", ANSWER=""), "f.jsonl, line 1: answer is empty"),
    # -- broken .json
    (
        "a.json",
        b"[",
        "a.json, row 1: is not valid JSON: a value is missing or not quoted; nothing after it can be read",
    ),
    (
        "a.json",
        b"[,]",
        "a.json, row 1: is not valid JSON: a value is missing or not quoted; nothing after it can be read",
    ),
    ("a.json", b"[1", "a.json, row 1: is a number, not an object in curly brackets"),
    (
        "a.json",
        b"]",
        "a.json, row 1: is not valid JSON: a value is missing or not quoted; nothing after it can be read",
    ),
    (
        "a.json",
        b"[" + GOOD,
        "a.json, row 1: is not valid JSON: a comma is missing, or the list is not closed; nothing after it can be read",
    ),
    (
        "a.json",
        b"[" + GOOD + b",]",
        "a.json, row 1: is not valid JSON: there is a comma too many before ]; nothing after it can be read",
    ),
    (
        "a.json",
        b"[" + GOOD + b" " + GOOD + b"]",
        "a.json, row 1: is not valid JSON: a comma is missing, or the list is not closed; nothing after it can be read",
    ),
    (
        "a.json",
        b"[" + GOOD + b",\n\n,]",
        "a.json, row 2 (line 3): is not valid JSON: a value is missing or not quoted; nothing after it can be read",
    ),
    (
        "a.json",
        b"[" + GOOD + b"]]",
        "a.json, line 1: is not valid JSON: there is more text after the end of the list; nothing after it can be read",
    ),
    (
        "a.json",
        b"[" + GOOD + b"]\n[]",
        "a.json, line 2: is not valid JSON: there is more text after the end of the list; nothing after it can be read",
    ),
    (
        "a.json",
        b"[\n" + GOOD + b",\n{'text': 1}\n]",
        "a.json, row 2 (line 3): is not valid JSON: a key in double quotes is missing; nothing after it can be read",
    ),
    (
        "a.json",
        b"[\n" + GOOD + b',\n{"text": "b\n"}]',
        "a.json, row 2 (line 3): is not valid JSON: a text holds a raw tab or control character; nothing after it can be read",
    ),
    ("a.json", b"[\n" + GOOD + b',\n  {"text": ""}\n]', "a.json, row 2 (line 3): text is empty"),
    (
        "a.json",
        b"[" + GOOD + b", null]",
        "a.json, row 2: is null, not an object in curly brackets",
    ),
    ("a.json", b'["a", "b"]', "a.json, row 1: is text, not an object in curly brackets"),
    ("a.json", b"[[1], [2]]", "a.json, row 1: is a list, not an object in curly brackets"),
    (
        "a.json",
        b'{"data": [{"text": "a"}], "more": [{"text": "b"}]}',
        "a.json: has the list 'more' beside 'data': save the one to use as a separate file",
    ),
    ("a.json", b'{"text": ["a", "b"]}', "a.json, row 1: text is a list, not text"),
    ("a.json", b"true", "a.json, row 1: is true or false, not an object in curly brackets"),
    ("a.json", b"12 13", "a.json, row 1: is a number, not an object in curly brackets"),
    ("a.json", b'{"text": "a"} {"text": ""}', "a.json, row 2: text is empty"),
    (
        "a.json",
        b'{"text": "a"}, {"text": "b"}',
        "a.json, row 2: is not valid JSON: a value is missing or not quoted; nothing after it can be read",
    ),
    ("a.json", b'[{"text": NaN}]', "a.json, row 1: has NaN, which is not valid JSON"),
    ("a.json", b'[{"text": "a", "text": "b"}]', "a.json, row 1: has the key 'text' twice"),
    (
        "a.json",
        b'[{"text": "\\ud800"}]',
        "a.json, row 1: has half of a \\u surrogate pair, which isn't a character",
    ),
    (
        "a.json",
        b'[{"text": "a\x00"}]',
        "a.json, row 1: is not valid JSON: a text holds a raw tab or control character; nothing after it can be read",
    ),
    (
        "a.json",
        b"[" * 100_000,
        "a.json, row 1: is nested too deeply to be an example; nothing after it can be read",
    ),
    (
        "a.json",
        b"[" + b"[" * 150 + b"]" * 150 + b"]",
        "a.json, row 1: is nested too deeply to be an example",
    ),
    (
        "a.json",
        b'[{"n": ' + b"1" * 5000 + b"}]",
        "a.json, row 1: has a number with too many digits; nothing after it can be read",
    ),
    (
        "a.json",
        b"[" + UTF8 + b',\n{"text": "\xff"}]',
        "a.json, row 2 (line 2): is not UTF-8 text at character 11",
    ),
    (
        "a.json",
        b'[{"text": "abc',
        "a.json, row 1: is not valid JSON: a text begins and is not closed; nothing after it can be read",
    ),
    (
        "a.json",
        b"hello",
        "a.json, row 1: is not valid JSON: a value is missing or not quoted; nothing after it can be read",
    ),
    # -- an empty .json list has no row
    ("b.json", b"[]", "b.json is empty."),
    ("b.json", b"[ \n ]", "b.json is empty."),
    ("b.json", b"", "b.json is empty."),
    ("b.json", b" \n", "b.json is empty."),
    # -- broken tables
    ("a.csv", b"", "a.csv is empty."),
    ("a.csv", b"\n\n", "a.csv is empty."),
    ("a.csv", b"text\n", "a.csv is empty."),
    ("a.csv", b"prompt,completion\n", "a.csv is empty."),
    ("a.csv", b"prompt,completion\na\n", "a.csv, line 2: has 1 field, but the header has 2"),
    ("a.csv", b"prompt,completion\na,b,c\n", "a.csv, line 2: has 3 fields, but the header has 2"),
    ("a.csv", b"prompt,completion\na,b\nc\n", "a.csv, line 3: has 1 field, but the header has 2"),
    ("a.csv", b"prompt,completion\na,\n", "a.csv, line 2: completion is empty"),
    ("a.csv", b"prompt,completion\n,b\n", "a.csv, line 2: prompt is empty"),
    ("a.csv", b"prompt,completion\n , \n", "a.csv, line 2: prompt is empty"),
    (
        "a.csv",
        b'prompt,completion\n"a,b\n',
        "a.csv, line 2: opens a quotation mark that is never closed",
    ),
    (
        "a.csv",
        b'prompt,completion\n"a,b\nc,d\ne,f\n',
        "a.csv, line 2: opens a quotation mark that is never closed; nothing after it can be read",
    ),
    (
        "a.csv",
        b'prompt,completion\n"a" x,b\n',
        "a.csv, line 2: has a quotation mark inside a quoted field; double it there",
    ),
    (
        "a.csv",
        b'prompt,completion\n"say "hi"",b\n',
        "a.csv, line 2: has a quotation mark inside a quoted field; double it there",
    ),
    (
        "a.csv",
        b'prompt,completion\n"say \\"hi\\"",b\n',
        "a.csv, line 2: has a quotation mark inside a quoted field; double it there",
    ),
    (
        "a.csv",
        b'prompt,completion\n"a\nb" c,d\ne,f\n',
        "a.csv, line 2: has a quotation mark inside a quoted field; double it there; nothing after it can be read",
    ),
    ("a.csv", b"prompt,prompt\na,b\n", "a.csv, line 1: has several columns named 'prompt'"),
    ("a.csv", b"text, text\na,b\n", "a.csv, line 1: has several columns named 'text'"),
    (
        "a.csv",
        b'"prompt,completion\na,b\n',
        "a.csv, line 1: opens a quotation mark that is never closed; nothing after it can be read",
    ),
    (
        "a.csv",
        b"title,body\na,b\n",
        "a.csv, line 2: needs messages, prompt and completion, or text; found title, body",
    ),
    ("a.csv", b"a,b\n", "a.csv is empty."),
    ("a.csv", b"prompt;completion\na;\n", "a.csv, line 2: completion is empty"),
    ("a.csv", b"sep=;\nprompt;completion\na;\n", "a.csv, line 3: completion is empty"),
    ("a.csv", b"prompt|completion\n|b\n", "a.csv, line 2: prompt is empty"),
    ("a.csv", b"prompt\tcompletion\na\t\n", "a.csv, line 2: completion is empty"),
    (
        "a.csv",
        b"prompt,completion\na\x00,b\n",
        "a.csv, line 2: has a NUL byte, so it is not text; save the file again",
    ),
    (
        "a.csv",
        b"prompt\x00,completion\na,b\n",
        "a.csv, line 1: has a NUL byte, so it is not text; save the file again",
    ),
    ("a.csv", b"question,answer\na,\n", "a.csv, line 2: answer is empty"),
    ("a.csv", b"instruction,input,output\na,,\n", "a.csv, line 2: output is empty"),
    ("a.csv", b"messages\nhello\n", "a.csv, line 2: messages is text, not a list"),
    ("a.csv", b"messages\n\"[{'role': 'user'}]\"\n", "a.csv, line 2: messages is text, not a list"),
    (
        "a.csv",
        b'messages\n"[{""role"": ""user"", ""content"": ""a""}]"\n',
        "a.csv, line 2: has no assistant turn, so there is nothing to learn",
    ),
    ("a.csv", b'text\n"a"\n""\n', "a.csv, line 3: text is empty"),
    (
        "a.csv",
        b"prompt,completion\r\na,b\r\n\r\nc\r\n",
        "a.csv, line 4: has 1 field, but the header has 2",
    ),
    ("a.csv", b"prompt,completion\ra,b\rc\r", "a.csv, line 3: has 1 field, but the header has 2"),
    (
        "a.csv",
        "prompt,completion\nä,b\n".encode() + b"\xff,b\n",
        "a.csv, line 3: is not UTF-8 text at character 1",
    ),
    ("a.csv", b"\xef\xbb\xbfprompt,completion\na,\n", "a.csv, line 2: completion is empty"),
    ("a.csv", "prompt,completion\na,\n".encode("utf-16"), "a.csv, line 2: completion is empty"),
    (
        "a.csv",
        b'"' + b"x" * 20 * 2**20,
        "a.csv, line 1: is longer than 16 million characters: a quotation mark may be left open; nothing after it can be read",
    ),
    # -- broken tables with tabs
    ("a.tsv", b"prompt\tcompletion\na\n", "a.tsv, line 2: has 1 field, but the header has 2"),
    (
        "a.tsv",
        b"prompt,completion\na,b\n",
        "a.tsv, line 2: needs messages, prompt and completion, or text; found prompt,completion",
    ),
    (
        "a.tsv",
        b'prompt\tcompletion\n"a\tb\n',
        "a.tsv, line 2: opens a quotation mark that is never closed",
    ),
    ("a.tsv", b"text\n \n", "a.tsv, line 2: text is empty"),
    (
        "a.tsv",
        b"prompt\tcompletion\na\tb\tc\n",
        "a.tsv, line 2: has 3 fields, but the header has 2",
    ),
    # -- broken Parquet
    ("a.parquet", b"", "a.parquet is empty."),
    ("a.parquet", b"hello", "a.parquet: isn't a Parquet file"),
    ("a.parquet", b"PAR1", "a.parquet: is damaged or not a Parquet file"),
    ("a.parquet", b"PAR1PAR1", "a.parquet: is damaged or not a Parquet file"),
    ("a.parquet", b"PAR1" + b"\x00" * 50 + b"PAR1", "a.parquet: is damaged or not a Parquet file"),
    ("a.parquet", parquet([{"text": "a"}])[:-4], "a.parquet: is damaged or not a Parquet file"),
    ("a.parquet", parquet([{"text": "a"}])[:40], "a.parquet: is damaged or not a Parquet file"),
    (
        "a.arrow",
        arrow(TEXTS).replace(b"words", b"wo\xffds"),
        "a.arrow: has a column whose name is not UTF-8",
    ),
    (
        "a.arrow",
        arrow(TEXTS, pa.ipc.new_file).replace(b"words", b"wo\xffds"),
        "a.arrow: has a column whose name is not UTF-8",
    ),
    ("a.arrow", arrow(TWO_TEXTS), "a.arrow: has several columns named 'text'"),
    ("a.parquet", parquet_of_table(TWO_TEXTS), "a.parquet: has several columns named 'text'"),
    ("a.parquet", parquet([{"text": "a"}, {"text": ""}]), "a.parquet, row 2: text is empty"),
    ("a.parquet", parquet([{"text": None}]), "a.parquet, row 1: text is null, not text"),
    ("a.parquet", parquet([{"text": 5}]), "a.parquet, row 1: text is a number, not text"),
    ("a.parquet", parquet([{"text": b"a"}]), "a.parquet, row 1: text is binary data, not text"),
    ("a.parquet", parquet([{"text": ["a"]}]), "a.parquet, row 1: text is a list, not text"),
    ("a.parquet", parquet([{"text": {"a": "b"}}]), "a.parquet, row 1: text is an object, not text"),
    (
        "a.parquet",
        parquet([{"text": date(2026, 1, 2)}]),
        "a.parquet, row 1: text is a date, not text",
    ),
    ("a.parquet", parquet([{"text": 0.5}]), "a.parquet, row 1: text is a number, not text"),
    (
        "a.parquet",
        parquet([{"q": "a", "a": "b"}]),
        "a.parquet, row 1: needs messages, prompt and completion, or text; found q, a",
    ),
    (
        "a.parquet",
        parquet([{"prompt": "a", "completion": None}]),
        "a.parquet, row 1: completion is null, not text",
    ),
    (
        "a.parquet",
        parquet([{"messages": [USER]}]),
        "a.parquet, row 1: has no assistant turn, so there is nothing to learn",
    ),
    (
        "a.parquet",
        parquet([{"messages": [USER, {"role": "assistant", "content": None}]}]),
        "a.parquet, row 1: message 2 (assistant) has no content",
    ),
    ("a.parquet", parquet([{"messages": []}]), "a.parquet, row 1: messages is an empty list"),
    (
        "a.parquet",
        parquet([{"conversations": [HUMAN]}]),
        "a.parquet, row 1: has no assistant turn, so there is nothing to learn",
    ),
    (
        "a.parquet",
        parquet([{"text": "a"}])[:0] + gzip.compress(b"hello"),
        "a.parquet: isn't a Parquet file",
    ),
    # -- an empty Parquet table
    ("b.parquet", parquet_of_none(), "b.parquet is empty."),
    # -- plain text
    ("a.txt", b"", "a.txt is empty."),
    ("a.txt", b"\n \n\t\n", "a.txt is empty."),
    ("a.txt", b"a\x00b", "a.txt, line 1: has a NUL byte, so it is not text; save the file again"),
    (
        "a.txt",
        b"a\n\n" + "ä".encode() + b" \xff",
        "a.txt, line 1: is not UTF-8 text at character 6",
    ),
    ("a.txt", b"\xff\xfea", "a.txt: ends in the middle of a character (utf-16-le)"),
    ("a.txt", b"\xfe\xff\x00a\xd8\x00", "a.txt, line 1: is not UTF-16 text at character 2"),
    ("a.txt", b"x" * (17 * 2**20), "a.txt, line 1: is longer than 16 million characters"),
    # -- Markdown
    ("a.md", b"  \n\n", "a.md is empty."),
    (
        "a.md",
        b"# a\n\x00\n",
        "a.md, line 1: has a NUL byte, so it is not text; save the file again",
    ),
    # -- gzip
    (
        "a.jsonl.gz",
        b"\x1f\x8b",
        "a.jsonl.gz: is damaged or cut off: its gzip data can't be unpacked to the end",
    ),
    (
        "a.jsonl.gz",
        gzip.compress(GOOD)[:-6],
        "a.jsonl.gz: is damaged or cut off: its gzip data can't be unpacked to the end",
    ),
    (
        "a.jsonl.gz",
        gzip.compress(GOOD)[:12],
        "a.jsonl.gz: is damaged or cut off: its gzip data can't be unpacked to the end",
    ),
    (
        "a.jsonl.gz",
        gzip.compress(GOOD) + b"tail",
        "a.jsonl.gz: is damaged or cut off: its gzip data can't be unpacked to the end",
    ),
    ("a.jsonl.gz", gzip.compress(b""), "a.jsonl.gz is empty."),
    (
        "a.jsonl.gz",
        gzip.compress(b"{"),
        "a.jsonl.gz, line 1: is not valid JSON at column 2: a key in double quotes is missing",
    ),
    (
        "a.jsonl.gz",
        gzip.compress(GOOD)[:-5] + b"12345",
        "a.jsonl.gz: is damaged or cut off: its gzip data can't be unpacked to the end",
    ),
    (
        "a.jsonl.gz",
        b"hello",
        "a.jsonl.gz, line 1: is not valid JSON at column 1: a value is missing or not quoted",
    ),
    # -- gzip of a table
    (
        "a.csv.gz",
        gzip.compress(b"prompt,completion\na\n"),
        "a.csv.gz, line 2: has 1 field, but the header has 2",
    ),
    # -- gzip of Parquet
    ("a.parquet.gz", gzip.compress(b"hello"), "a.parquet.gz: isn't a Parquet file"),
    ("a.parquet.gz", gzip.compress(parquet([{"text": ""}])), "a.parquet.gz, row 1: text is empty"),
    (
        "a.parquet.gz",
        gzip.compress(parquet([{"text": "a"}]))[:-9],
        "a.parquet.gz: is damaged or cut off: its gzip data can't be unpacked to the end",
    ),
    # -- other encodings
    ("w.jsonl", row(text="").decode().encode("utf-16"), "w.jsonl, line 1: text is empty"),
    ("w.jsonl", row(text="").decode().encode("utf-16-be"), "w.jsonl, line 1: text is empty"),
    ("w.jsonl", row(text="").decode().encode("utf-16-le"), "w.jsonl, line 1: text is empty"),
    ("w.jsonl", row(text="").decode().encode("utf-32"), "w.jsonl, line 1: text is empty"),
    (
        "w.jsonl",
        row(text="a").decode().encode("utf-16")[:-1],
        "w.jsonl: ends in the middle of a character (utf-16-le)",
    ),
    ("w.jsonl", b"\xff\xfe", "w.jsonl is empty."),
    ("w.jsonl", b"\xef\xbb\xbf", "w.jsonl is empty."),
    (
        "w.jsonl",
        '{"text": "\ud800"}'.encode("utf-16", "surrogatepass"),
        "w.jsonl, line 1: is not UTF-16 text at character 11",
    ),
]
