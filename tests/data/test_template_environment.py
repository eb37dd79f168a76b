"""Chats are rendered as transformers renders them, in the process that has no transformers."""

import json
import re
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from app.data.chat.chat_template import Chat, ChatTemplate, TemplateError
from app.data.chat.template_environment import template_of
from app.data.chat.template_server import Call, shared_length
from app.engine.model.loading import load_tokenizer

TEMPLATES = sorted((Path(__file__).parent / "templates").iterdir())
OWN = {
    "marks": "{% for m in messages %}{% generation %}  {{ m.content }}\n {% endgeneration %}!"
    "{% endfor %}",
    "json": "{{ messages | tojson(indent=2) }}{{ 'é<' | tojson }}{{ 'é' | tojson(ensure_ascii=1) }}"
    "{{ {'b': 1, 'a': 2} | tojson(separators=(',', ':'), sort_keys=true) }}",
    "names": "{% set ns = namespace(a=1, self=2) %}{% set ns.b = dict(c=3) %}{{ ns.a + ns.b.c }}"
    "{{ dict.fromkeys(['k']) }}",
    "underscore": "{% set ns = namespace() %}{% set ns._b = 1 %}{{ ns._b }}",
    "underscores": "{{ namespace(_b=1) }}",
    "refusal": "{{ raise_exception('No ' ~ messages[0].role) }}",
    "breaks": "{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}{{ m.role }}"
    "{% endfor %}",
    "day": "{{ strftime_now('%Y') }}",
    "unsafe": "{{ messages.append(1) }}",
    "classes": "{{ ''.__class__ }}",
}
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in TEMPLATES} | OWN
USER, ASSISTANT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes <é>."}
SYSTEM = {"role": "system", "content": "Be kind."}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
CHATS = ([USER], [USER, ASSISTANT], [SYSTEM, USER, ASSISTANT, USER, ASSISTANT], [ASSISTANT, USER])
OPTIONS = {"bos_token": "<s>", "eos_token": "</s>", "enable_thinking": True}


def outcome(render: Any) -> str:
    try:
        return str(render())
    except Exception as error:
        return re.sub(r"Chat templates can.*", "Chat templates can...", f"refused: {error}")


def theirs_of(chat: Any, source: str, options: dict[str, Any]) -> str:
    return str(render_jinja_template([chat], chat_template=source, **options)[0][0])


@pytest.mark.parametrize("name", SOURCES)
def test_a_chat_is_rendered_as_by_transformers(name: str) -> None:
    source = SOURCES[name]
    if source.startswith("{\n") and "chat_template" in source:
        source = json.loads(source)["chat_template"]
    template = template_of(source)
    for chat, prompted, tools in product(CHATS, (False, True), (None, TOOLS)):
        options = {"tools": tools, "documents": None, "add_generation_prompt": prompted, **OPTIONS}
        ours = outcome(partial(template.render, messages=chat, **options))
        theirs = outcome(partial(theirs_of, chat, source, options))
        assert ours == theirs


def test_rendering_in_a_batch_equals_rendering_alone(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    template, alone = ChatTemplate(tokenizer), ChatTemplate(tokenizer)
    template.render_plainly()
    chats = [chat for chat in CHATS for _ in range(3)]
    calls = [tuple(Call(turns, turns % 2 == 1) for turns in range(1, len(c) + 1)) for c in chats]
    asked = [Chat(chat, None, some) for chat, some in zip(chats, calls, strict=True)]
    for chat, texts in zip(chats, template.texts_of(asked), strict=True):
        for turns in range(1, len(chat) + 1):
            for prompted in (False, True):
                try:
                    text = alone.texts(chat, None)(turns, prompted)
                except TemplateError as error:
                    with pytest.raises(TemplateError, match=re.escape(str(error))):
                        texts(turns, prompted)
                else:
                    assert texts(turns, prompted) == text


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [("", "", 0), ("ab", "abc", 2), ("abc", "ab", 2), ("abd", "abc", 2), ("x", "abc", 0)],
)
def test_the_common_prefix_of_two_texts(one: str, other: str, shared: int) -> None:
    assert shared_length(one, other) == shared
