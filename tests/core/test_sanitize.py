"""Foreign errors as one bounded line."""

from app.core.text.sanitize import MAX_ERROR_CHARACTERS, error_text


def test_the_lines_of_an_error_are_joined() -> None:
    error = ValueError("Missing 3 parameters: \na.weight,\nb.weight,\nc.weight.")
    assert error_text(error) == "Missing 3 parameters: a.weight, b.weight, c.weight"


def test_a_long_list_is_cut_after_a_whole_item() -> None:
    names = [f"model.layers.{number}.self_attn.q_proj.weight" for number in range(28)]
    text = error_text(ValueError("Missing 28 parameters: \n" + ",\n".join(names) + "."))
    assert text.startswith("Missing 28 parameters: model.layers.0.self_attn.q_proj.weight, ")
    assert text.endswith(".self_attn.q_proj.weight, …")
    assert len(text) <= MAX_ERROR_CHARACTERS + 3


def test_an_error_without_words_is_named_by_its_kind() -> None:
    assert error_text(KeyError()) == "KeyError"
    assert error_text(ValueError(" \n")) == "ValueError"


def test_an_error_as_long_as_a_book_is_bounded_and_shows_no_control_character() -> None:
    text = error_text(RuntimeError("\x1b[31mred" + "x" * 10**7))
    assert len(text) <= MAX_ERROR_CHARACTERS
    assert "\x1b" not in text
