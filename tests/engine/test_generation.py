"""A checkpoint tried: whose logits these are, the same seed, stopping, and what is refused."""

import gc
import json
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import pytest

from app.core.chat_messages import Chat, Turn
from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.errors import AppError, InputError, RunError
from app.core.generation_events import (
    AnswerEnded,
    AnswerEvent,
    AnswersCompared,
    CheckpointRef,
    GenerationNotice,
    LogitsCompared,
    Sampling,
    TextAdded,
    answer_to_json,
)
from app.engine.generation.adapted_model import TunedModel
from app.engine.generation.generation import (
    answer,
    compare_answers,
    compare_logits,
    likeliest,
    make_sampler,
)
from app.engine.model.chat_prompt import NO_SYSTEM_ROLE
from app.engine.model.loading import load_base_model
from app.engine.runtime.mlx_runtime import close_thread
from app.engine.training.trainer import train
from tests.at_once import load_tuned_model
from tests.conftest import CHATML, write_chats

QUESTION = "What is 3 plus 3?"
PROMPT = [1, 70, 71, 72, 2]


def trained(folder: Path, model: Path, **settings: object) -> Path:
    """The last checkpoint of a short real run."""
    data = folder / "chats.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    write_chats(data, 24)
    made = TrainingConfig(
        model=model, data=data, output=folder / "run", steps=4, batch_size=4, learning_rate=1e-2,
        steps_per_eval=4, tiers=(TierConfig(1), TierConfig(2)), **settings,
    )  # fmt: skip
    return list(train(made))[-1].adapter_dir  # type: ignore[union-attr, return-value]


@pytest.fixture(scope="module")
def checkpoint(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> CheckpointRef:
    return CheckpointRef(tiny_model, trained(tmp_path_factory.mktemp("tried"), tiny_model))


@pytest.fixture(scope="module")
def tuned(checkpoint: CheckpointRef) -> TunedModel:
    return load_tuned_model(checkpoint)


def logits(model: object) -> object:
    found = model(mx.array([PROMPT]))  # type: ignore[operator]
    mx.eval(found)
    return found


def texts(events: list[AnswerEvent]) -> dict[str, str]:
    found = {"base": "", "tuned": ""}
    for event in events:
        if isinstance(event, TextAdded):
            found[event.side] += event.text
    return found


def only(events: list[AnswerEvent], kind: type) -> list[AnswerEvent]:
    return [event for event in events if isinstance(event, kind)]


def endings(events: list[AnswerEvent]) -> dict[str, str]:
    return {event.side: event.ending for event in events if isinstance(event, AnswerEnded)}


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({}, {}),
        ({}, {"fine_tune_type": "dora"}),
        ({}, {"keys": "q_proj,down_proj", "num_layers": 2}),
        ({"bits": 4}, {}),
        ({"bits": 4}, {"fine_tune_type": "dora"}),
        ({"dtype": "bfloat16"}, {}),
    ],
    ids=["lora", "dora", "some modules", "quantised", "quantised dora", "bfloat16"],
)
def test_both_sides_are_the_models_that_mlx_lm_loads(
    make_model: Callable[..., Path],
    tmp_path: Path,
    changes: dict[str, object],
    settings: dict[str, object],
) -> None:
    """The base's logits bit for bit, the tuned ones to 1e-4, whichever side was asked before."""
    from mlx_lm import load

    model = make_model(**changes)
    folder = trained(tmp_path, model, **settings)
    tried = load_tuned_model(CheckpointRef(model, folder))
    alone = logits(load_base_model(model).model)
    theirs = logits(load(str(model), adapter_path=str(folder))[0])
    for _ in range(2):
        assert mx.array_equal(logits(tried.select_side("base")), alone)
        assert mx.abs(logits(tried.select_side("tuned")) - theirs).max().item() <= 1e-4
    assert mx.abs(theirs - alone).max().item() > 1e-2, "the run moved nothing: this proves nothing"


def test_the_measured_distance_is_that_of_the_models(tuned: TunedModel) -> None:
    events = list(answer(tuned, Chat(QUESTION), Sampling(max_tokens=3)))
    (found,) = only(events, LogitsCompared)
    prompt = mx.array([tuned.base.tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], add_generation_prompt=True)])  # fmt: skip
    base, other = (tuned.select_side(side)(prompt)[0, -1] for side in ("base", "tuned"))  # type: ignore[arg-type]
    assert found.largest_difference == pytest.approx(mx.abs(base - other).max().item(), rel=1e-4)  # type: ignore[attr-defined]
    p = mx.softmax(other)
    kl = (p * (mx.log(p) - mx.log(mx.softmax(base)))).sum().item()
    assert found.kl_divergence == pytest.approx(kl, rel=1e-3)  # type: ignore[attr-defined]
    assert not found.are_equal  # type: ignore[attr-defined]


def test_an_adapter_without_effect_is_reported_as_such(tiny_model: Path, tmp_path: Path) -> None:
    """Equal logits and equal answers, sampled with the same seed."""
    folder = trained(tmp_path, tiny_model)
    arrays = mx.load(str(folder / "adapters.safetensors"))
    still = {path: mx.zeros_like(a) if "lora_b" in path else a for path, a in arrays.items()}
    tried = load_tuned_model(with_adapter(tiny_model, folder, tmp_path / "still", still))
    events = list(answer(tried, Chat(QUESTION), Sampling(temperature=1.5, max_tokens=12, seed=4)))
    assert only(events, LogitsCompared) == [LogitsCompared(True, 0.0, 0.0, True)]
    assert events[-1] == AnswersCompared(are_equal=True, first_difference=None)
    assert texts(events)["base"] == texts(events)["tuned"]


def with_adapter(model: Path, like: Path, folder: Path, arrays: dict[str, object]) -> CheckpointRef:
    """A checkpoint as the recorder writes it, with other arrays."""
    from app.engine.training.checkpoints import load_checkpoint, save_checkpoint

    found = load_checkpoint(like)
    config = json.loads((like / "adapter_config.json").read_text())
    save_checkpoint(folder, arrays, config, found.state, {}, found.progress)
    return CheckpointRef(model, folder)


def test_the_same_seed_gives_the_same_text_and_another_one_another(tuned: TunedModel) -> None:
    def answers(seed: int, sides: tuple[str, ...] = ("base", "tuned")) -> dict[str, str]:
        sampling = Sampling(temperature=1.0, top_p=0.95, max_tokens=24, seed=seed)
        return texts(list(answer(tuned, Chat(QUESTION), sampling, sides)))  # type: ignore[arg-type]

    first = answers(1)
    assert answers(1) == first
    assert answers(2) != first
    assert answers(1, ("tuned",))["tuned"] == first["tuned"], "the other side changes nothing"


def test_greedy_answers_are_mlx_lm_s(tuned: TunedModel, checkpoint: CheckpointRef) -> None:
    from mlx_lm import generate, load

    theirs = load(str(checkpoint.model), adapter_path=str(checkpoint.adapter_dir))
    prompt = theirs[1].apply_chat_template(
        [{"role": "user", "content": QUESTION}], add_generation_prompt=True
    )
    reply = texts(list(answer(tuned, Chat(QUESTION), Sampling(max_tokens=16))))["tuned"]
    assert reply == generate(*theirs[:2], prompt, max_tokens=16)


def test_events_are_plain_and_every_side_ends_once(tuned: TunedModel) -> None:
    events = list(answer(tuned, Chat(QUESTION), Sampling(max_tokens=5)))
    assert pickle.loads(pickle.dumps(events)) == events
    for event in events:
        json.dumps(answer_to_json(event), allow_nan=False)
    ends = only(events, AnswerEnded)
    assert {end.side for end in ends} == {"base", "tuned"}  # type: ignore[attr-defined]
    assert all(end.tokens == 5 and end.ending == "length" for end in ends)  # type: ignore[attr-defined]


def test_each_side_continues_with_its_own_answers(tuned: TunedModel) -> None:
    chat = Chat("And 4?", "Be short.", (Turn(QUESTION, "base words", "tuned"),))
    assert [m["content"] for m in chat.messages("base")][2] == "base words"
    events = list(answer(tuned, chat, Sampling(max_tokens=2)))
    lengths = {e.side: e.prompt_tokens for e in only(events, AnswerEnded)}  # type: ignore[attr-defined]
    assert lengths["base"] - lengths["tuned"] == len("base words") - len("tuned")
    (found,) = only(events, LogitsCompared)
    prompt = mx.array([tuned.base.tokenizer.apply_chat_template(
        chat.messages("tuned"), add_generation_prompt=True)])  # fmt: skip
    base, other = (tuned.select_side(side)(prompt)[0, -1] for side in ("base", "tuned"))  # type: ignore[arg-type]
    assert found.largest_difference == pytest.approx(mx.abs(base - other).max().item(), rel=1e-3)  # type: ignore[attr-defined]


def test_a_stop_ends_both_and_the_model_answers_again(tuned: TunedModel) -> None:
    seen: list[AnswerEvent] = []
    for event in answer(
        tuned, Chat(QUESTION), Sampling(max_tokens=10_000, temperature=1.0),
        should_stop=lambda: len(seen) > 12,
    ):  # fmt: skip
        seen.append(event)
        assert len(seen) < 30
    assert endings(seen) == {"base": "stopped", "tuned": "stopped"}
    assert not only(seen, AnswersCompared)
    assert endings(list(answer(tuned, Chat(QUESTION), Sampling(max_tokens=2))))


def test_a_stop_takes_effect_while_a_long_prompt_is_read(tuned: TunedModel) -> None:
    asked = iter([False, False, False])
    chat = Chat("word " * 4000)
    events = list(answer(tuned, chat, Sampling(), should_stop=lambda: next(asked, True)))
    assert endings(events) == {"base": "stopped", "tuned": "stopped"}
    assert not only(events, TextAdded)


def test_closing_in_the_middle_leaves_the_adapter_on(tuned: TunedModel) -> None:
    before = logits(tuned.select_side("tuned"))
    asking = answer(tuned, Chat(QUESTION), Sampling(max_tokens=50))
    next(asking)
    asking.close()  # type: ignore[attr-defined]
    assert mx.array_equal(logits(tuned.base.model), before)


def test_nothing_of_mlx_is_left_for_another_thread_to_collect(checkpoint: CheckpointRef) -> None:
    """mlx-lm's generators hold MLX's stream, which complains where another thread ends them."""

    def ask_and_close() -> None:
        asking = answer(load_tuned_model(checkpoint), Chat(QUESTION), Sampling(max_tokens=50))
        next(asking)
        asking.close()  # type: ignore[attr-defined]
        close_thread()

    gc.collect()
    gc.disable()  # so that it is this thread that collects
    try:
        thread = threading.Thread(target=ask_and_close)
        thread.start()
        thread.join()
        gc.collect()
    finally:
        gc.enable()


def test_the_end_of_turn_is_not_part_of_the_answer(tuned: TunedModel) -> None:
    """The tiny model is made to end its turn by having every token end one."""
    ending = replace(tuned, stop_tokens=frozenset(range(320)))
    events = list(answer(ending, Chat(QUESTION), Sampling()))
    assert texts(events) == {"base": "", "tuned": ""}
    assert [e.tokens for e in only(events, AnswerEnded)] == [0, 0]  # type: ignore[attr-defined]
    assert endings(events) == {"base": "end", "tuned": "end"}


def test_an_answer_ends_where_the_folder_or_the_template_says(
    make_model: Callable[..., Path], checkpoint: CheckpointRef
) -> None:
    """A base whose tokenizer's own end is not the template's end of a turn."""
    model = make_model()
    for name, changes in (
        ("tokenizer_config.json", {"eos_token": "<pad>"}),
        ("generation_config.json", {"eos_token_id": [70, 71]}),
    ):
        file = model / name
        existing = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(existing | changes))
    stop_tokens = load_tuned_model(CheckpointRef(model, checkpoint.adapter_dir)).stop_tokens
    assert stop_tokens == {0, 2, 70, 71}, (
        "pad, the template's <|im_end|>, and what the folder names"
    )


def test_characters_of_several_tokens_come_whole(
    tuned: TunedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny model's tokens are bytes: an emoji is four of them, a family of three eighteen."""
    text = "né 😀 👨‍👩‍👧 שלום!"
    script = [*tuned.base.tokenizer.encode(text), 2]

    def scripted(_: Sampling) -> object:
        tokens = iter(script)
        return lambda _: mx.array([next(tokens, 2)])

    monkeypatch.setattr("app.engine.generation.generation.make_sampler", scripted)
    events = list(answer(tuned, Chat(QUESTION), Sampling(), ("tuned",)))
    streamed = [event.text for event in events if isinstance(event, TextAdded)]
    assert "".join(streamed) == text
    assert all("\ufffd" not in piece for piece in streamed)
    assert any(piece.strip() == "😀" for piece in streamed)


def template_model(make_model: Callable[..., Path], template: str | None) -> Path:
    model = make_model()
    (model / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((model / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    if template is not None:
        config["chat_template"] = template
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    return model


REFUSING = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system') }}{% endif %}"
DROPPING = CHATML.replace(
    "{% for m in messages %}", "{% for m in messages if m.role != 'system' %}"
)


@pytest.mark.parametrize("template", [REFUSING + CHATML, DROPPING], ids=["refuses", "drops"])
def test_a_template_without_a_system_role_still_gets_the_system_prompt(
    make_model: Callable[..., Path], checkpoint: CheckpointRef, template: str
) -> None:
    model = template_model(make_model, template)
    tuned = load_tuned_model(CheckpointRef(model, checkpoint.adapter_dir))
    events = list(answer(tuned, Chat(QUESTION, "Be short."), Sampling(max_tokens=2)))
    assert events[0] == GenerationNotice(NO_SYSTEM_ROLE)
    folded = list(answer(tuned, Chat(f"Be short.\n\n{QUESTION}"), Sampling(max_tokens=2)))
    assert events[1:3] == folded[:2]
    assert not only(folded, GenerationNotice)


def test_a_model_without_a_template_continues_the_text(
    make_model: Callable[..., Path], checkpoint: CheckpointRef
) -> None:
    tuned = load_tuned_model(
        CheckpointRef(template_model(make_model, None), checkpoint.adapter_dir)
    )
    assert not tuned.loaded.has_template
    events = list(answer(tuned, Chat("Once upon a time"), Sampling(max_tokens=2)))
    (end, _) = only(events, AnswerEnded)
    assert end.prompt_tokens == len("Once upon a time")  # type: ignore[attr-defined]


def test_a_template_s_refusal_is_reported_in_its_own_words(
    make_model: Callable[..., Path], checkpoint: CheckpointRef
) -> None:
    model = template_model(make_model, "{{ raise_exception('Only on Mondays') }}")
    tuned = load_tuned_model(CheckpointRef(model, checkpoint.adapter_dir))
    with pytest.raises(InputError, match="Only on Mondays"):
        list(answer(tuned, Chat(QUESTION), Sampling()))


def test_the_model_s_own_limit_ends_an_answer_and_refuses_a_longer_question(
    make_model: Callable[..., Path], checkpoint: CheckpointRef
) -> None:
    model = make_model()
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 64}))
    tuned = load_tuned_model(CheckpointRef(model, checkpoint.adapter_dir))
    events = list(answer(tuned, Chat(QUESTION), Sampling(max_tokens=200)))
    for end in only(events, AnswerEnded):
        assert end.ending in ("context", "end")  # type: ignore[attr-defined]
        assert end.prompt_tokens + end.tokens <= 64  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="reads at most 64"):
        list(answer(tuned, Chat("word " * 20), Sampling()))


@pytest.mark.parametrize(
    ("chat", "sampling", "words"),
    [
        (Chat("  \n"), Sampling(), "Write something first"),
        (Chat("a"), Sampling(temperature=-1), "temperature"),
        (Chat("a"), Sampling(temperature=float("nan")), "temperature"),
        (Chat("a"), Sampling(top_p=0), "Top-p"),
        (Chat("a"), Sampling(max_tokens=0), "Max tokens"),
        (Chat("a"), Sampling(seed=-1), "seed"),
    ],
)
def test_invalid_requests_are_refused(
    tuned: TunedModel, chat: Chat, sampling: Sampling, words: str
) -> None:
    with pytest.raises(InputError) as refused:
        list(answer(tuned, chat, sampling))
    assert words in str(refused.value)


def test_a_lone_surrogate_in_a_question_is_no_error(tuned: TunedModel) -> None:
    assert endings(list(answer(tuned, Chat("a\ud83d b"), Sampling(max_tokens=1))))


def test_nan_logits_are_reported(tiny_model: Path, tmp_path: Path) -> None:
    folder = trained(tmp_path, tiny_model)
    arrays = mx.load(str(folder / "adapters.safetensors"))
    broken = {path: a * float("nan") for path, a in arrays.items()}
    tried = load_tuned_model(with_adapter(tiny_model, folder, tmp_path / "broken", broken))
    with pytest.raises(RunError, match="The tuned model's logits contain NaN"):
        list(answer(tried, Chat(QUESTION), Sampling()))


@pytest.mark.parametrize("damage", ["gone", "cut", "no config", "another model", "half"])
def test_a_checkpoint_that_can_t_be_used_is_refused_in_a_sentence(
    make_model: Callable[..., Path], tiny_model: Path, tmp_path: Path, damage: str
) -> None:
    folder = trained(tmp_path, tiny_model)
    tried, words = CheckpointRef(tiny_model, folder), "changed since it was written"
    if damage == "gone":
        tried, words = (
            CheckpointRef(tiny_model, folder.with_name("step-000099")),
            "no checkpoint at",
        )
    elif damage == "cut":
        file = folder / "adapters.safetensors"
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "no config":
        (folder / "adapter_config.json").unlink()
        words = "adapter_config.json is missing"
    elif damage == "another model":
        tried, words = CheckpointRef(make_model(hidden=64), folder), "does not fit the model"
    else:
        arrays = mx.load(str(folder / "adapters.safetensors"))
        some = {path: a for path, a in arrays.items() if "layers.3." not in path}
        tried = with_adapter(tiny_model, folder, tmp_path / "half", some)
        words = "it has no weights for model.layers.3"
    with pytest.raises(AppError) as refused:
        load_tuned_model(tried)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_logits_that_both_rule_out_count_for_nothing() -> None:
    base, other = mx.array([1.0, 2.0, -mx.inf]), mx.array([1.0, 2.5, -mx.inf])
    found = compare_logits(base, other)
    assert (found.largest_difference, found.have_same_first) == (0.5, True)
    p, q = (mx.softmax(logits[:2]) for logits in (other, base))
    assert found.kl_divergence == pytest.approx((p * mx.log(p / q)).sum().item(), rel=1e-5)
    ruled_out = compare_logits(mx.array([1.0, 2.0]), mx.array([1.0, -mx.inf]))
    assert ruled_out.kl_divergence == pytest.approx(1.3133, rel=1e-4)


def test_answers_diverge_at_the_first_token_that_differs() -> None:
    assert compare_answers([1, 2], [1, 2]) == AnswersCompared(True, None)
    assert compare_answers([1, 2], [1, 3]) == AnswersCompared(False, 2)
    assert compare_answers([1, 2], [1, 2, 3]) == AnswersCompared(False, 3)
    assert compare_answers([], [4]) == AnswersCompared(False, 1)


def test_top_p_keeps_the_tokens_mlx_lm_keeps() -> None:
    from mlx_lm.sample_utils import apply_top_p

    mx.random.seed(3)
    scores = mx.random.normal((1, 200)) * 3
    logprobs = scores - mx.logsumexp(scores, axis=-1, keepdims=True)
    for top_p in (0.01, 0.3, 0.9, 0.999):
        ours, theirs = likeliest(logprobs, top_p), apply_top_p(logprobs, top_p)
        assert mx.array_equal(ours > -mx.inf, theirs > -mx.inf), top_p


def test_the_sampler_draws_by_probability() -> None:
    """Of two tokens with 0.8 and 0.2, in 2,000 draws; at temperature 0 always the first."""
    logprobs = mx.log(mx.array([[0.8, 0.2]]))
    draw = make_sampler(Sampling(temperature=1.0, seed=1))
    share = sum(draw(logprobs).item() for _ in range(2000)) / 2000
    assert 0.17 < share < 0.23
    assert make_sampler(Sampling())(logprobs).item() == 0


def test_a_broken_chat_template_is_reported_before_any_question(
    make_model: Callable[..., Path], checkpoint: CheckpointRef
) -> None:
    model = template_model(make_model, "{% for m in messages %}")
    with pytest.raises(InputError, match="chat template has an error in line 1"):
        load_tuned_model(CheckpointRef(model, checkpoint.adapter_dir))
