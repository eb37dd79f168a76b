"""The configuration: its problems in sentences, its way through TOML and JSON and back."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from app.core import column_mapping
from app.core.config import tiers
from app.core.config.presets import demo_config
from app.core.config.serialization import parse_tiers, to_dict, with_settings
from app.core.config.training_config import MixedDataset, TierConfig, TrainingConfig
from app.core.errors import InputError


def test_the_defaults_have_no_problems() -> None:
    assert TrainingConfig().problems() == []
    assert demo_config().problems() == []


def test_every_setting_has_a_label_and_help_for_form_and_flags() -> None:
    for f in fields(TrainingConfig):
        assert f.metadata["label"]
        assert f.metadata["help"].endswith(".")


def test_the_help_of_a_written_setting_has_its_example_and_its_words() -> None:
    helps = {field.name: str(field.metadata["help"]) for field in fields(TrainingConfig)}
    assert f"like {column_mapping.EXAMPLE};" in helps["columns"]
    assert f"Roles: {', '.join(column_mapping.ROLES)}." in helps["columns"]
    assert f"like {tiers.EXAMPLE}." in helps["tier_patterns"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "Steps must be at least 1"),
        ({"batch_size": 0}, "Batch size"),
        ({"learning_rate": 0.0}, "Learning rate must be greater than 0"),
        ({"learning_rate": float("nan")}, "Learning rate must be a number"),
        ({"learning_rate": float("inf")}, "Learning rate must be greater than 0"),
        ({"dropout": 1.0}, "Dropout"),
        ({"num_layers": 0}, "with 0 nothing trains"),
        ({"num_layers": -2}, "Layers"),
        ({"tiers": ()}, "at least one tier"),
        ({"tiers": (TierConfig(1),) * 9}, "9 tiers are too many"),
        ({"tiers": (TierConfig(0),)}, "Tier 0's update period"),
        ({"tiers": (TierConfig(1, 0.0),)}, "Tier 0's learning-rate factor"),
        ({"tiers": (TierConfig(2), TierConfig(1))}, "shortest first"),
        ({"validation_split": 0.9}, "at least 0 % and at most 50 %; it is 90 %."),
    ],
)
def test_invalid_settings_are_reported_in_a_sentence(change: dict[str, object], words: str) -> None:
    problems = replace(TrainingConfig(), **change).problems()  # type: ignore[arg-type]
    assert [words in problem.message for problem in problems] == [True]
    assert problems[0].setting in change


def test_a_config_survives_json(tmp_path: Path) -> None:
    config = replace(
        demo_config(), valid=tmp_path / "v.jsonl", tiers=(TierConfig(1), TierConfig(8, 0.25))
    )
    assert with_settings(TrainingConfig(), json.loads(json.dumps(to_dict(config))), where="x") == (
        config
    )


def test_paths_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    located = replace(
        TrainingConfig(), data=Path("d.jsonl"), eval_sets=(Path("q.jsonl"),)
    ).located()
    assert located.data == tmp_path / "d.jsonl"
    assert located.eval_sets == (tmp_path / "q.jsonl",)


def test_tiers_are_read_from_periods_and_factors() -> None:
    assert parse_tiers("1,2") == (TierConfig(1), TierConfig(2))
    assert parse_tiers("1, 4", "1,0.5") == (TierConfig(1), TierConfig(4, 0.5))


@pytest.mark.parametrize(("periods", "factors"), [("", ""), ("1;2", ""), ("1", "1,2"), ("1", "x")])
def test_tiers_that_can_t_be_read_are_refused(periods: str, factors: str) -> None:
    with pytest.raises(InputError):
        parse_tiers(periods, factors)


@pytest.mark.parametrize(
    ("value", "mix"),
    [
        ([], ()),
        (["a=b.jsonl=0.25"], (MixedDataset(Path("a=b.jsonl"), 0.25),)),
        (
            [{"data": "a", "share": 1, "columns": "text=t"}],
            (MixedDataset(Path("a"), 1.0, "text=t"),),
        ),
    ],
)
def test_mixed_in_datasets_are_read(value, mix):
    assert with_settings(TrainingConfig(), {"mix": value}, where="here").mix == mix


@pytest.mark.parametrize(
    "value",
    ["a=0.1", ["a"], ["=0.1"], ["a=b"], [{"data": "a"}], [{"share": 0.1}], [1],
     [{"data": "a", "share": "0.1"}], [{"data": 1, "share": 0.1}], [{"data": "", "share": 0.1}],
     [{"data": "a", "share": 0.1, "rest": 1}], [{"data": "a", "share": True}]],
)  # fmt: skip
def test_invalid_mixed_in_datasets_are_refused(value):
    with pytest.raises(InputError, match=r"^here: mix must name datasets with their shares"):
        with_settings(TrainingConfig(), {"mix": value}, where="here")


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ([0.0], "The share of 0.jsonl must be above 0 and below 1, like 0.25 for a quarter; "),
        ([1.0], "it is 1."),
        ([-0.5], "it is -0.5."),
        ([float("nan")], "it is nan."),
        ([0.5, 0.5], "The mixed-in datasets make up 100 % of the rows; at most 95 % are allowed"),
    ],
)  # fmt: skip
def test_invalid_shares_are_reported(shares, sentence):
    mix = tuple(MixedDataset(Path(f"{n}.jsonl"), share) for n, share in enumerate(shares))
    (problem,) = TrainingConfig(mix=mix).problems()
    assert problem.setting == "mix"
    assert sentence in problem.message


def test_a_mixed_in_datasets_columns_are_checked():
    mix = (MixedDataset(Path("a.csv"), 0.5, "nonsense"),)
    (problem,) = TrainingConfig(mix=mix).problems()
    assert problem.message.startswith("a.csv: ")


def test_a_mixed_in_share_is_shown_rounded() -> None:
    assert str(MixedDataset(Path("old.jsonl"), 1 / 3)) == "old.jsonl 33.3 %"


@pytest.mark.parametrize("name", ["steps", "learning_rate", "seed", "rank"])
def test_a_number_that_no_float_holds_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(InputError) as refused:
        with_settings(TrainingConfig(), {name: 10**400}, where="x").checked()
    assert len(str(refused.value)) < 200


def test_tiers_and_shares_that_no_float_holds_are_refused_in_a_sentence() -> None:
    for settings in (
        {"tiers": [{"period": 1, "learning_rate_factor": 10**400}]},
        {"mix": [{"data": "a", "share": 10**400}]},
    ):
        with pytest.raises(InputError, match="must"):
            with_settings(TrainingConfig(), settings, where="x")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model", "Folder of an MLX model"), ("data", "A file of examples"),
        ("columns", "Roles of columns"), ("tier_patterns", "patterns for module paths"),
        ("adapter", "An adapter to continue"), ("valid", "A file to validate on"),
        ("seed", "Determines"), ("slow_every", "Steps between lessons"),
    ],
)  # fmt: skip
def test_the_help_of_a_setting_is_about_that_setting(name: str, words: str) -> None:
    helps = {field.name: str(field.metadata["help"]) for field in fields(TrainingConfig)}
    assert [found for found, text in helps.items() if words in text] == [name]


@pytest.mark.parametrize(
    ("files", "name"),
    [(("a/facts.jsonl", "b/facts.jsonl"), "facts"), (("known_questions.json",), "known questions")],
)
def test_question_sets_of_one_name_are_refused(files: tuple[str, ...], name: str) -> None:
    config = TrainingConfig(data=Path("d.jsonl"), eval_sets=tuple(map(Path, files)))
    (problem,) = config.problems()
    assert problem.setting == "eval_sets"
    assert f"Two question sets are named “{name}”" in problem.message
    assert not replace(config, eval_sets=(Path("a/facts.jsonl"), Path("c.jsonl"))).problems()
