"""Folders as people have them: saved to disk, laid out as on the Hub, or with one file in them."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.core.errors import InputError
from app.data.files.dataset_files import dataset_name, find_files
from app.data.files.dataset_folders import has_train_file
from app.data.rows.row_validation import read_validated_rows
from tests.at_once import inspect

ROWS = [{"prompt": f"Name river {n}.", "completion": "The Aare."} for n in range(3)]


def save(folder, rows=ROWS, files=1):
    """What `Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True)
    names = [f"data-{n:05}-of-{files:05}.arrow" for n in range(files)]
    for name in names:
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_stream(str(folder / name), table.schema) as writer:
            writer.write_table(table)
    state = {"_data_files": [{"filename": name} for name in names], "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text('{"features": {}}')


def found(folder):
    files = find_files(folder)
    return [
        [str(path.relative_to(folder)) for path in paths]
        for paths in (files.train_files, files.valid_files)
    ]


def written(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"text": "fox"}\n')


def test_a_saved_dataset_is_read(tmp_path):
    save(tmp_path / "rivers", files=2)
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    assert found(tmp_path / "rivers") == [names, []]
    facts = inspect(tmp_path / "rivers")
    assert (facts.examples, facts.problem_count) == (6, 0)
    assert facts.preview[0].messages[0]["content"] == "Name river 0."
    assert has_train_file(tmp_path / "rivers")
    assert dataset_name(find_files(tmp_path / "rivers")) == "rivers"


def test_the_sets_of_a_saved_dictionary_are_read(tmp_path):
    folder = tmp_path / "rivers"
    for name in ("train", "validation", "test"):
        save(folder / name)
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "validation", "test"]}')
    name = "data-00000-of-00001.arrow"
    assert found(folder) == [[f"train/{name}"], [f"validation/{name}"]]
    assert has_train_file(folder)
    assert dataset_name(find_files(folder)) == "rivers"


def test_a_saved_dataset_that_is_not_whole_is_named(tmp_path):
    save(tmp_path / "rivers", files=2)
    (tmp_path / "rivers" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(InputError, match=r"lacks data-00001-of-00002.arrow, which its state.json"):
        find_files(tmp_path / "rivers")


def test_a_saved_choice_of_rows_is_refused(tmp_path):
    save(tmp_path / "rivers")
    state = json.loads((tmp_path / "rivers" / "state.json").read_text())
    state["_indices_files"] = [{"filename": "indices.arrow"}]
    (tmp_path / "rivers" / "state.json").write_text(json.dumps(state))
    with pytest.raises(InputError, match="contains only selected rows of a larger one"):
        find_files(tmp_path / "rivers")


@pytest.mark.parametrize(
    ("names", "train", "valid"),
    [
        (["data/train_sft-00000-of-00001.jsonl", "data/test_sft-00000-of-00001.jsonl"],
         ["data/train_sft-00000-of-00001.jsonl"], []),
        (["train_sft-0.jsonl", "train_sft-1.jsonl", "validation_sft-0.jsonl", "valid.jsonl"],
         ["train_sft-0.jsonl", "train_sft-1.jsonl"], ["validation_sft-0.jsonl"]),
        (["train-clean.csv"], ["train-clean.csv"], []),
        (["train.jsonl", "train_raw.jsonl"], ["train.jsonl"], []),
        (["train/a.jsonl", "valid/b.jsonl", "README.md"], ["train/a.jsonl"], ["valid/b.jsonl"]),
        (["train/part-0.csv", "train/part-1.csv", "dev/dev.csv"],
         ["train/part-0.csv", "train/part-1.csv"], ["dev/dev.csv"]),
        (["data/train/a.jsonl", "data/validation/b.jsonl"],
         ["data/train/a.jsonl"], ["data/validation/b.jsonl"]),
        (["train.jsonl", "valid/b.jsonl"], ["train.jsonl"], ["valid/b.jsonl"]),
        (["chats.jsonl"], ["chats.jsonl"], []),
        (["chats.jsonl", "README.md", "LICENSE.txt", "dataset_info.json", "notes.txt"],
         ["chats.jsonl"], []),
        (["story.txt", "readme.md"], ["story.txt"], []),
    ],
)  # fmt: skip
def test_a_folder_gives_the_sets_it_has(tmp_path, names, train, valid):
    written(tmp_path, *names)
    assert found(tmp_path) == [train, valid]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["train_gen-0.jsonl", "train_sft-0.jsonl"],
         "has train_gen-0.jsonl and train_sft-0.jsonl: which one is meant?"),
        (["a.jsonl", "b.csv"], "nor a train file of another format; it has a.jsonl and b.csv."),
        (["test.jsonl"], "nor a train file of another format; it has test.jsonl."),
        (["valid.jsonl"], "nor a train file of another format; it has valid.jsonl."),
        (["main/train-0.jsonl", "socratic/train-0.jsonl"],
         "nor a train file of another format; its main and socratic have such files."),
        (["train/a.jsonl", "train/b.jsonl"], "train has a.jsonl and b.jsonl: which one is meant?"),
        (["config.json", "tokenizer.json", "train_results.json", "trainer_state.json"],
         "has no train.jsonl, nor a train file of another format."),
    ],
)  # fmt: skip
def test_where_it_is_not_clear_the_folders_files_are_named(tmp_path, names, sentence):
    written(tmp_path, *names)
    with pytest.raises(InputError) as error:
        find_files(tmp_path)
    assert error.value.message.endswith(sentence)


@pytest.mark.parametrize("names", [["chats.jsonl"], ["config.json", "train_results.json"], []])
def test_a_folder_without_train_in_a_name_may_be_a_model(tmp_path, names):
    written(tmp_path, *names)
    assert not has_train_file(tmp_path)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("opening", [pa.ipc.new_stream, pa.ipc.new_file])
def test_both_forms_of_arrow_give_what_parquet_gives(tmp_path, opening, packed):
    turns = [{"role": "user", "content": "fox?", "name": None},
             {"role": "assistant", "content": "yes", "name": "Ann"}]  # fmt: skip
    table = pa.Table.from_pylist([{"messages": turns}] * 70 + [{"messages": None}])
    arrow, parquet = tmp_path / "a.arrow", tmp_path / "a.parquet"
    with opening(str(arrow), table.schema) as writer:
        writer.write_table(table)
    if packed:
        plain, arrow = arrow, tmp_path / "a.arrow.gz"
        arrow.write_bytes(gzip.compress(plain.read_bytes()))
    pq.write_table(table, parquet)
    rows, wanted = list(read_validated_rows(arrow)), list(read_validated_rows(parquet))
    assert rows[:-1] == wanted[:-1]
    assert (rows[-1].place, rows[-1].reason) == (wanted[-1].place, wanted[-1].reason)


@pytest.mark.parametrize(
    ("names", "others"),
    [
        (["train.jsonl", "valid.jsonl"], []),
        (["train.jsonl", "test.jsonl", "README.md", "LICENSE"], ["test.jsonl"]),
        (["data/train_sft-00000-of-00001.jsonl", "data/test_sft-00000-of-00001.jsonl"],
         ["data/test_sft-00000-of-00001.jsonl"]),
        (["train/a.jsonl", "valid/a.jsonl", "test/a.jsonl", ".git/a.jsonl"], ["test"]),
        (["train-00000-of-00001.jsonl", "old.jsonl", "more/old.jsonl"], ["old.jsonl", "more"]),
        (["train/0000.jsonl", "train/0001.jsonl"], []),
    ],
)  # fmt: skip
def test_what_else_may_hold_rows_in_a_folder_is_named(tmp_path, names, others):
    written(tmp_path, *names)
    facts = inspect(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in facts.not_read] == others
    assert inspect(facts.path).not_read == (), "a file was chosen"


def test_a_numbered_file_in_a_set_s_folder_has_the_dataset_s_name(tmp_path):
    written(tmp_path / "rivers", "train/0000.jsonl", "train/0001.jsonl")
    assert dataset_name(find_files(tmp_path / "rivers")) == "rivers"
    written(tmp_path, "2024.jsonl")
    assert dataset_name(find_files(tmp_path / "2024.jsonl")) == "2024.jsonl"
